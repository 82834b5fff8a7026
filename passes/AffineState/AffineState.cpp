// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/AffineState/AffineState.h"

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
  Operation *op = value.getDefiningOp();
  if (!isa<RankedTensorType>(value.getType())) {
    return true;
  }
  if (!op) {
    return false;
  }
  if (isa<FillOp>(op)) {
    return true;
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
    return dense && dense.isSplat();
  }
  if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    return isUniform(broadcast.getX());
  }
  return op->hasTrait<OpTrait::Elementwise>() && llvm::all_of(op->getOperands(), isUniform);
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
  Dependences copy = it->second;
  for (auto &[read, dependence] : copy) {
    auto [place, inserted] = to.try_emplace(read, Dependence{llvm::BitVector(reads.size()), nullptr, ""});
    place->second.coefficients |= dependence.coefficients;
    place->second.coefficients |= factors;
    if (!place->second.bad) {
      place->second.bad = dependence.bad;
      place->second.why = dependence.why;
    }
  }
}

void AffineState::addBad(Dependences &to, Value from, Operation *op, StringRef why) {
  llvm::BitVector all = readsOf(from);
  for (unsigned read : all.set_bits()) {
    auto [place, inserted] = to.try_emplace(read, Dependence{llvm::BitVector(reads.size()), nullptr, ""});
    if (!place->second.bad) {
      place->second.bad = op;
      place->second.why = why;
    }
  }
}

void AffineState::interpretRead(unsigned index) {
  const StateRead &read = reads[index];
  Dependences result;
  result.try_emplace(index, Dependence{llvm::BitVector(reads.size()), nullptr, ""});
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

// ---- legality

static StringRef describeOperand(const StateStep &step, Value operand) {
  if (llvm::is_contained(step.keys, operand)) {
    return "the key";
  }
  if (operand == step.scale) {
    return "the scale";
  }
  return step.kind == StateStep::Kind::transform ? "the matrix" : "the logarithm";
}

static bool isPeriodic(const StateStep &step) {
  return step.kind == StateStep::Kind::count || step.kind == StateStep::Kind::hold;
}

/// A state that is taken from another one at some tokens is constant between them.
void AffineState::checkHeld(Stratum &stratum) {
  const CarriedState &state = states[stratum.states.front()];
  auto periodic = llvm::find_if(state.path, isPeriodic);
  if (periodic == state.path.end()) {
    return;
  }
  auto refuse = [&](Operation *op, const Twine &reason) {
    stratum.matrix = stratum.elementwise = {op, "L1", reason.str()};
  };
  if (state.path.size() > 1) {
    Operation *other = state.path[periodic == state.path.begin() ? 1 : 0].op;
    return refuse(other, "it changes a state that counts tokens or is held from one token to the next");
  }
  refuse(periodic->op, "it has no other form than that of what it holds");
  for (const StateRead &read : reads) {
    if (states[read.state].arg == state.arg && !read.branch.empty()) {
      return refuse(read.branch.front().op, "a read sees a held state changed");
    }
  }
  if (periodic->kind == StateStep::Kind::hold) {
    auto counter = llvm::find_if(states, [&](const CarriedState &s) { return s.arg == periodic->counter; });
    if (counter == states.end() || counter->path.size() != 1 || counter->path.front().kind != StateStep::Kind::count) {
      return refuse(periodic->op, "it is not known at which tokens the state is held: its counter is not the state "
                                  "before the token, or does not count tokens");
    }
    if (!isa<BlockArgument>(periodic->source)) {
      return refuse(periodic->op, "what it holds is not a state as it was before the token");
    }
    for (const StateRead &read : reads) {
      if (states[read.state].arg == state.arg && read.position == 0) {
        return refuse(read.step.op, "it reads what was held before this token");
      }
    }
  }
  stratum.isHeld = true;
}

void AffineState::checkMatrix(Stratum &stratum) {
  auto refuse = [&](Operation *op, StringRef rule, const Twine &reason) {
    if (!stratum.matrix.op) {
      stratum.matrix = {op, rule, reason.str()};
    }
  };
  auto refuseBranch = [&](const StateStep &step) {
    bool elementwise = step.kind == StateStep::Kind::maximum || step.axis == StateStep::Axis::each;
    if (elementwise && step.kind != StateStep::Kind::write) {
      refuse(step.op, "L5", "a read sees each element changed on its own: there is no matrix form");
    } else if (step.kind == StateStep::Kind::overwrite || isPeriodic(step)) {
      refuse(step.op, "L1", "a read sees an overwritten state");
    }
  };
  for (const StateRead &read : reads) {
    if (llvm::is_contained(stratum.states, read.state)) {
      llvm::for_each(read.branch, refuseBranch);
    }
  }
  for (unsigned index : stratum.states) {
    const CarriedState &state = states[index];
    llvm::SmallDenseMap<unsigned, int64_t> blocks;
    for (auto [position, step] : llvm::enumerate(state.path)) {
      if (step.kind == StateStep::Kind::overwrite) {
        refuse(step.op, "L1", "it overwrites the state, which is then no longer affine in its past");
        continue;
      }
      if (step.kind == StateStep::Kind::maximum) {
        refuse(step.op, "L5", "a maximum acts on each element on its own: there is no matrix form");
        continue;
      }
      if (step.kind == StateStep::Kind::decay && step.axis == StateStep::Axis::each) {
        refuse(step.op, "L5", "it decays each element on its own: there is no matrix form");
        continue;
      }
      if (step.kind == StateStep::Kind::transform) {
        int64_t size = cast<RankedTensorType>(step.factor.getType()).getDimSize(1);
        if (blocks.try_emplace(step.key, size).first->second != size) {
          refuse(step.op, "L5", "blocks of another size on the same axis: they do not fold into one transition");
        }
      }
      for (Value operand : step.op->getOperands()) {
        bool isValue =
            step.kind == StateStep::Kind::write && operand == step.value && !llvm::is_contained(step.keys, operand);
        if (isa<StateType>(operand.getType()) || isValue) {
          continue;
        }
        if (std::optional<unsigned> read = ownRead(operand, stratum)) {
          refuse(step.op, "L2",
                 describeOperand(step, operand) +
                     " depends on what this token reads from the state, so the transition is not known "
                     "before the state is");
        }
      }
      if (step.kind != StateStep::Kind::write) {
        continue;
      }
      auto it = dependences.find(step.value);
      if (it == dependences.end()) {
        continue;
      }
      for (auto &[read, dependence] : it->second) {
        if (!llvm::is_contained(stratum.states, reads[read].state)) {
          continue;
        }
        reads[read].corrects = true;
        if (dependence.bad) {
          std::string why = dependence.why.empty()
                                ? "what is read goes through '" + dependence.bad->getName().getStringRef().str() + "'"
                                : "what is read is not used as it is: " + dependence.why.str();
          refuse(dependence.bad, "L3",
                 why + ", so the value written is not affine in it with one coefficient for the "
                       "whole value axis");
          continue;
        }
        for (unsigned factor : dependence.coefficients.set_bits()) {
          if (llvm::is_contained(stratum.states, reads[factor].state)) {
            refuse(step.op, "L3", "the coefficient of what is read depends on the state itself");
          }
        }
        // The value frames of read and write must be one.
        const CarriedState &source = states[reads[read].state];
        bool same = reads[read].state == index;
        unsigned from = same ? reads[read].position : 0, to = same ? position : source.path.size();
        auto isValueDecay = [](const StateStep &s) {
          return s.kind == StateStep::Kind::decay && s.axis == StateStep::Axis::value;
        };
        SmallVector<const StateStep *> between;
        auto collect = [&](ArrayRef<StateStep> steps) {
          for (const StateStep &s : steps) {
            if (isValueDecay(s)) {
              between.push_back(&s);
            }
          }
        };
        collect(ArrayRef<StateStep>(source.path).slice(from, to > from ? to - from : 0));
        collect(reads[read].branch);
        if (!same) {
          collect(state.path);
        }
        if (!between.empty()) {
          refuse(between.front()->op, "L4", "the value axis is scaled between a read and the write that it feeds");
        }
      }
    }
  }
}

void AffineState::checkElementwise(Stratum &stratum) {
  auto refuse = [&](Operation *op, StringRef rule, const Twine &reason) {
    if (!stratum.elementwise.op) {
      stratum.elementwise = {op, rule, reason.str()};
    }
  };
  for (unsigned index : stratum.states) {
    bool isMaximum =
        llvm::any_of(states[index].path, [](const StateStep &s) { return s.kind == StateStep::Kind::maximum; });
    for (const StateStep &step : states[index].path) {
      if (step.kind == StateStep::Kind::overwrite) {
        refuse(step.op, "L1", "it overwrites the state, which is then no longer affine in its past");
      } else if (step.kind == StateStep::Kind::transform) {
        refuse(step.op, "L5", "it mixes the elements of a state");
      } else if (isMaximum && step.kind != StateStep::Kind::maximum) {
        refuse(step.op, "L5", "the state is also raised by a maximum");
      }
      for (Value operand : step.op->getOperands()) {
        if (!isa<StateType>(operand.getType()) && ownRead(operand, stratum)) {
          refuse(step.op, "L2",
                 "it depends on what this token reads from the state, so elements do not run on their own");
        }
      }
    }
  }
}

static ArrayRef<int64_t> shapeOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getShape() : ArrayRef<int64_t>();
}

/// Ops on values must have a form for many tokens at once.
void AffineState::checkBatched(RecurrenceOp recurrence) {
  for (Operation &op : recurrence.getToken().front().without_terminator()) {
    bool known = isa<StateStepOpInterface, FillOp, SumOp, BroadcastOp, DotOp, MatvecOp>(op) ||
                 (op.hasTrait<OpTrait::Elementwise>() && op.getNumResults() == 1 &&
                  llvm::all_of(op.getOperandTypes(),
                               [&](Type type) { return shapeOf(type) == shapeOf(op.getResult(0).getType()); }));
    for (Value value : op.getResults()) {
      known &= isa<StateType>(value.getType()) || isa<StateStepOpInterface>(op) || shapeOf(value.getType()).size() < 4;
    }
    if (isa<SumOp>(op)) {
      known &= shapeOf(op.getOperand(0).getType()).size() <= 2;
    }
    if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
      // Along the first or the last axis of a flattened value.
      int64_t last = shapeOf(op.getResult(0).getType()).size() - 1;
      SmallVector<int64_t> positions = broadcast.getPositions();
      known &= positions.empty() || (positions.size() == 1 && (positions[0] == 0 || positions[0] == last));
    }
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      known = isa<FloatAttr, DenseFPElementsAttr>(constant.getValue());
    }
    if (!known && !batched.op) {
      batched = {&op, "L1", "'" + op.getName().getStringRef().str() + "' has no form for many tokens at once"};
    }
  }
}

void AffineState::summarise() {
  chunk = scan = batched;
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

int64_t AffineState::fitChunk(ScheduleKind kind, int64_t tokens) const {
  int64_t length = std::min(tokens, getChunkLimit(kind));
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
  checkBatched(recurrence);
  summarise();
}
