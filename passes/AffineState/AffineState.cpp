// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/AffineState/AffineState.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;
using namespace rwkv;

// ---- states and their events

static StateStep stepOf(Operation *op) { return cast<StateStepOpInterface>(op).getStep(); }

/// The events that lead from a state argument to `state`, in order, and that argument.
static BlockArgument trace(Value state, std::vector<StateStep> &path) {
  while (Operation *op = state.getDefiningOp()) {
    path.push_back(stepOf(op));
    state = path.back().state;
  }
  std::reverse(path.begin(), path.end());
  return cast<BlockArgument>(state);
}

bool CarriedState::isTurned(unsigned axis) const {
  bool any = false;
  for (const StateStep &step : path) {
    if (step.isTransition() && step.axis == StateStep::Axis::key && step.key == axis) {
      any = true;
      if (!step.isIsometric) {
        return false;
      }
    }
  }
  return any;
}

void AffineState::collectPaths(RecurrenceOp recurrence) {
  llvm::DenseMap<Value, unsigned> stateOf;
  for (BlockArgument arg : recurrence.getStateArgs()) {
    stateOf[arg] = states.size();
    states.push_back({arg, cast<StateType>(arg.getType()), {}, 0});
  }
  for (Value value : recurrence.getYield().getOperands()) {
    if (isa<StateType>(value.getType())) {
      std::vector<StateStep> path;
      BlockArgument arg = trace(value, path);
      states[stateOf[arg]].path = std::move(path);
    }
  }
  for (Operation &op : recurrence.getToken().front().without_terminator()) {
    auto access = dyn_cast<StateStepOpInterface>(op);
    if (!access || access.getStep().changesState()) {
      continue;
    }
    StateRead read;
    read.step = access.getStep();
    std::vector<StateStep> path;
    read.state = stateOf[trace(read.step.state, path)];
    ArrayRef<StateStep> carried = states[read.state].path;
    while (read.position < path.size() && read.position < carried.size() &&
           path[read.position].op == carried[read.position].op) {
      ++read.position;
    }
    read.branch.assign(path.begin() + read.position, path.end());
    readOf[read.step.result] = reads.size();
    reads.push_back(std::move(read));
  }
}

std::optional<unsigned> AffineState::findRead(Value value) const {
  auto it = readOf.find(value);
  return it == readOf.end() ? std::nullopt : std::optional<unsigned>(it->second);
}

// ---- abstract interpretation: how values depend on reads

bool AffineState::isUniform(Value value) {
  // What it is made of, each value once: all of that must come from numbers.
  llvm::SetVector<Value> values;
  values.insert(value);
  for (size_t i = 0; i < values.size(); ++i) {
    Operation *op = values[i].getDefiningOp();
    if (!isa<RankedTensorType>(values[i].getType()) || isa_and_nonnull<FillOp>(op)) {
      continue;
    }
    if (auto constant = dyn_cast_or_null<arith::ConstantOp>(op)) {
      auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
      if (!dense || !dense.isSplat()) {
        return false;
      }
    } else if (op && (isa<BroadcastOp>(op) || op->hasTrait<OpTrait::Elementwise>())) {
      values.insert(op->operand_begin(), op->operand_end());
    } else {
      return false;
    }
  }
  return true;
}

llvm::BitVector AffineState::readsOf(Value value) const {
  llvm::BitVector result(reads.size());
  auto it = dependences.find(value);
  if (it != dependences.end()) {
    for (auto &[read, dependence] : it->second) {
      result.set(read);
      result |= dependence.coefficients;
    }
  }
  return result;
}

AffineState::Dependence &AffineState::addRead(Dependences &to, unsigned read) const {
  return to.try_emplace(read, Dependence{llvm::BitVector(reads.size()), nullptr, ""}).first->second;
}

/// What `from` depends on, times numbers that depend on what `coefficients` do.
void AffineState::addLinear(Dependences &to, Value from, ValueRange coefficients) {
  llvm::BitVector factors(reads.size());
  for (Value coefficient : coefficients) {
    if (coefficient) {
      factors |= readsOf(coefficient);
    }
  }
  auto it = dependences.find(from);
  if (it == dependences.end()) {
    return;
  }
  for (const auto &[read, dependence] : it->second) {
    Dependence &place = addRead(to, read);
    place.coefficients |= dependence.coefficients;
    place.coefficients |= factors;
    if (dependence.bad && (!place.bad || dependence.bad->isBeforeInBlock(place.bad))) {
      place.bad = dependence.bad;
      place.why = dependence.why;
    }
  }
}

/// As above, but `op` does something else to it.
void AffineState::addBad(Dependences &to, Value from, Operation *op, StringRef why) {
  addLinear(to, from, {});
  for (unsigned read : readsOf(from).set_bits()) {
    Dependence &place = addRead(to, read);
    if (!place.bad) {
      place.bad = op;
      place.why = why;
    }
  }
}

void AffineState::interpretRead(unsigned index) {
  const StateRead &read = reads[index];
  Dependences result;
  addRead(result, index);
  for (Value key : read.step.keys) {
    addBad(result, key, read.step.op, "it is a key of a read");
  }
  for (const StateStep &step : read.branch) {
    if (step.kind == StateStep::Kind::write) {
      SmallVector<Value> coefficients(step.keys.begin(), step.keys.end());
      coefficients.push_back(step.scale);
      addLinear(result, step.value, coefficients);
      for (Value coefficient : coefficients) {
        if (coefficient) {
          addBad(result, coefficient, step.op, "it is a key or a scale of what is read");
        }
      }
    } else {
      for (Value operand : step.op->getOperands()) {
        addBad(result, operand, step.op, "it changes a state that is read");
      }
    }
  }
  dependences[read.step.result] = std::move(result);
}

void AffineState::interpretOp(Operation *op) {
  Dependences result;
  llvm::TypeSwitch<Operation *>(op)
      .Case<arith::AddFOp, arith::SubFOp, arith::NegFOp>([&](Operation *sum) {
        for (Value operand : sum->getOperands()) {
          addLinear(result, operand, {});
        }
      })
      .Case([&](arith::MulFOp mul) {
        for (auto [x, y] : {std::pair(mul.getLhs(), mul.getRhs()), std::pair(mul.getRhs(), mul.getLhs())}) {
          if (isUniform(y)) {
            addLinear(result, x, {y});
          } else {
            addBad(result, x, op, "it is multiplied by a vector");
          }
        }
      })
      .Case([&](arith::DivFOp div) {
        if (isUniform(div.getRhs())) {
          addLinear(result, div.getLhs(), {div.getRhs()});
        } else {
          addBad(result, div.getLhs(), op, "it is divided by a vector");
        }
        addBad(result, div.getRhs(), op, "it is divided by");
      })
      .Case([&](arith::SelectOp select) {
        Value condition = select.getCondition();
        for (Value value : {select.getTrueValue(), select.getFalseValue()}) {
          if (isUniform(condition)) {
            addLinear(result, value, {condition});
          } else {
            addBad(result, value, op, "it is selected element by element");
          }
        }
        addBad(result, condition, op, "");
      })
      .Default([&](Operation *) {
        for (Value operand : op->getOperands()) {
          addBad(result, operand, op, "");
        }
      });
  if (!result.empty()) {
    dependences[op->getResult(0)] = std::move(result);
  }
}

void AffineState::interpret(RecurrenceOp recurrence) {
  for (Operation &op : recurrence.getToken().front().without_terminator()) {
    auto access = dyn_cast<StateStepOpInterface>(op);
    if (!access) {
      interpretOp(&op);
    } else if (std::optional<unsigned> read = findRead(op.getResult(0))) {
      interpretRead(*read);
    }
  }
}

// ---- strata

void AffineState::findStrata() {
  // needs[a][b]: an event of state a depends on a read of state b.
  SmallVector<llvm::BitVector> needs(states.size(), llvm::BitVector(states.size()));
  for (auto [a, state] : llvm::enumerate(states)) {
    for (const StateStep &step : state.path) {
      for (Value operand : step.op->getOperands()) {
        if (!isa<StateType>(operand.getType())) {
          for (unsigned read : readsOf(operand).set_bits()) {
            needs[a].set(reads[read].state);
          }
        }
      }
    }
  }
  for (size_t via = 0; via < states.size(); ++via) {
    for (size_t a = 0; a < states.size(); ++a) {
      if (needs[a][via]) {
        needs[a] |= needs[via];
      }
    }
  }
  // A state goes with those that it needs and that need it; strata are sorted by how much they need.
  SmallVector<bool> placed(states.size());
  std::vector<std::pair<unsigned, Stratum>> sorted;
  for (size_t a = 0; a < states.size(); ++a) {
    if (placed[a]) {
      continue;
    }
    Stratum stratum;
    for (size_t b = a; b < states.size(); ++b) {
      if (b == a || (needs[a][b] && needs[b][a])) {
        stratum.states.push_back(b);
        placed[b] = true;
      }
    }
    llvm::BitVector below = needs[a];
    for (unsigned state : stratum.states) {
      below.reset(state);
    }
    sorted.push_back({below.count(), stratum});
  }
  llvm::sort(sorted, [](const std::pair<unsigned, Stratum> &a, const std::pair<unsigned, Stratum> &b) {
    return std::pair(a.first, a.second.states.front()) < std::pair(b.first, b.second.states.front());
  });
  for (auto &[count, stratum] : sorted) {
    for (unsigned state : stratum.states) {
      states[state].stratum = strata.size();
    }
    strata.push_back(stratum);
  }
}

bool AffineState::dependsOn(Value value, unsigned stratum) const {
  return llvm::any_of(readsOf(value).set_bits(),
                      [&](unsigned read) { return states[reads[read].state].stratum >= stratum; });
}

/// A read of `stratum` that `value` depends on.
std::optional<unsigned> AffineState::ownRead(Value value, const Stratum &stratum) const {
  for (unsigned read : readsOf(value).set_bits()) {
    if (llvm::is_contained(stratum.states, reads[read].state)) {
      return read;
    }
  }
  return std::nullopt;
}

// ---- forms

void AffineState::summarise() {
  bool anyMatrix = false;
  for (const Stratum &stratum : strata) {
    anyMatrix |= getForm(stratum, ScheduleKind::chunk) == FormKind::matrix;
    if (getForm(stratum, ScheduleKind::scan) == FormKind::none && !scan.op) {
      scan = stratum.elementwise;
    }
    if (getForm(stratum, ScheduleKind::chunk) == FormKind::none && !chunk.op) {
      chunk = stratum.matrix;
    }
  }
  // Elementwise forms alone are a scan.
  for (const Stratum &stratum : strata) {
    if (!anyMatrix && !chunk.op && !stratum.isHeld) {
      const CarriedState &state = states[stratum.states.front()];
      Operation *parent = state.arg.getOwner()->getParentOp();
      chunk = stratum.hasMatrixForm() ? Refusal{parent, "L5", "no state has a key axis along which a product could run"}
                                      : stratum.matrix;
    }
  }
}

double rwkv::getLargestLog(const StateStep &decay) {
  double lo = decay.bound ? std::max(decay.bound->first, kHardForget) : kHardForget;
  double hi = decay.bound ? std::max(decay.bound->second, 0.0) : 0.0;
  return std::max(-lo, hi);
}

FormKind AffineState::getForm(const Stratum &stratum, ScheduleKind kind) const {
  if (stratum.isHeld) {
    return FormKind::held;
  }
  // States without keys hold nothing that a product could share.
  bool hasKeys = !states[stratum.states.front()].type.getKeys().empty();
  bool matrix = stratum.hasMatrixForm() && kind == ScheduleKind::chunk;
  if (matrix && (hasKeys || !stratum.hasElementwiseForm())) {
    return FormKind::matrix;
  }
  return stratum.hasElementwiseForm() ? FormKind::elementwise : FormKind::none;
}

int64_t AffineState::getChunkLimit(ScheduleKind kind) const {
  double limit = kMostTokens;
  for (const CarriedState &state : states) {
    double perToken = 0;
    for (const StateStep &step : state.path) {
      if (step.kind == StateStep::Kind::decay && step.axis == StateStep::Axis::value) {
        perToken += getLargestLog(step);
      }
    }
    if (perToken > 0 && getForm(strata[state.stratum], kind) == FormKind::matrix) {
      limit = std::min(limit, 2 * kLargestExponent / perToken); // from the middle of the chunk to both ends
    }
  }
  return std::max<int64_t>(1, static_cast<int64_t>(limit));
}

int64_t AffineState::getPeriod() const {
  int64_t period = 0;
  for (const CarriedState &state : states) {
    for (const StateStep &step : state.path) {
      period = std::gcd(period, step.period);
    }
  }
  return period;
}

std::string AffineState::whyNotCut() const {
  if (strata.size() != 1 || getForm(strata.front(), ScheduleKind::chunk) != FormKind::matrix) {
    return "its states do not all have one matrix form";
  }
  for (const CarriedState &state : states) {
    if (state.type.getKeys().empty() || state.type.getValue() != states.front().type.getValue()) {
      return "a state has no keys, or other columns than another one";
    }
    for (const StateStep &step : state.path) {
      if (step.kind == StateStep::Kind::decay && step.axis == StateStep::Axis::value) {
        return "a decay of the value axis is not the same for all columns";
      }
    }
  }
  return "";
}

int64_t AffineState::fitChunk(ScheduleKind kind, int64_t tokens) const {
  int64_t length = std::max<int64_t>(1, std::min(tokens, getChunkLimit(kind)));
  for (int64_t period = getPeriod(); period % length != 0;) {
    --length;
  }
  return length;
}

const Refusal &AffineState::getRefusal(ScheduleKind kind) const {
  return kind == ScheduleKind::chunk ? chunk : kind == ScheduleKind::scan ? scan : none;
}

AffineState::AffineState(RecurrenceOp recurrence) {
  collectPaths(recurrence);
  interpret(recurrence);
  findStrata();
  for (Stratum &stratum : strata) {
    checkMatrix(stratum);
    checkElementwise(stratum);
    checkHeld(stratum);
  }
  summarise();
}
