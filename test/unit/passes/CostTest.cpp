// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a precision that is asked for does to costs, and to what is chosen.
#include "test/unit/passes/Form.h"

#include "passes/Cost/Cost.h"
#include "gtest/gtest.h"

using namespace rwkv;
using namespace rwkv::test;

namespace {
class CostTest : public ::testing::Test {
protected:
  double getTime(const char *what, TargetAttr target, ScheduleKind kind, int64_t tokens) {
    form.recurrence.setPrecisionAttr(PrecisionAttr::get(form.recurrence.getContext(), *symbolizePrecision(what)));
    return getCost(form.recurrence, *form.operator->(), target, kind, tokens)->time;
  }
  TargetAttr makeTarget(int64_t lanes, int64_t matrix) {
    return TargetAttr::get(form.recurrence.getContext(), "t", 512, 32, 1 << 20, lanes, 0, matrix);
  }

  Form form{"%y = rwkv.read %S[%q] : !S\n"
            "%S1 = rwkv.decay %S, %g on \"key0\" bound [-0.6 : f32, 0.0 : f32] : !S\n"
            "%S2 = rwkv.write %S1[%k], %y : !S\n"
            "%Sn = rwkv.write %S2[%k], %v : !S"};
};
} // namespace

TEST_F(CostTest, FewerProductsCostLess) {
  TargetAttr target = makeTarget(1, 16);
  for (int64_t tokens : {16, 32, 64}) {
    const double split = getTime("tf32", target, ScheduleKind::chunk, tokens);
    const double once = getTime("bf16", target, ScheduleKind::chunk, tokens);
    EXPECT_LT(once, split) << tokens;
    EXPECT_GT(once, split / 3) << tokens; // the rest of a chunk stays as it is
  }
}

TEST_F(CostTest, WhatMakesNoProductsCostsTheSame) {
  TargetAttr target = makeTarget(1, 16);
  const double exact = getTime("f32", target, ScheduleKind::step, 1);
  EXPECT_EQ(getTime("tf32", target, ScheduleKind::step, 1), exact);
  EXPECT_EQ(getTime("bf16", target, ScheduleKind::step, 1), exact);
}

TEST_F(CostTest, MachinesWithoutSuchAnInstructionRoundNothing) {
  TargetAttr vectors = makeTarget(1, 0), lanes = makeTarget(256, 0);
  EXPECT_EQ(getTime("bf16", vectors, ScheduleKind::chunk, 32), getTime("f32", vectors, ScheduleKind::chunk, 32));
  // Those that have one of more bits use that.
  EXPECT_EQ(getTime("bf16", lanes, ScheduleKind::chunk, 16), getTime("tf32", lanes, ScheduleKind::chunk, 16));
  EXPECT_LT(getTime("bf16", lanes, ScheduleKind::chunk, 16), getTime("f32", lanes, ScheduleKind::chunk, 16));
}

TEST_F(CostTest, OperandsOf16BitsMayBeRounded) {
  EXPECT_EQ(form.recurrence.getProductPrecision(), Precision::f32);
  mlir::Type half = mlir::BFloat16Type::get(form.recurrence.getContext());
  for (mlir::Value value : form.recurrence.getOver()) {
    value.setType(llvm::cast<mlir::RankedTensorType>(value.getType()).clone(half));
  }
  EXPECT_EQ(form.recurrence.getProductPrecision(), Precision::tf32);
  form.recurrence.setPrecisionAttr(PrecisionAttr::get(form.recurrence.getContext(), Precision::f32));
  EXPECT_EQ(form.recurrence.getProductPrecision(), Precision::f32);
}

TEST_F(CostTest, ScansLeaveRoomForAnotherTask) {
  Form scanned{"%y = rwkv.read %S[%q] : !S\n"
               "%S1 = rwkv.decay %S, %g on \"key0\" : !S\n"
               "%Sn = rwkv.write %S1[%k], %v : !S"};
  const AffineState &state = *scanned.operator->();
  Wanted wanted;
  wanted.kind = ScheduleKind::scan;
  for (int64_t lanes : {1, 256}) {
    double bytes = getCost(scanned.recurrence, state, makeTarget(lanes, 0), ScheduleKind::scan, 64)->onChip;
    auto choose = [&](double memory) {
      TargetAttr target =
          TargetAttr::get(scanned.recurrence.getContext(), "t", 512, 32, static_cast<int64_t>(memory), lanes, 0, 0);
      return chooseSchedule(scanned.recurrence, state, target, wanted).schedule.getChunk();
    };
    EXPECT_EQ(choose(1.5 * bytes), lanes > 1 ? 32 : 64);
    EXPECT_EQ(choose(2 * bytes), lanes > 1 ? 64 : 128);
  }
}

TEST_F(CostTest, MuchCodeForBlocksOfKeysTakesShortChunks) {
  auto choose = [&](const std::string &bound, const std::string &more) {
    Form several{"%y = rwkv.read %S[%q] : !S\n"
                 "%S1 = rwkv.decay %S, %g on \"key0\" " +
                 bound +
                 ": !S\n"
                 "%S2 = rwkv.write %S1[%k], %v : !S\n" +
                 more};
    several.recurrence.setPrecisionAttr(PrecisionAttr::get(several.recurrence.getContext(), Precision::tf32));
    TargetAttr target = TargetAttr::get(several.recurrence.getContext(), "t", 512, 32, 1 << 20, 256, 0, 0);
    Wanted wanted;
    wanted.kind = ScheduleKind::chunk;
    return chooseSchedule(several.recurrence, *several.operator->(), target, wanted).schedule.getChunk();
  };
  const std::string once = "%Sn = rwkv.write %S2[%q], %g : !S", twice = once + "\n%z = rwkv.read %Sn[%k] : !S";
  EXPECT_EQ(choose("", once), 16);
  EXPECT_EQ(choose("", twice), 8);
  EXPECT_EQ(choose("bound [-0.6 : f32, 0.0 : f32] ", twice), 16); // the chunk is one block
}
