// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// C tokens of a recurrence at once: strata from the lowest up, each in the form that it has; what one reads is an input
// of the next.
#include "passes/Expand/Forms.h"

using namespace mlir;
using namespace rwkv;

FailureOr<SmallVector<Value>> rwkv::emitChunk(TileEmitter &e, RecurrenceOp recurrence, const AffineState &form,
                                              ScheduleAttr schedule, ValueRange args) {
  Batch batch(e, schedule.getChunk());
  size_t over = recurrence.getOver().size(), consts = recurrence.getConsts().size();
  for (auto [i, arg] : llvm::enumerate(recurrence.getToken().getArguments().drop_back(form.states.size()))) {
    batch.set(arg, args[i], i < over);
  }
  SmallVector<Value> states(args.drop_front(over + consts));
  for (const Stratum &stratum : form.strata) {
    bool matrix = form.usesMatrixForm(stratum, schedule.getKind());
    (matrix ? emitMatrixForm : emitElementwiseForm)(batch, form, stratum, states);
  }
  SmallVector<Value> results;
  unsigned next = 0;
  for (Value value : recurrence.getYield().getOperands()) {
    Value result = isa<StateType>(value.getType()) ? states[next++] : batch.get(value);
    if (!result) {
      return recurrence.emitOpError("has a result without a form for many tokens at once");
    }
    results.push_back(result);
  }
  return results;
}
