// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which bounds of decays follow from the producers of their logarithms, in a function and in a token region.
#include "passes/Ranges/Ranges.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace rwkv;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// What rounding of a few operations may add, relative to an end.
constexpr double kSlack = 1e-5;

/// A function that computes %g [B, T, H, K] and a token region that decays by it, after its own ops on %gt [K].
class Decays {
public:
  struct Text {
    std::string function, region, decay = "%gt on \"key0\"";
  };

  explicit Decays(const Text &text) {
    context.loadDialect<RwkvDialect, arith::ArithDialect, math::MathDialect, func::FuncDialect>();
    const std::string source = R"(
!x = tensor<?x?x2x4xf32>
!v = tensor<4xf32>
!h = tensor<2x4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%x: !x, %y: !x, %h: !h, %s0: tensor<?x2x4x4xf32>) -> tensor<?x2x4x4xf32> {
)" + text.function + R"(
  %s = rwkv.recurrence over(%gt = %g : !x, %xt = %x : !x) const(%ct = %c : !h) init(%S = %s0 : tensor<?x2x4x4xf32>)
      -> (tensor<?x2x4x4xf32>) {
)" + text.region + "%S1 = rwkv.decay %S, " +
                               text.decay + R"( : !S
    %S2 = rwkv.write %S1[%xt], %xt : !S
    rwkv.yield %S2 : !S
  }
  return %s : tensor<?x2x4x4xf32>
})";
    module = parseSourceString<ModuleOp>(source, &context);
    if (!module) {
      llvm::report_fatal_error(StringRef("a test's text is not valid:\n" + source));
    }
    module->walk([&](DecayOp op) { decay = op; });
  }

  unsigned certify() { return certifyBounds(*module); }
  std::optional<std::pair<double, double>> getBound() { return decay.getStep().bound; }

  DecayOp decay;

private:
  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
};

/// With only constants in const(..).
Decays::Text in(const std::string &function, const std::string &region = "",
                const std::string &decay = "%gt on \"key0\"") {
  return {"%c = rwkv.fill -0.25 : !h\n" + function, region, decay};
}

/// `end` is `exact` or outside of it, but not by more than rounding may be.
void expectEnd(double end, double exact, double outwards) {
  if (std::isinf(exact)) {
    EXPECT_EQ(end, exact);
    return;
  }
  EXPECT_GE((end - exact) * outwards, 0);
  EXPECT_LE(std::fabs(end - exact), kSlack * std::max(std::fabs(exact), 1e-3));
}

// ---- intervals

struct Range {
  const char *name;
  double lo, hi;
  std::string function, region = "", decay = "%gt on \"key0\"";
};
void PrintTo(const Range &test, std::ostream *out) { *out << test.name; }

class Ranges : public testing::TestWithParam<Range> {};

/// The next f32.
float inwards(double end, float towards) { return std::nextafter(static_cast<float>(end), towards); }

TEST_P(Ranges, FollowFromProducers) {
  const Range &test = GetParam();
  Decays decays(in(test.function, test.region, test.decay));
  Interval interval = getInterval(decays.decay.getLog());
  expectEnd(interval.lo, test.lo, -1);
  expectEnd(interval.hi, test.hi, 1);
  bool known = std::isfinite(test.lo) && std::isfinite(test.hi);
  EXPECT_EQ(interval.isFinite(), known);

  EXPECT_EQ(decays.certify(), known ? 1u : 0u);
  EXPECT_EQ(decays.decay.getCertified(), known);
  ASSERT_EQ(decays.getBound().has_value(), known);
  if (known) { // rounded to f32, away from what they bound, by two numbers at most
    auto [lo, hi] = *decays.getBound();
    EXPECT_LE(lo, interval.lo);
    EXPECT_GE(hi, interval.hi);
    EXPECT_GE(inwards(inwards(lo, INFINITY), INFINITY), interval.lo);
    EXPECT_LE(inwards(inwards(hi, -INFINITY), -INFINITY), interval.hi);
  }
  EXPECT_EQ(decays.certify(), 0u); // nothing is new
}

const double kE = std::exp(1.0), kSoftplus1 = std::log1p(kE), kSoftplusMinus1 = std::log1p(1 / kE);
const double kSigmoid1 = 1 / (1 + 1 / kE);
const double kLogOne = std::log1p(1e-6);              // of a 1 that may have been rounded up
const std::string kTanh = "%t = math.tanh %x : !x\n"; // in -1 .. 1
const std::string kPass = "%g = rwkv.sigmoid %x : !x\n";

const Range kRanges[] = {
    // What the decays of known architectures are made of.
    {"ScaledSigmoid", -0.606531, 0,
     "%p = rwkv.sigmoid %x : !x\n %w = rwkv.fill -0.606531 : !x\n"
     "%g = arith.mulf %w, %p : !x"},
    {"ScaledSigmoidInTheRegion", -0.606531, 0, "%g = arith.addf %x, %y : !x",
     "%p = rwkv.sigmoid %gt : !v\n %w = rwkv.fill -0.606531 : !v\n %d = arith.mulf %w, %p : !v\n", "%d on \"key0\""},
    {"SigmoidScaledInTheRegion", -0.606531, 0, kPass, "%w = rwkv.fill -0.606531 : !v\n %d = arith.mulf %gt, %w : !v\n",
     "%d on \"key0\""},
    {"ScaledBySomethingConst", -0.25, 0, kPass, "%d = arith.mulf %gt, %ct : !v\n", "%d on \"value\""},
    {"NegativeExp", -kInfinity, 0, "%e = math.exp %x : !x\n %g = arith.negf %e : !x"},
    {"NegativeExpOfTanh", -kE, -1 / kE, kTanh + "%e = math.exp %t : !x\n %g = arith.negf %e : !x"},
    {"NegativeExpBelow", -std::exp(2.5), 0,
     "%m = rwkv.fill 2.5 : !x\n %l = arith.minimumf %x, %m : !x\n %e = math.exp %l : !x\n %g = arith.negf %e : !x"},
    {"NegativeSoftplus", -kInfinity, 0, "%e = rwkv.softplus %x : !x\n %g = arith.negf %e : !x"},
    {"NegativeSoftplusOfTanh", -kSoftplus1, -kSoftplusMinus1,
     kTanh + "%e = rwkv.softplus %t : !x\n %g = arith.negf %e : !x"},
    {"LogSigmoid", -kInfinity, kLogOne, "%e = rwkv.sigmoid %x : !x\n %g = math.log %e : !x"},
    {"LogSigmoidOfTanh", -kSoftplus1, -kSoftplusMinus1, kTanh + "%e = rwkv.sigmoid %t : !x\n %g = math.log %e : !x"},
    {"DiscretizedStep", -2 * kSoftplus1, -2 * kSoftplusMinus1,
     kTanh + "%e = rwkv.softplus %t : !x\n %w = rwkv.fill 2.0 : !x\n %d = arith.mulf %e, %w : !x\n"
             "%g = arith.negf %d : !x"},
    // One operation each.
    {"Sum", 2, 4, kTanh + "%w = rwkv.fill 3.0 : !x\n %g = arith.addf %w, %t : !x"},
    {"SumOfTwo", -1, 2, kTanh + "%p = rwkv.sigmoid %y : !x\n %g = arith.addf %p, %t : !x"},
    {"Difference", -2, 1, kTanh + "%p = rwkv.sigmoid %y : !x\n %g = arith.subf %t, %p : !x"},
    {"ProductOfSigns", -6, 3, // (-1 .. 2) (-3 .. 0)
     kTanh + "%p = rwkv.sigmoid %y : !x\n %a = arith.addf %t, %p : !x\n %w = rwkv.fill -3.0 : !x\n"
             "%q = rwkv.sigmoid %x : !x\n %b = arith.mulf %q, %w : !x\n %g = arith.mulf %a, %b : !x"},
    {"ZeroTimesAnything", 0, 0, "%w = rwkv.fill 0.0 : !x\n %g = arith.mulf %w, %x : !x"},
    {"Relu", 0, 1, kTanh + "%g = rwkv.relu %t : !x"},
    {"ReluHasNoUpperEnd", 0, kInfinity, "%g = rwkv.relu %x : !x"},
    {"Absolute", 0, 1, kTanh + "%g = math.absf %t : !x"},
    {"AbsoluteOfNegative", 2, 4,
     kTanh + "%w = rwkv.fill -3.0 : !x\n %a = arith.addf %w, %t : !x\n"
             "%g = math.absf %a : !x"},
    {"Clamped", -0.5, 0.25,
     "%a = rwkv.fill -0.5 : !x\n %b = rwkv.fill 0.25 : !x\n"
     "%m = arith.maximumf %x, %a : !x\n %g = arith.minimumf %m, %b : !x"},
    {"ClampedOtherwise", -0.5, 0.25,
     "%a = rwkv.fill -0.5 : !x\n %b = rwkv.fill 0.25 : !x\n"
     "%m = arith.minnumf %x, %b : !x\n %g = arith.maxnumf %m, %a : !x"},
    {"SigmoidOfTanh", 1 - kSigmoid1, kSigmoid1, kTanh + "%g = rwkv.sigmoid %t : !x"},
    {"LogOfNegative", -kInfinity, kLogOne, kTanh + "%g = math.log %t : !x"},
    {"Sine", -1, 1, "%g = math.sin %x : !x"},
    {"Cosine", -1, 1, "%g = math.cos %x : !x"},
    {"ErrorFunction", -1, 1, "%g = math.erf %x : !x"},
    {"ErrorFunctionOfTanh", -std::erf(1.0), std::erf(1.0), kTanh + "%g = math.erf %t : !x"},
    {"Arctangent", -std::atan(1.0), std::atan(1.0), kTanh + "%g = math.atan %t : !x"},
    {"PowerOfTwo", 0.5, 2, kTanh + "%g = math.exp2 %t : !x"},
    {"SquareRoot", 0, 1, kTanh + "%g = math.sqrt %t : !x"},
    {"Quotient", -1, 0.5, // (-1 .. 2) / (-4 .. -2)
     kTanh + "%p = rwkv.sigmoid %y : !x\n %a = arith.addf %t, %p : !x\n %w = rwkv.fill -3.0 : !x\n"
             "%b = arith.addf %w, %t : !x\n %g = arith.divf %a, %b : !x"},
    {"QuotientByWhatMayBeZero", -kInfinity, kInfinity,
     kTanh + "%p = rwkv.sigmoid %y : !x\n %g = arith.divf %t, %p : !x"},
    {"Selected", -1, 3,
     kTanh + "%w = rwkv.fill 3.0 : !x\n %q = arith.cmpf olt, %x, %y : !x\n %g = arith.select %q, %w, %t : "
             "tensor<?x?x2x4xi1>, !x"},
    {"SelectedFromSomethingUnknown", -kInfinity, kInfinity,
     kTanh + "%q = arith.cmpf olt, %x, %y : !x\n %g = arith.select %q, %y, %t : tensor<?x?x2x4xi1>, !x"},
    // Constants, and what only moves values.
    {"Constant", -0.75, -0.75, kPass, "%d = arith.constant -0.75 : f32\n", "%d on \"all\""},
    {"Splat", -0.75, -0.75, kPass, "%d = arith.constant dense<-0.75> : !v\n", "%d on \"key0\""},
    {"NotOneConstant", -kInfinity, kInfinity, kPass, "%d = arith.constant dense<[-1.0, -2.0, -3.0, -4.0]> : !v\n",
     "%d on \"key0\""},
    {"Broadcast", 0, 1, kPass, "%d = rwkv.broadcast %gt on [0] : !v -> tensor<4x4xf32>\n", "%d on \"each\""},
    {"MaxNumOfWhatMayBeNaN", -1, 1, kTanh + "%p = rwkv.sigmoid %y : !x\n %g = arith.maxnumf %p, %t : !x"},
    {"MinNumOfWhatMayBeNaN", -1, 1, kTanh + "%p = rwkv.sigmoid %y : !x\n %g = arith.minnumf %t, %p : !x"},
    {"MaxNumOfTheUnknown", -kInfinity, kInfinity, kTanh + "%g = arith.maxnumf %t, %x : !x"},
    {"MaxNumWithANumber", -0.5, kInfinity, "%a = rwkv.fill -0.5 : !x\n %g = arith.maxnumf %x, %a : !x"},
    {"MaxNumWithNoNumber", -kInfinity, kInfinity,
     "%a = rwkv.fill 0x7FF8000000000000 : !x\n %g = arith.maxnumf %x, %a : !x"},
    // What is too small or too large for its type.
    {"Underflow", -kInfinity, kLogOne,
     "%m = rwkv.fill 5.0 : !x\n %l = arith.minimumf %x, %m : !x\n %e = math.exp %l : !x\n %n = arith.negf %e : !x\n"
     "%u = math.exp %n : !x\n %g = math.log %u : !x"},
    {"UnderflowOfAProduct", -kInfinity, std::log(0x1p-126), // of 10^-60 times e^-2 .. e^2
     kTanh + "%w = rwkv.fill 1.0e-30 : !x\n %a = math.exp %t : !x\n %b = arith.mulf %w, %a : !x\n"
             "%d = arith.mulf %b, %b : !x\n %g = math.log %d : !x"},
    {"Overflow", 0, kInfinity,
     kTanh + "%w = rwkv.fill 100.0 : !x\n %a = arith.mulf %t, %w : !x\n %g = math.exp %a : !x"},
    {"OverflowOfHalf", 0, kInfinity,
     "%n = arith.truncf %x : !x to tensor<?x?x2x4xf16>\n %t = math.tanh %n : tensor<?x?x2x4xf16>\n"
     "%w = rwkv.fill 12.0 : tensor<?x?x2x4xf16>\n %a = arith.mulf %t, %w : tensor<?x?x2x4xf16>\n"
     "%e = math.exp %a : tensor<?x?x2x4xf16>\n %g = arith.extf %e : tensor<?x?x2x4xf16> to !x"},
    {"Narrowed", -1 - 0x1p-8, 1 + 0x1p-8,
     kTanh + "%n = arith.truncf %t : !x to tensor<?x?x2x4xbf16>\n %g = arith.extf %n : tensor<?x?x2x4xbf16> to !x"},
    {"ExtendedHalf", 0, 1 + 0x1p-11,
     "%n = arith.truncf %x : !x to tensor<?x?x2x4xf16>\n %p = rwkv.sigmoid %n : "
     "tensor<?x?x2x4xf16>\n %g = arith.extf %p : tensor<?x?x2x4xf16> to !x"},
    {"Extended", 0, 1 + 0x1p-8,
     "%n = arith.truncf %x : !x to tensor<?x?x2x4xbf16>\n %p = rwkv.sigmoid %n : "
     "tensor<?x?x2x4xbf16>\n %g = arith.extf %p : tensor<?x?x2x4xbf16> to !x"},
    // What is not known.
    {"Argument", -kInfinity, kInfinity, "%g = arith.negf %x : !x"},
    {"UnknownOp", -kInfinity, kInfinity, "%g = rwkv.silu %x : !x"},
    {"UnknownOpOnKnownValues", -kInfinity, kInfinity, kTanh + "%g = math.log1p %t : !x"},
    {"SumWithSomethingUnknown", -kInfinity, kInfinity, kTanh + "%g = arith.subf %t, %x : !x"},
    {"State", -kInfinity, kInfinity, kPass, "%r = rwkv.read %S[%gt] : !S\n", "%r on \"value\""},
    {"SigmoidOfAState", 0, 1, kPass, "%r = rwkv.read %S[%gt] : !S\n %d = rwkv.sigmoid %r : !v\n", "%d on \"value\""},
};

INSTANTIATE_TEST_SUITE_P(All, Ranges, testing::ValuesIn(kRanges),
                         [](const testing::TestParamInfo<Range> &info) { return std::string(info.param.name); });

TEST(Ranges, SharedValuesAreLookedAtOnce) {
  std::string text = "%m0 = math.tanh %x : !x\n";
  for (int i = 0; i < 64; ++i) {
    const std::string from = "%m" + std::to_string(i);
    text += "%m" + std::to_string(i + 1) + " = arith.maximumf " + from + ", " + from + " : !x\n";
  }
  Decays decays(in(text + "%g = arith.negf %m64 : !x"));
  EXPECT_TRUE(getInterval(decays.decay.getLog()).isFinite());
  EXPECT_EQ(decays.certify(), 1u);
}

TEST(Interval, IsFiniteAtBothEnds) {
  EXPECT_TRUE((Interval{-1, 1}).isFinite());
  EXPECT_FALSE((Interval{-kInfinity, 1}).isFinite());
  EXPECT_FALSE((Interval{-1, kInfinity}).isFinite());
}

// ---- bounds

TEST(CertifyBounds, ConstOperandOfUnknownValue) {
  Decays decays({"%c = arith.negf %h : !h\n" + kPass, "%d = arith.mulf %gt, %ct : !v\n", "%d on \"key0\""});
  EXPECT_EQ(decays.certify(), 0u);
  EXPECT_FALSE(decays.decay.getCertified());
}

/// A hyperbolic tangent, with a bound that the text asserts.
Decays asserted(const std::string &bound) {
  return Decays(in("%g = math.tanh %x : !x", "", "%gt on \"key0\" bound " + bound));
}

TEST(CertifyBounds, AssertionsThatFollowAreKept) {
  Decays decays = asserted("[-2.0 : f32, 1.5 : f32]");
  EXPECT_EQ(decays.certify(), 1u);
  EXPECT_TRUE(decays.decay.getCertified());
  EXPECT_EQ(decays.getBound(), std::pair(-2.0, 1.5));
}

TEST(CertifyBounds, AssertionsThatDoNotFollowStayToBeChecked) {
  for (const char *bound : {"[-0.5 : f32, 2.0 : f32]", "[-2.0 : f32, 0.5 : f32]", "[-1.0 : f32, 1.0 : f32]"}) {
    Decays decays = asserted(bound); // the last one only because of rounding
    auto before = decays.getBound();
    EXPECT_EQ(decays.certify(), 0u) << bound;
    EXPECT_FALSE(decays.decay.getCertified()) << bound;
    EXPECT_EQ(decays.getBound(), before);
  }
}

TEST(CertifyBounds, WhatIsCertifiedIsNotTouched) {
  Decays decays = asserted("[-3.0 : f32, 3.0 : f32] certified");
  EXPECT_EQ(decays.certify(), 0u);
  EXPECT_TRUE(decays.decay.getCertified());
  EXPECT_EQ(decays.getBound(), std::pair(-3.0, 3.0));
}

TEST(CertifyBounds, CountsAllDecays) {
  Decays decays(in("%p = rwkv.sigmoid %x : !x\n %g = arith.negf %p : !x",
                   "%A = rwkv.decay %S, %gt on \"value\" : !S\n %o = rwkv.read %A[%xt] : !S\n"
                   "%B = rwkv.decay %S, %xt on \"value\" : !S\n %z = rwkv.read %B[%xt] : !S\n"));
  EXPECT_EQ(decays.certify(), 2u);
}

} // namespace
