// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// C tokens of a recurrence at once: strata from the lowest up, each in the form that it has; what one reads is an input
// of the next.
#include "passes/Expand/Forms.h"

using namespace mlir;
using namespace rwkv;

SmallVector<Value> rwkv::emitChunk(TileEmitter &e, RecurrenceOp recurrence, const AffineState &form,
                                   ScheduleAttr schedule, ValueRange args, ValueRange transitions) {
  size_t over = recurrence.getOver().size(), consts = recurrence.getConsts().size();
  SmallVector<Value> states(args.drop_front(over + consts));
  std::vector<std::unique_ptr<StratumForm>> strata;
  Batch batch(e, schedule.getChunk(), [&](Value value) {
    std::optional<unsigned> read = form.findRead(value);
    return read ? strata[form.states[form.reads[*read].state].stratum]->emitRead(*read) : Value();
  });
  for (auto [i, arg] : llvm::enumerate(recurrence.getToken().getArguments().drop_back(form.states.size()))) {
    batch.set(arg, args[i], i < over);
  }
  for (const Stratum &stratum : form.strata) {
    FormKind kind = form.getForm(stratum, schedule.getKind());
    strata.push_back(kind == FormKind::matrix ? createMatrixForm(batch, form, stratum, states, FormPart::all)
                     : kind == FormKind::held ? createHeldForm(batch, form, stratum, states)
                                              : createElementwiseForm(batch, form, stratum, states));
    strata.back()->run();
  }
  // Outputs first: states may then be changed where they lie.
  SmallVector<Value> results;
  for (Value value : recurrence.getYield().getOperands()) {
    results.push_back(isa<StateType>(value.getType()) ? Value() : batch.get(value));
  }
  unsigned next = 0;
  for (Value &result : results) {
    if (!result) {
      result = strata[form.states[next].stratum]->emitFinal(next);
      ++next;
    }
  }
  if (!transitions.empty()) {
    AffineState linear = form;
    for (CarriedState &state : linear.states) {
      int64_t rows = tile::getTileShape(transitions.front().getType())[1];
      state.type = StateType::get(e.b.getContext(), state.type.getKeys(), rows, state.type.getElementType());
    }
    auto stratum =
        createMatrixForm(batch, linear, linear.strata.front(), llvm::to_vector(transitions), FormPart::linear);
    stratum->run();
    for (unsigned state = 0; state < linear.states.size(); ++state) {
      results.push_back(stratum->emitFinal(state));
    }
  }
  return results;
}
