// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Passes.h"

namespace rwkv {
#define GEN_PASS_DEF_RWKVGENERALIZEPASS
#include "passes/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;

/// Creates the recurrence of a rung in front of it.
static RecurrenceOp generalize(OpBuilder &builder, RungOpInterface rung) {
  OperandRange over = rung.getOverOperands(), consts = rung.getConstOperands(), inits = rung.getInitOperands();
  Location loc = rung.getLoc();
  auto recurrence = RecurrenceOp::create(builder, loc, rung->getResultTypes(), over, consts, inits,
                                         rung.getResetOperand(), ScheduleAttr(), rung.getPrecisionAttr());
  Block &body = recurrence.getToken().emplaceBlock();
  for (Value value : over) {
    body.addArgument(RecurrenceOp::getOverArgType(value.getType()), value.getLoc());
  }
  for (Value value : consts) {
    body.addArgument(RecurrenceOp::getConstArgType(value.getType()), value.getLoc());
  }
  for (Value value : inits) {
    body.addArgument(RecurrenceOp::getInitArgType(value.getType()), value.getLoc());
  }
  ValueRange args = body.getArguments();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&body);
  rung.buildStep(builder, loc, args.take_front(over.size()), args.slice(over.size(), consts.size()),
                 args.take_back(inits.size()));
  return recurrence;
}

namespace {
struct GeneralizePass : rwkv::impl::RwkvGeneralizePassBase<GeneralizePass> {
  void runOnOperation() override {
    SmallVector<RungOpInterface> rungs;
    getOperation()->walk([&](RungOpInterface rung) { rungs.push_back(rung); });
    OpBuilder builder(&getContext());
    for (RungOpInterface rung : rungs) {
      builder.setInsertionPoint(rung);
      rung->replaceAllUsesWith(generalize(builder, rung));
      rung->erase();
      ++numRungs;
    }
    SmallVector<SugarOpInterface> sugar;
    getOperation()->walk([&](SugarOpInterface op) { sugar.push_back(op); });
    for (SugarOpInterface op : sugar) {
      builder.setInsertionPoint(op);
      op->replaceAllUsesWith(op.expand(builder));
      op->erase();
      ++numSugar;
    }
  }
};
} // namespace
