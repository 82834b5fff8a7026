// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Cost/Cost.h"
#include "passes/Passes.h"
#include "passes/Ranges/Ranges.h"

#include "mlir/IR/Remarks.h"

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
    if (chunk < 0 || chunk > AffineState::kMostTokens) {
      getOperation()->emitError("expected a chunk of 0 to ")
          << AffineState::kMostTokens << " tokens, but got " << chunk.getValue();
      return signalPassFailure();
    }
    if (fill < -1 || fill > AffineState::kMostTasks) {
      getOperation()->emitError("expected 0 to ")
          << AffineState::kMostTasks << " tasks to fill, or -1, but got " << fill.getValue();
      return signalPassFailure();
    }
    if (fill > 0 && forced && *forced != ScheduleKind::chunk) {
      getOperation()->emitError("expected tasks to fill only with chunks, but got ")
          << fill.getValue() << " with schedule '" << schedule << "'";
      return signalPassFailure();
    }
    if (split < 0 || (split > 1 && fill > 0)) {
      getOperation()->emitError("expected a split of 0 or more, and of 1 with tasks to fill, but got ")
          << split.getValue() << " with " << fill.getValue();
      return signalPassFailure();
    }
    numCertified += certifyBounds(getOperation());
    auto walk = getOperation()->walk([&](RecurrenceOp recurrence) {
      return recurrence.getSchedule() ? WalkResult::advance() : annotate(recurrence, forced);
    });
    if (walk.wasInterrupted()) {
      signalPassFailure();
    }
  }

  /// Why the schedule is what it is, for those who ask for remarks.
  void explain(RecurrenceOp recurrence, const AffineState &form, const Choice &choice, TargetAttr target) {
    std::string text = stringifyScheduleKind(choice.schedule.getKind()).str();
    if (choice.schedule.getKind() != ScheduleKind::step) {
      text += " of " + std::to_string(choice.schedule.getChunk()) + " tokens";
      Precision precision = recurrence.getProductPrecision();
      if (target && target.getMatrix() && precision != Precision::f32) {
        text += ", products by matrix instructions";
      }
      if (precision == Precision::bf16) {
        text += ", operands of products may be rounded to bf16";
      }
      if (int64_t tasks = choice.schedule.getFill()) {
        text += ", long sequences cut into segments for up to " + std::to_string(tasks) + " tasks";
      }
    }
    if (int64_t tasks = choice.schedule.getSplit(); tasks > 1) {
      text += ", " + std::to_string(tasks) + " tasks share a head's values";
    }
    for (ScheduleKind kind : {ScheduleKind::scan, ScheduleKind::chunk}) {
      if (const Refusal &refusal = form.getRefusal(kind); refusal.op) {
        text += (", no " + stringifyScheduleKind(kind) + ": " + refusal.reason + " (" + refusal.rule + ")").str();
      }
    }
    remark::analysis(recurrence.getLoc(), remark::RemarkOpts::name("Schedule").category(getArgument())) << text;
  }

  WalkResult annotate(RecurrenceOp recurrence, std::optional<ScheduleKind> forced) {
    AffineState form(recurrence);
    if (forced) {
      if (const Refusal &refusal = form.getRefusal(*forced); refusal.op) {
        InFlightDiagnostic error = recurrence.emitOpError("schedule ")
                                   << stringifyScheduleKind(*forced) << " is not legal";
        error.attachNote(refusal.op->getLoc()) << refusal.rule << ": " << refusal.reason;
        return WalkResult::interrupt();
      }
    }
    auto target = recurrence->getParentOfType<ModuleOp>()->getAttrOfType<TargetAttr>("rwkv.target");
    Choice choice = chooseSchedule(recurrence, form, target, {forced, chunk, fill, split});
    recurrence.setScheduleAttr(choice.schedule);
    explain(recurrence, form, choice, target);
    ++numScheduled;
    return WalkResult::advance();
  }
};
} // namespace
