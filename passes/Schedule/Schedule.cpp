// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/AffineState/AffineState.h"
#include "passes/Passes.h"

namespace rwkv {
#define GEN_PASS_DEF_RWKVSCHEDULEPASS
#include "passes/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;

namespace {
struct SchedulePass : rwkv::impl::RwkvSchedulePassBase<SchedulePass> {
  using RwkvSchedulePassBase::RwkvSchedulePassBase;

  void runOnOperation() override {
    std::optional<ScheduleKind> forced = symbolizeScheduleKind(schedule);
    if (!forced && schedule != "auto") {
      getOperation()->emitError("expected schedule auto, step, scan or chunk, but got '") << schedule << "'";
      return signalPassFailure();
    }
    auto walk = getOperation()->walk([&](RecurrenceOp recurrence) {
      return recurrence.getSchedule() ? WalkResult::advance() : annotate(recurrence, forced);
    });
    if (walk.wasInterrupted()) {
      signalPassFailure();
    }
  }

  WalkResult annotate(RecurrenceOp recurrence, std::optional<ScheduleKind> forced) {
    AffineState form(recurrence);
    ScheduleKind kind = forced.value_or(ScheduleKind::step);
    if (const Refusal &refusal = form.getRefusal(kind); refusal.op) {
      InFlightDiagnostic error = recurrence.emitOpError("schedule ") << stringifyScheduleKind(kind) << " is not legal";
      error.attachNote(refusal.op->getLoc()) << refusal.rule << ": " << refusal.reason;
      return WalkResult::interrupt();
    }
    int64_t tokens = kind == ScheduleKind::step ? 1 : std::min<int64_t>(chunk > 0 ? chunk : 16, form.getChunkLimit(kind));
    recurrence.setScheduleAttr(ScheduleAttr::get(&getContext(), kind, tokens));
    ++numScheduled;
    return WalkResult::advance();
  }
};
} // namespace
