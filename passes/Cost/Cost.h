// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a schedule costs per token and head: a roofline of the work that the normal form leaves (a count of operations,
// of bytes that move, of memory close to the units), over the numbers of the target. Predictions are for choosing and
// explaining.
#ifndef RWKV_PASSES_COST_COST_H
#define RWKV_PASSES_COST_COST_H

#include "passes/AffineState/AffineState.h"

namespace rwkv {

struct Cost {
  double multiplyAdds = 0; // per token and head
  double functions = 0;    // exponentials, per token and head
  double bytes = 0;        // operands, outputs and states to and from memory, per token and head
  double onChip = 0;       // bytes that one head holds while it runs
  double time = 0;         // vector instructions, per token and head
};

/// The cost of running `recurrence` with `kind` and chunks of `tokens`; nothing if a size is not known yet.
std::optional<Cost> getCost(RecurrenceOp recurrence, const AffineState &form, TargetAttr target, ScheduleKind kind,
                            int64_t tokens);

struct Choice {
  ScheduleAttr schedule;
  std::optional<Cost> cost;
};

/// What of a schedule is not to be chosen.
struct Wanted {
  std::optional<ScheduleKind> kind;
  int64_t chunk = 0; // tokens, if positive
  int64_t fill = -1; // tasks, if not negative
  int64_t split = 0; // tasks of a head, if positive
};

/// The cheapest legal schedule; `step` where sizes are unknown.
Choice chooseSchedule(RecurrenceOp recurrence, const AffineState &form, TargetAttr target, const Wanted &wanted);

} // namespace rwkv

#endif // RWKV_PASSES_COST_COST_H
