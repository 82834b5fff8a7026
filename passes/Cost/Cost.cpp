// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Cost/Cost.h"

#include "passes/AffineState/ValueAxis.h"

using namespace mlir;
using namespace rwkv;

namespace {

/// Where lanes share a task, one waits while the other one computes.
constexpr int64_t kTasksOfUnit = 2;

// What registers hold where warps of a task prepare chunks, each one of its own, while others apply them: a tile that
// is prepared, and what is carried for the columns that the warps that apply can have, so many each or a multiple.
constexpr int64_t kPrepared = 2048, kCarriedOfWarp = 159 * 32, kAppliers = 4, kColumns = 16;

// Vector instructions that something costs.
constexpr double kStreamed = 1.0;    // a multiply-add on a state that is read from memory for it
constexpr double kSmall = 2.0;       // a multiply-add on small blocks, what moves them about included
constexpr double kStateAccess = 1.0; // a vector of a state loaded or stored
// States above this leave the nearest memory of a CPU, and every pass over them costs more.
constexpr double kNearBytes = 32 * 1024, kFar = 1.6;

/// What differs between kinds of machines, in vector instructions.
struct Rates {
  double function;      // a vector of exponentials
  double tokenOverhead; // a token of its own,
  double passOverhead;  // and every pass over a state in it, which others wait for
  double chunkOverhead; // a chunk, per state
  double product;       // a multiply-add of a product with blocks in registers, its edges and copies included
};

int64_t getLongestKey(const AffineState &form) {
  int64_t longest = 1;
  for (const CarriedState &state : form.states) {
    for (int64_t key : state.type.getKeys()) {
      longest = std::max(longest, key);
    }
  }
  return longest;
}

/// Whether chunks of so many tokens may be prepared by some warps beside others that apply them.
bool mayBePrepared(TargetAttr target, RecurrenceOp recurrence, const AffineState &form, ScheduleKind kind,
                   int64_t tokens) {
  return target.getLanes() > 1 && kind == ScheduleKind::chunk && recurrence.getProductPrecision() != Precision::f32 &&
         tokens * getLongestKey(form) <= kPrepared;
}

/// Fitted to measurements with heads of 32 to 128, which they predict to about a third: bench/recurrences.py on a CPU
/// without matrix units, bench/operators.py where lanes share a task (whose matrix instructions want 16 rows), and on a
/// CPU with matrix instructions. These make three products of halves for each, or one where bf16 is asked for, and have
/// their operands packed; what is not a product weighs more than without.
Rates getRates(TargetAttr target, RecurrenceOp recurrence, const AffineState &form, ScheduleKind kind, int64_t tokens) {
  Precision precision = recurrence.getProductPrecision();
  if (mayBePrepared(target, recurrence, form, kind, tokens)) {
    return {2, 400, 400, 500, 0.3};
  }
  if (target.getLanes() > 1) {
    return {4.8, 400, 400, 2000, 1};
  }
  if (target.getMatrix() && precision != Precision::f32) {
    double packing = precision == Precision::bf16 ? 0.2 : 0.3, partial = precision == Precision::bf16 ? 1 : 3;
    return {24, 60, 0, 30000, packing + partial / static_cast<double>(target.getMatrix())};
  }
  return {24, 60, 0, 12000, 1};
}

/// Whether the code that prepares and applies a chunk of 16 tokens, all of it written out, is so much that the machine
/// waits for instructions: factors of their own for many keys and tokens of more than one read and one write, systems
/// of several unknowns per token, or, where keys are seen from blocks of few tokens, too, systems at all, and such
/// factors of several reads and writes whatever the keys.
bool hasLongCode(const AffineState &form) {
  constexpr int64_t kTokens = 16, kMostKeys = 64, kMostFactors = 2, kMostInBlocks = 3;
  const int64_t unknowns = llvm::count_if(form.reads, [](const StateRead &read) { return read.corrects; });
  auto countWrites = [](ArrayRef<StateStep> steps) {
    return llvm::count_if(steps, [](const StateStep &step) { return step.kind == StateStep::Kind::write; });
  };
  int64_t factors = form.reads.size();
  bool decaysKeys = false, hasBlocks = false;
  for (const StateRead &read : form.reads) {
    factors += countWrites(read.branch);
  }
  for (const CarriedState &state : form.states) {
    factors += countWrites(state.path);
    for (const StateStep &step : state.path) {
      if (step.kind == StateStep::Kind::decay && step.axis == StateStep::Axis::key) {
        decaysKeys = true;
        hasBlocks |= getLargestLog(step) * kTokens / 2 > kLargestExponent;
      }
    }
  }
  const bool hasManyFactors = decaysKeys && getLongestKey(form) > kMostKeys && factors > kMostFactors;
  return hasManyFactors || unknowns > 1 || (hasBlocks && (unknowns > 0 || factors > kMostInBlocks));
}

/// The lengths of chunks among which the cheapest is chosen. Where warps prepare chunks beside each other, more tokens
/// than a fragment has rows cost more.
SmallVector<int64_t> getChunks(TargetAttr target, RecurrenceOp recurrence, const AffineState &form, ScheduleKind kind) {
  const int64_t tokens = mayBePrepared(target, recurrence, form, kind, 16) && !hasLongCode(form) ? 16 : 8;
  if (mayBePrepared(target, recurrence, form, kind, tokens)) {
    return {tokens};
  }
  bool wide = target.getLanes() > 1 || (target.getMatrix() && recurrence.getProductPrecision() != Precision::f32);
  return wide ? SmallVector<int64_t>{16, 32, 64, 128} : SmallVector<int64_t>{8, 16, 32, 64, 128};
}

/// What one state does per token.
struct Counts {
  double keys = 1, values = 1, keySum = 0; // sizes: product and sum of the key axes
  double corrections = 0, reads = 0, writes = 0, decays = 0, transforms = 0;
  bool decaysKeys = false;
  double mixing = 0;  // multiply-adds of the transforms for each element of the state,
  double checks = 0;  // of making sure that blocks are orthogonal,
  double turning = 0; // in a chunk: of seeing keys from a frame that turns along,
  double pushing = 0; // or, for every other token, of pushing them
  double blocks = 0;  // numbers per token that are kept for it
};

bool isKnown(StateType type) {
  return !ShapedType::isDynamic(type.getValue()) && llvm::none_of(type.getKeys(), ShapedType::isDynamic);
}

Counts countState(const AffineState &form, unsigned index) {
  const CarriedState &state = form.states[index];
  Counts counts;
  counts.values = state.type.getValue();
  for (int64_t key : state.type.getKeys()) {
    counts.keys *= key;
    counts.keySum += key;
  }
  for (const StateStep &step : state.path) {
    counts.writes += step.kind == StateStep::Kind::write;
    counts.transforms += step.kind == StateStep::Kind::transform;
    counts.decays += step.kind != StateStep::Kind::write && step.kind != StateStep::Kind::transform;
    counts.decaysKeys |= step.kind == StateStep::Kind::decay && step.axis == StateStep::Axis::key;
  }
  for (const StateRead &read : form.reads) {
    if (read.state == index) {
      (read.corrects ? counts.corrections : counts.reads) += 1;
    }
  }
  for (const StateStep &step : state.path) {
    if (step.kind == StateStep::Kind::transform) {
      int64_t block = cast<RankedTensorType>(step.factor.getType()).getDimSize(1);
      double rows = state.type.getKeys()[step.key], size = ShapedType::isDynamic(block) ? 1 : block;
      double product = rows * size * size;
      bool turned = state.isTurned(step.key);
      counts.mixing += size;
      counts.checks += step.isIsometric ? product : 0;
      counts.turning += turned ? product + rows * size * (counts.writes + counts.corrections + counts.reads) : product;
      counts.blocks += rows * size * (turned ? 3 : 1);
      counts.pushing += turned ? 0 : rows * size * counts.writes;
    }
  }
  return counts;
}

double lanesOf(TargetAttr target, Type element) {
  return std::max<double>(1, static_cast<double>(target.getVector()) / element.getIntOrFloatBitWidth());
}

double bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  double bytes = tensor.getElementTypeBitWidth() / 8.0;
  for (int64_t size : tensor.getShape().drop_front(std::min<int64_t>(3, tensor.getRank()))) {
    bytes *= ShapedType::isDynamic(size) ? 1 : static_cast<double>(size);
  }
  return bytes;
}

} // namespace

std::optional<Cost> rwkv::getCost(RecurrenceOp recurrence, const AffineState &form, TargetAttr target,
                                  ScheduleKind kind, int64_t tokens) {
  if (!target || !llvm::all_of(form.states, [](const CarriedState &state) { return isKnown(state.type); })) {
    return std::nullopt;
  }
  Cost cost;
  for (Value value : recurrence.getOver()) {
    cost.bytes += bytesOf(value.getType());
  }
  for (auto [value, result] : llvm::zip_equal(recurrence.getYield().getOperands(), recurrence.getResultTypes())) {
    cost.bytes += isa<StateType>(value.getType()) ? 0 : bytesOf(result);
  }
  double chunk = static_cast<double>(tokens);
  Rates rates = getRates(target, recurrence, form, kind, tokens);
  cost.time = kind == ScheduleKind::step ? rates.tokenOverhead : rates.chunkOverhead * form.states.size() / chunk;
  for (auto [i, state] : llvm::enumerate(form.states)) {
    Counts n = countState(form, i);
    double lanes = lanesOf(target, state.type.getElementType()), size = n.keys * n.values;
    double elementBytes = state.type.getElementType().getIntOrFloatBitWidth() / 8.0;
    double accesses = n.corrections + n.writes + n.reads;
    cost.onChip += elementBytes * size;
    if (kind == ScheduleKind::step) {
      double work = size * (accesses + (n.decays > 0) + n.mixing) + n.checks;
      cost.multiplyAdds += work;
      cost.functions += n.decays * n.keySum;
      // Each correction is a pass of its own; what follows it is one more, which also stores.
      double far = target.getLanes() == 1 && elementBytes * size > kNearBytes ? kFar : 1.0;
      cost.time += far * (kStreamed * work + kStateAccess * size * (n.corrections + 2)) / lanes;
      cost.time += rates.function * n.decays * n.keySum / lanes +
                   rates.passOverhead * (accesses + (n.decays > 0) + n.transforms);
      continue;
    }
    FormKind stratumForm = form.getForm(form.strata[state.stratum], kind);
    if (stratumForm == FormKind::held) {
      cost.multiplyAdds += size * accesses;
      cost.onChip += elementBytes * size;
      cost.time += rates.product * size * accesses / lanes + kStateAccess * 3 * size / lanes / chunk;
      continue;
    }
    if (stratumForm == FormKind::elementwise) {
      double work = size * (accesses + 1);
      cost.multiplyAdds += work;
      cost.functions += n.decays * size;
      cost.onChip += elementBytes * 4 * chunk * size;
      cost.time += (kStreamed * work + rates.function * n.decays * size + kStateAccess * 6 * size) / lanes;
      continue;
    }
    double carried = size * accesses;                                                     // products with the state
    double inside = chunk * n.writes * (n.corrections + n.reads) * (n.keySum + n.values); // scores, and what they weigh
    double solve = chunk * n.corrections * n.corrections * n.values / 2;
    double functions = n.decaysKeys   ? 2 * n.keySum * accesses
                       : n.decays > 0 ? chunk * n.writes * (accesses - n.writes)
                                      : 0;
    double frames = n.checks + n.turning + chunk * n.pushing;
    cost.multiplyAdds += carried + inside + solve + frames;
    cost.functions += functions;
    cost.onChip += elementBytes * (chunk * chunk * n.writes * (n.corrections + n.reads + 1) +
                                   chunk * (2 * accesses * n.keySum + 2 * n.writes * n.values + n.blocks));
    cost.time +=
        (rates.product * (carried + inside + solve) + kSmall * frames + kStateAccess * 2 * size / chunk) / lanes;
    cost.time += rates.function * functions / lanes;
  }
  return cost;
}

/// The tasks that sequences are cut for, if that pays: finding out what a segment does to any state takes as many
/// columns more as states have rows.
static int64_t chooseFill(const AffineState &form, TargetAttr target) {
  if (!target || !form.whyNotCut().empty()) {
    return 0;
  }
  int64_t rows = 0, columns = form.states.front().type.getValue();
  for (const CarriedState &state : form.states) {
    rows += isKnown(state.type) ? llvm::product_of(state.type.getKeys()) : 0;
  }
  return rows <= 2 * columns ? kTasksOfUnit * target.getUnits() : 0;
}

/// How many columns of its states a task can have whose warps apply chunks to them in registers: 0 if that is not how
/// it is done.
static int64_t getCarriedColumns(RecurrenceOp recurrence, const AffineState &form, TargetAttr target,
                                 ScheduleKind kind) {
  int64_t rows = 0;
  for (const CarriedState &state : form.states) {
    if (state.type.getKeys().size() != 1 || state.type.getValue() != form.states.front().type.getValue()) {
      return 0;
    }
    rows += state.type.getKeys().front();
  }
  return mayBePrepared(target, recurrence, form, kind, 8) ? kCarriedOfWarp / (rows * kColumns) * kColumns * kAppliers
                                                          : 0;
}

/// Elements of all states, whose types are known, and their bytes.
static std::pair<int64_t, int64_t> getStateSizes(const AffineState &form) {
  int64_t elements = 0, bytes = 0;
  for (const CarriedState &state : form.states) {
    int64_t size = llvm::product_of(state.type.getKeys()) * state.type.getValue();
    elements += size;
    bytes += size * state.type.getElementType().getIntOrFloatBitWidth() / 8;
  }
  return {elements, bytes};
}

/// The tasks that share a head whose states one task cannot hold near: as many as it takes for each to hold its part in
/// registers, token by token and where warps apply chunks to them, or in a third of the memory of its own, where chunks
/// need the rest.
static int64_t chooseSplit(RecurrenceOp recurrence, const AffineState &form, TargetAttr target, ScheduleKind kind) {
  constexpr int64_t kPointsOfLane = 32;
  if (!target || target.getLanes() == 1 ||
      !llvm::all_of(form.states, [](const CarriedState &state) { return isKnown(state.type); })) {
    return 1;
  }
  int64_t elements, bytes;
  std::tie(elements, bytes) = getStateSizes(form);
  const int64_t columns = getCarriedColumns(recurrence, form, target, kind);
  if (columns == 0 && bytes <= target.getScratch()) {
    return 1;
  }
  ValueAxis axis(recurrence);
  auto fits = [&](int64_t split) {
    return columns > 0                  ? axis.getSize() <= split * columns
           : kind == ScheduleKind::step ? elements <= split * kPointsOfLane * target.getLanes()
                                        : 3 * bytes <= split * target.getScratch();
  };
  int64_t split = 1;
  while (!axis.getObstacle() && !fits(split) && axis.getSize() % (2 * split) == 0) {
    split *= 2;
  }
  return split;
}

Choice rwkv::chooseSchedule(RecurrenceOp recurrence, const AffineState &form, TargetAttr target, const Wanted &wanted) {
  MLIRContext *context = recurrence.getContext();
  auto splitOf = [&](ScheduleKind kind) {
    return wanted.split > 0 ? wanted.split : chooseSplit(recurrence, form, target, kind);
  };
  Choice best{ScheduleAttr::get(context, ScheduleKind::step, 1, 0, 0, splitOf(ScheduleKind::step)), std::nullopt};
  best.cost = getCost(recurrence, form, target, ScheduleKind::step, 1);
  bool found = !wanted.kind || *wanted.kind == ScheduleKind::step;
  int64_t tokens = wanted.chunk, fill = wanted.fill >= 0 ? wanted.fill : chooseFill(form, target);
  for (ScheduleKind kind : {ScheduleKind::scan, ScheduleKind::chunk}) {
    if ((wanted.kind && *wanted.kind != kind) || !form.isLegal(kind)) {
      continue;
    }
    SmallVector<int64_t> candidates = {tokens > 0 ? tokens : 16};
    if (tokens == 0 && target) {
      candidates = getChunks(target, recurrence, form, kind);
    }
    llvm::for_each(candidates, [&](int64_t &candidate) { candidate = form.fitChunk(kind, candidate); });
    const int64_t split = splitOf(kind);
    // Lanes of a scan wait for those that go from token to token; meanwhile another task computes.
    const int64_t beside = kind == ScheduleKind::scan && target && target.getLanes() > 1 ? kTasksOfUnit : 1;
    for (int64_t candidate : candidates) {
      std::optional<Cost> cost = getCost(recurrence, form, target, kind, candidate);
      // Warps that apply chunks have the states in registers.
      bool isCarried = cost && getCarriedColumns(recurrence, form, target, kind) > 0;
      double onChip = cost ? cost->onChip - (isCarried ? static_cast<double>(getStateSizes(form).second) : 0) : 0;
      bool fits = !cost || beside * onChip <= static_cast<double>(split * target.getScratch());
      bool better = !found || (cost && best.cost && fits && cost->time < best.cost->time);
      if (better) {
        int64_t length = cost || tokens > 0 ? candidate : form.fitChunk(kind, 16);
        // Where lanes run a task together, the code for chunks takes memory and registers that tokens do not need.
        bool alone = target && target.getLanes() > 1;
        int64_t tasks = kind == ScheduleKind::chunk && split == 1 ? fill : 0;
        best = {ScheduleAttr::get(context, kind, length, tasks, alone ? length : 0, split), cost};
        found = true;
      }
    }
  }
  return best;
}
