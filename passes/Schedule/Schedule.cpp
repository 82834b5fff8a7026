// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/AffineState/AffineState.h"
#include "passes/Passes.h"
#include "passes/Ranges/Ranges.h"

#include <cmath>
#include <limits>

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
    getOperation()->walk([&](DecayOp decay) { certify(decay); });
    auto walk = getOperation()->walk([&](RecurrenceOp recurrence) {
      return recurrence.getSchedule() ? WalkResult::advance() : annotate(recurrence, forced);
    });
    if (walk.wasInterrupted()) {
      signalPassFailure();
    }
  }

  /// Writes down what is known of a decay's logarithm: a bound that follows from its producers needs no check.
  void certify(DecayOp decay) {
    Interval range = getInterval(decay.getLog());
    if (!range.isFinite() || decay.getCertified()) {
      return;
    }
    if (auto bound = decay.getBound()) {
      bool follows = cast<FloatAttr>((*bound)[0]).getValueAsDouble() <= range.lo &&
                     range.hi <= cast<FloatAttr>((*bound)[1]).getValueAsDouble();
      if (!follows) {
        return;
      }
    } else {
      Builder builder(&getContext());
      auto outwards = [](double x, float towards) { // the f32 on the far side
        return static_cast<double>(static_cast<float>(x)) == x ? static_cast<float>(x)
                                                               : std::nextafter(static_cast<float>(x), towards);
      };
      constexpr float kInfinity = std::numeric_limits<float>::infinity();
      decay.setBoundAttr(builder.getF32ArrayAttr({outwards(range.lo, -kInfinity), outwards(range.hi, kInfinity)}));
    }
    decay.setCertified(true);
    ++numCertified;
  }

  WalkResult annotate(RecurrenceOp recurrence, std::optional<ScheduleKind> forced) {
    AffineState form(recurrence);
    ScheduleKind kind = forced.value_or(ScheduleKind::step);
    if (const Refusal &refusal = form.getRefusal(kind); refusal.op) {
      InFlightDiagnostic error = recurrence.emitOpError("schedule ") << stringifyScheduleKind(kind) << " is not legal";
      error.attachNote(refusal.op->getLoc()) << refusal.rule << ": " << refusal.reason;
      return WalkResult::interrupt();
    }
    int64_t tokens =
        kind == ScheduleKind::step ? 1 : std::min<int64_t>(chunk > 0 ? chunk : 16, form.getChunkLimit(kind));
    recurrence.setScheduleAttr(ScheduleAttr::get(&getContext(), kind, tokens));
    ++numScheduled;
    return WalkResult::advance();
  }
};
} // namespace
