// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is found out about a token region, without any pass: states, reads, strata, forms, lengths of chunks.
#include "test/unit/passes/Form.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::test;

namespace {

const char *const kDelta = R"(
  %S1 = rwkv.decay %S, %c on "all" : !S
  %y = rwkv.read %S1[%k] {y} : !S
  %e = arith.subf %v, %y {e} : !v
  %Sn = rwkv.write %S1[%k], %e scale %c : !S
  %o = rwkv.read %Sn[%q] {o} : !S)";

// ---- states and reads

TEST(AffineState, PathsOfStates) {
  Form form(R"(
    %S1 = rwkv.decay %S, %g on "key0" : !S
    %S2 = rwkv.transform %S1, %R on "key0" : !S, tensor<2x2x2xf32>
    %Sn = rwkv.write %S2[%k], %v {last} : !S
    %Mn = rwkv.maximum %M, %v, %g : !V
    %Fn = rwkv.set %F, %v : !V
    %Hn = rwkv.hold %H, %S at %n : !S
    %nn = rwkv.count %n every 8 : !N)",
            {{"S"}, {"M", "4"}, {"F", "4"}, {"H"}, {"n", "1"}});
  ASSERT_EQ(form->states.size(), 5u);
  EXPECT_EQ(kindsOf(form->states[0].path), "decay transform write");
  EXPECT_EQ(kindsOf(form->states[1].path), "maximum");
  EXPECT_EQ(kindsOf(form->states[2].path), "overwrite");
  EXPECT_EQ(kindsOf(form->states[3].path), "hold");
  EXPECT_EQ(kindsOf(form->states[4].path), "count");
  EXPECT_EQ(form->states[0].path[2].op, form.find("last"));
  EXPECT_EQ(form->states[0].type.getKeys(), ArrayRef<int64_t>{4});
  EXPECT_TRUE(form->states[1].type.getKeys().empty());
  EXPECT_EQ(form->states[3].arg, form.recurrence.getStateArgs()[3]);
  EXPECT_EQ(form->states[3].path[0].source, form->states[0].arg);
  EXPECT_EQ(form->states[3].path[0].counter, form->states[4].arg);
  EXPECT_TRUE(form->reads.empty());
}

TEST(AffineState, TurnedAxes) {
  const std::string turn = "rwkv.transform %S, %R on \"key0\" orthogonal : !S, tensor<2x2x2xf32>\n";
  auto isTurned = [](const std::string &ops) { return Form(ops)->states[0].isTurned(0); };
  EXPECT_TRUE(isTurned("%Sn = " + turn));
  EXPECT_FALSE(isTurned("%Sn = rwkv.transform %S, %R on \"key0\" : !S, tensor<2x2x2xf32>"));
  EXPECT_FALSE(isTurned("%Sn = rwkv.write %S[%k], %v : !S")) << "nothing happens to the axis";
  // What happens to other axes, and to all elements alike, does not matter; a decay of the same axis does.
  EXPECT_TRUE(isTurned("%S1 = " + turn + "%Sn = rwkv.decay %S1, %g on \"value\" : !S"));
  EXPECT_TRUE(isTurned("%S1 = " + turn + "%Sn = rwkv.decay %S1, %c on \"all\" : !S"));
  EXPECT_FALSE(isTurned("%S1 = " + turn + "%Sn = rwkv.decay %S1, %g on \"key0\" : !S"));
  EXPECT_FALSE(isTurned("%S1 = " + turn + "%Sn = rwkv.transform %S1, %R on \"key0\" : !S, tensor<2x2x2xf32>"));
  // A peek is not carried on.
  EXPECT_FALSE(isTurned("%P = " + turn + "%o = rwkv.read %P[%q] : !S\n%Sn = rwkv.write %S[%k], %v : !S"));
}

TEST(AffineState, PositionsOfReads) {
  Form form(kDelta);
  ASSERT_EQ(form->reads.size(), 2u);
  EXPECT_EQ(form->reads[0].position, 1u);
  EXPECT_EQ(form->reads[1].position, 2u);
  EXPECT_TRUE(form->reads[0].corrects);
  EXPECT_FALSE(form->reads[1].corrects);
  EXPECT_EQ(form->findRead(form.valueOf("y")), 0u);
  EXPECT_EQ(form->findRead(form.valueOf("o")), 1u);
  EXPECT_EQ(form->findRead(form.valueOf("e")), std::nullopt);
}

TEST(AffineState, PeeksBranchOff) {
  Form form(R"(
    %S1 = rwkv.decay %S, %g on "key0" : !S
    %P1 = rwkv.write %S1[%k], %v : !S
    %P2 = rwkv.decay %P1, %c on "all" : !S
    %y = rwkv.read %P2[%q] : !S
    %Tn = rwkv.write %T[], %y : !V
    %Sn = rwkv.write %S1[%k], %v : !S
    %z = rwkv.read %T[] : !V)",
            {{"S"}, {"T", "4"}});
  ASSERT_EQ(form->reads.size(), 2u);
  EXPECT_EQ(form->reads[0].state, 0u);
  EXPECT_EQ(form->reads[0].position, 1u);
  EXPECT_EQ(kindsOf(form->reads[0].branch), "write decay");
  EXPECT_FALSE(form->reads[0].corrects); // it feeds a state, but of another stratum
  EXPECT_EQ(kindsOf(form->states[0].path), "decay write");
  EXPECT_EQ(form->reads[1].state, 1u);
  EXPECT_EQ(form->reads[1].position, 0u);
  EXPECT_TRUE(form->reads[1].branch.empty());
}

// ---- strata

TEST(AffineState, StrataInTheOrderOfNeed) {
  Form form(R"(
    %a = rwkv.read %A[%q] {a} : !S
    %An = rwkv.write %A[%k], %v : !S
    %Bn = rwkv.write %B[%k], %a : !S
    %b = rwkv.read %Bn[%q] : !S
    %t = math.tanh %b {t} : !v
    %Cn = rwkv.write %C[%t], %a : !S)",
            {{"C"}, {"B"}, {"A"}});
  EXPECT_EQ(form.getStrata(), (std::vector<std::vector<unsigned>>{{2}, {1}, {0}}));
  EXPECT_EQ(form->states[0].stratum, 2u);
  EXPECT_EQ(form->states[2].stratum, 0u);
  EXPECT_TRUE(form->dependsOn(form.valueOf("a"), 0));
  EXPECT_FALSE(form->dependsOn(form.valueOf("a"), 1));
  EXPECT_TRUE(form->dependsOn(form.valueOf("t"), 1)); // through B, whose values are those of A
  EXPECT_FALSE(form->dependsOn(form.valueOf("t"), 2));
  EXPECT_FALSE(form->dependsOn(form.recurrence.getOverArgs()[0], 0));
  EXPECT_TRUE(form->isLegal(ScheduleKind::chunk)); // a key made of what a lower stratum holds
  EXPECT_FALSE(llvm::any_of(form->reads, [](const StateRead &read) { return read.corrects; }));
}

TEST(AffineState, StatesThatNeedEachOtherAreOneStratum) {
  Form form(R"(
    %a = rwkv.read %A[%k] : !S
    %b = rwkv.read %B[%k] : !S
    %o = rwkv.read %Z[] : !V
    %Bn = rwkv.write %B[%k], %a : !S
    %Zn = rwkv.write %Z[], %b : !V
    %An = rwkv.write %A[%k], %b : !S
    %Un = rwkv.write %U[], %v : !V)",
            {{"A"}, {"Z", "4"}, {"B"}, {"U", "4"}});
  EXPECT_EQ(form.getStrata(), (std::vector<std::vector<unsigned>>{{0, 2}, {3}, {1}}));
  EXPECT_EQ(form->states[0].stratum, 0u);
  EXPECT_EQ(form->states[2].stratum, 0u);
  EXPECT_TRUE(form->reads[0].corrects);
  EXPECT_TRUE(form->reads[1].corrects);
  EXPECT_FALSE(form->reads[2].corrects);
  EXPECT_EQ(form.getForm(0, ScheduleKind::chunk), FormKind::matrix);
  EXPECT_EQ(form.getForm(0, ScheduleKind::scan), FormKind::none);
  EXPECT_EQ(form.getForm(2, ScheduleKind::chunk), FormKind::elementwise);
}

// ---- forms

TEST(AffineState, FormsOfCorrections) {
  Form form(kDelta);
  EXPECT_TRUE(form->strata[0].hasMatrixForm());
  EXPECT_FALSE(form->strata[0].hasElementwiseForm());
  EXPECT_EQ(form.getForm(0, ScheduleKind::chunk), FormKind::matrix);
  EXPECT_EQ(form.getForm(0, ScheduleKind::scan), FormKind::none);
  EXPECT_TRUE(form->isLegal(ScheduleKind::step));
  EXPECT_TRUE(form->isLegal(ScheduleKind::chunk));
  EXPECT_FALSE(form->isLegal(ScheduleKind::scan));
}

TEST(AffineState, FormsOfPlainSums) {
  Form form(R"(%Sn = rwkv.write %S[%k], %v : !S)");
  EXPECT_EQ(form.getForm(0, ScheduleKind::chunk), FormKind::matrix);
  EXPECT_EQ(form.getForm(0, ScheduleKind::scan), FormKind::elementwise);
  EXPECT_TRUE(form->isLegal(ScheduleKind::chunk));
  EXPECT_TRUE(form->isLegal(ScheduleKind::scan));
}

TEST(AffineState, VectorsCorrectThemselvesByMatrices) {
  Form form(R"(
    %y = rwkv.read %V[] : !V
    %e = arith.subf %v, %y : !v
    %Vn = rwkv.write %V[], %e : !V)",
            {{"V", "4"}});
  EXPECT_EQ(form.getForm(0, ScheduleKind::chunk), FormKind::matrix);
  EXPECT_EQ(form.getForm(0, ScheduleKind::scan), FormKind::none);
}

TEST(AffineState, OutputsMayBeAnything) {
  Form form(R"(
    %Sn = rwkv.write %S[%k], %v : !S
    %o = rwkv.read %Sn[%q] : !S
    %t = math.tanh %o : !v
    %p = rwkv.read %S[%t] : !S
    %d = arith.divf %v, %p : !v)");
  EXPECT_TRUE(form->isLegal(ScheduleKind::chunk));
  EXPECT_TRUE(form->isLegal(ScheduleKind::scan));
}

TEST(AffineState, UniformCoefficientsAreAllowed) {
  Form form(R"(
    %y = rwkv.read %S[%k] : !S
    %b = rwkv.broadcast %c : f32 -> !v
    %z = arith.mulf %b, %y : !v
    %h = rwkv.fill 2.0 : !v
    %x = arith.divf %z, %h : !v
    %e = arith.negf %x : !v
    %Sn = rwkv.write %S[%k], %e : !S)");
  EXPECT_TRUE(form->isLegal(ScheduleKind::chunk)) << form->getRefusal(ScheduleKind::chunk).reason;
}

TEST(AffineState, UniformValues) {
  Form form(R"(
    %f = rwkv.fill 2.0 {uniform} : !v
    %s = arith.constant {uniform} dense<1.0> : !v
    %d = arith.constant {varies} dense<[1.0, 2.0, 3.0, 4.0]> : !v
    %b = rwkv.broadcast %c {uniform} : f32 -> !v
    %r = rwkv.broadcast %v on [1] {varies} : !v -> !m
    %x = arith.mulf %f, %b {uniform} : !v
    %y = arith.mulf %f, %v {varies} : !v
    %t = rwkv.sigmoid %x {uniform} : !v
    %n = rwkv.sum %v over 0 {uniform} : !v -> f32
    %w = rwkv.matvec %E, %f {varies} : !m, !v -> !v
    %Sn = rwkv.write %S[%k], %v : !S)");
  unsigned uniform = 0, varies = 0;
  form.recurrence.walk([&](Operation *op) {
    if (op->hasAttr("uniform") || op->hasAttr("varies")) {
      EXPECT_EQ(AffineState::isUniform(op->getResult(0)), op->hasAttr("uniform"));
      ++(op->hasAttr("uniform") ? uniform : varies);
    }
  });
  EXPECT_EQ(uniform, 6u);
  EXPECT_EQ(varies, 4u);
  EXPECT_FALSE(AffineState::isUniform(form.recurrence.getOverArgs()[2]));
  EXPECT_TRUE(AffineState::isUniform(form.recurrence.getOverArgs()[4]));
}

TEST(AffineState, SharedValuesAreLookedAtOnce) {
  std::string ops = "%x0 = rwkv.fill 1.0 : !v\n";
  for (int i = 0; i < 64; ++i) {
    const std::string from = "%x" + std::to_string(i);
    ops += "%x" + std::to_string(i + 1) + " = arith.addf " + from + ", " + from + " : !v\n";
  }
  Form form(ops + "%z = arith.mulf %x64, %v {last} : !v\n %Sn = rwkv.write %S[%k], %z : !S");
  EXPECT_TRUE(AffineState::isUniform(form.find("last")->getOperand(0)));
  EXPECT_FALSE(AffineState::isUniform(form.valueOf("last")));
}

TEST(AffineState, PeeksOfElementsMayDependOnTheirState) {
  Form form(R"(
    %y = rwkv.read %S[%k] : !S
    %s = rwkv.dot %y, %v : !v -> f32
    %P1 = rwkv.decay %S, %y on "value" : !S
    %P2 = rwkv.decay %P1, %E on "each" : !S
    %P3 = rwkv.write %P2[%y], %y scale %s : !S
    %o = rwkv.read %P3[%y] : !S
    %Sn = rwkv.write %S[%k], %v : !S
    %Vn = rwkv.maximum %V, %v, %g : !V
    %m = rwkv.read %V[] : !V
    %W = rwkv.maximum %Vn, %m, %v : !V
    %p = rwkv.read %W[] : !V)",
            {{"S"}, {"V", "4"}});
  EXPECT_TRUE(form->isLegal(ScheduleKind::scan)) << form->getRefusal(ScheduleKind::scan).reason;
}

// ---- lengths of chunks

TEST(AffineState, LargestLogarithm) {
  auto largest = [](std::optional<std::pair<double, double>> bound) {
    StateStep step;
    step.bound = bound;
    return getLargestLog(step);
  };
  EXPECT_EQ(largest(std::nullopt), 40.0);
  EXPECT_EQ(largest({{-0.5, 0.0}}), 0.5);
  EXPECT_EQ(largest({{-3.0, -2.0}}), 3.0);
  EXPECT_EQ(largest({{-100.0, 0.0}}), 40.0); // it forgets
  EXPECT_EQ(largest({{-1.0, 2.0}}), 2.0);
  EXPECT_EQ(largest({{0.5, 60.0}}), 60.0);
}

/// A state with these decays before its write.
Form decayed(const std::vector<const char *> &decays) {
  std::string ops, state = "%S";
  for (const char *decay : decays) {
    std::string next = "%D" + std::to_string(ops.size());
    ops += next + " = rwkv.decay " + state + ", " + decay + " : !S\n";
    state = next;
  }
  return Form(ops + "%Sn = rwkv.write " + state + "[%k], %v : !S");
}

TEST(AffineState, ValueDecaysLimitChunks) {
  struct {
    std::vector<const char *> decays;
    int64_t limit;
  } cases[] = {
      {{}, 1024},
      {{"%g on \"key0\"", "%c on \"all\""}, 1024},
      {{"%g on \"value\""}, 4},                                     // 170 / 40
      {{"%g on \"value\" bound [-0.5 : f32, 0.0 : f32]"}, 340},     // 170 / 0.5
      {{"%g on \"value\" bound [-0.0625 : f32, 0.0 : f32]"}, 1024}, // 2720
      {{"%g on \"value\" bound [-1.0 : f32, 2.0 : f32]"}, 85},      // 170 / 2
      {{"%g on \"value\" bound [-200.0 : f32, 200.0 : f32]"}, 1},   // 170 / 200
      {{"%g on \"value\" bound [-0.5 : f32, 0.0 : f32]", "%g on \"key0\"",
        "%v on \"value\" bound [-0.25 : f32, 0.0 : f32]"},
       226}, // 170 / 0.75
  };
  for (const auto &test : cases) {
    Form form = decayed(test.decays);
    EXPECT_EQ(form->getChunkLimit(ScheduleKind::chunk), test.limit);
    EXPECT_EQ(form->getChunkLimit(ScheduleKind::scan), 1024);
    EXPECT_EQ(form->getPeriod(), 0);
    EXPECT_EQ(form->fitChunk(ScheduleKind::chunk, 64), std::min<int64_t>(64, test.limit));
  }
}

TEST(AffineState, ElementsOnTheirOwnDoNotLimitChunks) {
  Form form(R"(
    %V1 = rwkv.decay %V, %g on "value" : !V
    %Vn = rwkv.write %V1[], %v : !V
    %Sn = rwkv.write %S[%k], %v : !S)",
            {{"V", "4"}, {"S"}});
  EXPECT_EQ(form->getChunkLimit(ScheduleKind::chunk), 1024);
}

const char *const kStale = R"(
  %Bn = rwkv.hold %B, %S at %n : !S
  %nn = rwkv.count %n every 48 : !N
  %y = rwkv.read %Bn[%k] {y} : !S
  %z = math.tanh %y : !v
  %Sn = rwkv.write %S[%k], %z : !S)";
const States kStaleStates = {{"S"}, {"B"}, {"n", "1"}};

TEST(AffineState, StaleReadsAreInputs) {
  Form form(kStale, kStaleStates);
  EXPECT_EQ(form.getStrata(), (std::vector<std::vector<unsigned>>{{1}, {2}, {0}}));
  EXPECT_TRUE(form->strata[0].isHeld);
  EXPECT_TRUE(form->strata[1].isHeld);
  EXPECT_FALSE(form->strata[2].isHeld);
  EXPECT_EQ(form.getForm(0, ScheduleKind::chunk), FormKind::held);
  EXPECT_EQ(form.getForm(1, ScheduleKind::scan), FormKind::held);
  EXPECT_EQ(form.getForm(2, ScheduleKind::chunk), FormKind::matrix);
  EXPECT_EQ(form.getForm(2, ScheduleKind::scan), FormKind::elementwise);
  EXPECT_TRUE(form->isLegal(ScheduleKind::chunk));
  EXPECT_TRUE(form->isLegal(ScheduleKind::scan));
  EXPECT_EQ(form->reads[0].state, 1u);
  EXPECT_EQ(form->reads[0].position, 1u);
  EXPECT_FALSE(form->reads[0].corrects);
  EXPECT_FALSE(form->dependsOn(form.valueOf("y"), 2));
}

TEST(AffineState, ChunksDivideThePeriod) {
  Form form(kStale, kStaleStates);
  EXPECT_EQ(form->getPeriod(), 48);
  for (auto [tokens, length] : {std::pair(128, 48), {48, 48}, {47, 24}, {20, 16}, {13, 12}, {5, 4}, {1, 1}}) {
    EXPECT_EQ(form->fitChunk(ScheduleKind::chunk, tokens), length) << tokens;
    EXPECT_EQ(form->fitChunk(ScheduleKind::scan, tokens), length) << tokens;
  }
}

TEST(AffineState, ChunksHaveATokenAtLeast) {
  Form held(kStale, kStaleStates), plain(kDelta);
  for (int64_t tokens : {0, -1}) {
    EXPECT_EQ(held->fitChunk(ScheduleKind::chunk, tokens), 1);
    EXPECT_EQ(plain->fitChunk(ScheduleKind::scan, tokens), 1);
  }
}

TEST(AffineState, ChunksDivideAllPeriodsAndRespectDecays) {
  Form form(R"(
    %nn = rwkv.count %n every 48 : !N
    %mn = rwkv.count %m every 36 : !N
    %S1 = rwkv.decay %S, %g on "value" bound [-16.0 : f32, 0.0 : f32] : !S
    %Sn = rwkv.write %S1[%k], %v : !S)",
            {{"S"}, {"n", "1"}, {"m", "1"}});
  EXPECT_EQ(form->getPeriod(), 12);
  EXPECT_EQ(form->getChunkLimit(ScheduleKind::chunk), 10); // 170 / 16
  EXPECT_EQ(form->fitChunk(ScheduleKind::chunk, 64), 6);
  EXPECT_EQ(form->fitChunk(ScheduleKind::scan, 64), 12);
}

// ---- a state op that the analysis has never heard of

/// Fades the values of a state, which is its second operand: S e^f, where f is known to be -2 .. 0.
class FadeOp : public Op<FadeOp, OpTrait::ZeroRegions, OpTrait::OneResult, OpTrait::ZeroSuccessors,
                         OpTrait::NOperands<2>::Impl, MemoryEffectOpInterface::Trait, StateStepOpInterface::Trait> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FadeOp)
  using Op::Op;
  static StringRef getOperationName() { return "test.fade"; }
  static ArrayRef<StringRef> getAttributeNames() { return {}; }
  void getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &) {}
  StateStep getStep() {
    StateStep step;
    step.kind = StateStep::Kind::decay;
    step.op = getOperation();
    step.state = getOperand(1);
    step.result = getOperation()->getResult(0);
    step.factor = getOperand(0);
    step.axis = StateStep::Axis::value;
    step.bound = {-2.0, 0.0};
    return step;
  }
};

class TestDialect : public Dialect {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestDialect)
  static StringRef getDialectNamespace() { return "test"; }
  explicit TestDialect(MLIRContext *context) : Dialect(getDialectNamespace(), context, TypeID::get<TestDialect>()) {
    addOperations<FadeOp>();
  }
};

void loadTestDialect(MLIRContext &context) { context.loadDialect<TestDialect>(); }

TEST(StateStepOpInterface, IsAllThatTheAnalysisKnows) {
  Form form(R"(
    %S1 = "test.fade"(%g, %S) : (!v, !S) -> !S
    %y = rwkv.read %S1[%k] : !S
    %e = arith.subf %v, %y : !v
    %Sn = rwkv.write %S1[%k], %e : !S)",
            {{"S"}}, loadTestDialect);
  EXPECT_EQ(kindsOf(form->states[0].path), "decay write");
  EXPECT_EQ(form->reads[0].position, 1u);
  EXPECT_TRUE(form->reads[0].corrects);
  EXPECT_EQ(form.getForm(0, ScheduleKind::chunk), FormKind::matrix);
  EXPECT_EQ(form->getChunkLimit(ScheduleKind::chunk), 85); // by its bound
}

TEST(StateStepOpInterface, RefusalsNameSuchOps) {
  Form between(R"(
    %y = rwkv.read %S[%k] : !S
    %S1 = "test.fade"(%g, %S) {here} : (!v, !S) -> !S
    %Sn = rwkv.write %S1[%k], %y : !S)",
               {{"S"}}, loadTestDialect);
  EXPECT_EQ(between->getRefusal(ScheduleKind::chunk).rule, "L4");
  EXPECT_EQ(between->getRefusal(ScheduleKind::chunk).op, between.find("here"));
  Form own(R"(
    %y = rwkv.read %S[%k] : !S
    %Sn = "test.fade"(%y, %S) {here} : (!v, !S) -> !S)",
           {{"S"}}, loadTestDialect);
  for (ScheduleKind kind : {ScheduleKind::chunk, ScheduleKind::scan}) {
    EXPECT_EQ(own->getRefusal(kind).rule, "L2");
    EXPECT_EQ(own->getRefusal(kind).op, own.find("here"));
  }
}

} // namespace
