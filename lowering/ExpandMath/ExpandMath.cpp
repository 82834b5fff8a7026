// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Math functions as arithmetic that needs no library.
//
// Each function is reduced to a small interval with error-free steps (products with a short constant, differences of
// nearby numbers, scaling by powers of two through the exponent's bits), where a polynomial stands for it. The
// polynomials are minimax fits of the relative error (Remez exchange at 60 digits) with their leading terms fixed, so
// that results near 0 are right relatively, too; coefficients are rounded to the type. The error of each fit stands
// beside it. test/unit/lowering measures the error of the whole.
#include "lowering/ExpandMath/ExpandMath.h"

#include "dialect/Tile/TileDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

#include <limits>

namespace rwkv {
#define GEN_PASS_DEF_TILEEXPANDMATHPASS
#include "lowering/ExpandMath/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;

namespace {
/// The numbers of one floating-point type.
struct FloatNumbers {
  unsigned mantissaBits;
  int64_t bias;
  int64_t sqrtHalfBits; // sqrt(1/2), as an integer
  double minNormal;
  /// ln 2 = ln2Short + ln2Rest, and a product of ln2Short with an exponent is exact.
  double ln2Short, ln2Rest;
  /// ln 2 = ln2 + ln2Low, each rounded to nearest; so too for log2(e).
  double ln2, ln2Low, log2e, log2eLow;
  /// Outside of these exp and exp2 are 0 or infinity, and tanh is 1.
  double minExp, maxExp, minExp2, maxExp2, maxTanh;
  /// e^r = 1 + r + r^2 (c0 + c1 r + ..) for |r| <= ln 2.
  ArrayRef<double> exp;
  /// log((1 + s) / (1 - s)) = 2 s + s z (c0 + c1 z + ..), z = s^2 <= (3 - 2 sqrt 2)^2.
  ArrayRef<double> log;
};
} // namespace

// Relative error 2^-29.6.
static constexpr double exp32[] = {0x1.0p-1,       0x1.555566p-3,  0x1.555584p-5, 0x1.110786p-7,
                                   0x1.6bf00ap-10, 0x1.a6bacap-13, 0x1.b05494p-16};
// Relative error 2^-30.2.
static constexpr double log32[] = {0x1.55557ap-1, 0x1.995ed4p-2, 0x1.31e0d8p-2};
// Relative error 2^-55.5.
static constexpr double exp64[] = {0x1.ffffffffffff3p-2,  0x1.55555555555b7p-3,  0x1.5555555556941p-5,
                                   0x1.111111110826ep-7,  0x1.6c16c169c11d0p-10, 0x1.a01a01b235199p-13,
                                   0x1.a01a0580c5717p-16, 0x1.71de2a023b93ap-19, 0x1.27e1ca9a9552ap-22,
                                   0x1.ae7132140ed9bp-26, 0x1.217a656bac4e7p-29, 0x1.5e6d98bfb4244p-33};
// Relative error 2^-59.5.
static constexpr double log64[] = {0x1.5555555555592p-1, 0x1.999999997ff04p-2, 0x1.24924941e33c2p-2,
                                   0x1.c71c5212533cap-3, 0x1.74663d6922917p-3, 0x1.39a1daa87cad3p-3,
                                   0x1.2f04576831086p-3};

static const FloatNumbers numbers32 = {
    /*mantissaBits=*/23,
    /*bias=*/127,
    /*sqrtHalfBits=*/0x3f3504f3,
    /*minNormal=*/0x1.0p-126,
    /*ln2Short=*/0x1.62e4p-1,
    /*ln2Rest=*/0x1.7f7d1cp-20,
    /*ln2=*/0x1.62e43p-1,
    /*ln2Low=*/-0x1.05c61p-29,
    /*log2e=*/0x1.715476p0,
    /*log2eLow=*/0x1.4ae0cp-26,
    /*minExp=*/-104.5,
    /*maxExp=*/89.0,
    /*minExp2=*/-151.0,
    /*maxExp2=*/129.0,
    /*maxTanh=*/10.0,
    /*exp=*/exp32,
    /*log=*/log32};
static const FloatNumbers numbers64 = {
    /*mantissaBits=*/52,
    /*bias=*/1023,
    /*sqrtHalfBits=*/0x3fe6a09e667f3bcd,
    /*minNormal=*/0x1.0p-1022,
    /*ln2Short=*/0x1.62e42fefa4p-1,
    /*ln2Rest=*/-0x1.8432a1b0e2634p-43,
    /*ln2=*/0x1.62e42fefa39efp-1,
    /*ln2Low=*/0x1.abc9e3b39803fp-56,
    /*log2e=*/0x1.71547652b82fep0,
    /*log2eLow=*/0x1.777d0ffda0d24p-56,
    /*minExp=*/-746.0,
    /*maxExp=*/710.0,
    /*minExp2=*/-1076.0,
    /*maxExp2=*/1025.0,
    /*maxTanh=*/20.0,
    /*exp=*/exp64,
    /*log=*/log64};

/// The numbers of `type` or of its elements; null if there are none.
static const FloatNumbers *getNumbers(Type type) {
  const Type element = getElementTypeOrSelf(type);
  return element.isF32() ? &numbers32 : element.isF64() ? &numbers64 : nullptr;
}

namespace {
/// Builds elementwise ops of one floating-point type, scalar or shaped, and of the integers of its width.
class Expansion {
public:
  Expansion(OpBuilder &builder, Location loc, Type type, const FloatNumbers &numbers)
      : builder(builder), loc(loc), type(type), numbers(numbers) {
    const Type element = builder.getIntegerType(getElementTypeOrSelf(type).getIntOrFloatBitWidth());
    auto shaped = dyn_cast<ShapedType>(type);
    intType = shaped ? shaped.clone(element) : element;
  }

  Value exp(Value x);
  Value exp2(Value x);
  Value tanh(Value x);
  Value log(Value x) { return logOf(x, /*isBase2=*/false); }
  Value log2(Value x) { return logOf(x, /*isBase2=*/true); }
  Value log1p(Value x);
  Value rsqrt(Value x) { return div(number(1.0), sqrt(x)); }

private:
  // Ops.
  Value splat(TypedAttr value, Type type) {
    if (auto shaped = dyn_cast<ShapedType>(type)) {
      value = SplatElementsAttr::get(shaped, Attribute(value));
    }
    return arith::ConstantOp::create(builder, loc, value);
  }
  Value number(double value) { return splat(builder.getFloatAttr(getElementTypeOrSelf(type), value), type); }
  Value integer(int64_t value) { return splat(builder.getIntegerAttr(getElementTypeOrSelf(intType), value), intType); }
  Value add(Value a, Value b) { return arith::AddFOp::create(builder, loc, a, b); }
  Value sub(Value a, Value b) { return arith::SubFOp::create(builder, loc, a, b); }
  Value mul(Value a, Value b) { return arith::MulFOp::create(builder, loc, a, b); }
  Value div(Value a, Value b) { return arith::DivFOp::create(builder, loc, a, b); }
  Value neg(Value a) { return arith::NegFOp::create(builder, loc, a); }
  Value fma(Value a, Value b, Value c) { return math::FmaOp::create(builder, loc, a, b, c); }
  Value sqrt(Value a) { return math::SqrtOp::create(builder, loc, a); }
  Value addi(Value a, Value b) { return arith::AddIOp::create(builder, loc, a, b); }
  Value subi(Value a, Value b) { return arith::SubIOp::create(builder, loc, a, b); }
  Value andi(Value a, Value b) { return arith::AndIOp::create(builder, loc, a, b); }
  Value bits(Value a) { return arith::BitcastOp::create(builder, loc, intType, a); }
  Value fromBits(Value a) { return arith::BitcastOp::create(builder, loc, type, a); }
  Value compare(arith::CmpFPredicate predicate, Value a, Value b) {
    return arith::CmpFOp::create(builder, loc, predicate, a, b);
  }
  Value select(Value condition, Value a, Value b) { return arith::SelectOp::create(builder, loc, condition, a, b); }
  /// These let a NaN through, as the instruction of x86 does.
  Value atMost(Value x, double bound) {
    const Value limit = number(bound);
    return select(compare(arith::CmpFPredicate::OGT, x, limit), limit, x);
  }
  Value atLeast(Value x, double bound) {
    const Value limit = number(bound);
    return select(compare(arith::CmpFPredicate::OLT, x, limit), limit, x);
  }
  Value horner(ArrayRef<double> coefficients, Value x) {
    Value sum = number(coefficients.back());
    for (double coefficient : llvm::reverse(coefficients.drop_back())) {
      sum = fma(sum, x, number(coefficient));
    }
    return sum;
  }

  // Exponentials.
  /// A number rounded to an integer, `whole`, and that integer in the low bits of `shifted`.
  struct Rounded {
    Value shifted, whole;
  };
  Rounded roundProduct(Value x, double factor);
  Value powerOfTwo(const Rounded &exponent);
  Value expReduced(Value r, const Rounded &half);

  // Logarithms.
  /// x = m 2^k with m in [sqrt(1/2), sqrt 2): k, m, and the exponent bits of 2^k.
  struct Split {
    Value k, m, exponentBits;
  };
  Split split(Value x, Value exponentBias);
  Value log1pTail(Value f);
  Value logOf(Value x, bool isBase2);
  Value withSpecialCases(Value result, Value x);

  OpBuilder &builder;
  Location loc;
  Type type, intType;
  const FloatNumbers &numbers;
};
} // namespace

//===----------------------------------------------------------------------===//
// Exponentials
//===----------------------------------------------------------------------===//

/// Adding 1.5 2^mantissaBits rounds to an integer (to even) and leaves it in the low bits.
Expansion::Rounded Expansion::roundProduct(Value x, double factor) {
  const Value magic = number(1.5 * static_cast<double>(int64_t(1) << numbers.mantissaBits));
  const Value shifted = fma(x, number(factor), magic);
  return {shifted, sub(shifted, magic)};
}

Value Expansion::powerOfTwo(const Rounded &exponent) {
  const Value up = arith::ShLIOp::create(builder, loc, bits(exponent.shifted), integer(numbers.mantissaBits));
  return fromBits(addi(up, integer(numbers.bias << numbers.mantissaBits)));
}

/// e^r 2^(2 half). The power comes as two factors so that it may be beyond the range of exponents; only the last
/// product rounds, to a denormal number if need be.
Value Expansion::expReduced(Value r, const Rounded &half) {
  const Value one = number(1.0);
  const Value p = fma(fma(horner(numbers.exp, r), r, one), r, one);
  const Value power = powerOfTwo(half);
  return mul(mul(p, power), power);
}

/// x = 2 n ln 2 + r.
Value Expansion::exp(Value x) {
  x = atLeast(atMost(x, numbers.maxExp), numbers.minExp);
  const Rounded half = roundProduct(x, numbers.log2e / 2);
  Value r = fma(half.whole, number(-2 * numbers.ln2Short), x);
  r = fma(half.whole, number(-2 * numbers.ln2Rest), r);
  return expReduced(r, half);
}

/// x = 2 n + r.
Value Expansion::exp2(Value x) {
  x = atLeast(atMost(x, numbers.maxExp2), numbers.minExp2);
  const Rounded half = roundProduct(x, 0.5);
  const Value r = fma(half.whole, number(-2.0), x);
  return expReduced(mul(r, number(numbers.ln2)), half);
}

/// tanh |x| = e / (e + 2), e = e^(2 |x|) - 1 = 2^n (e^r - 1) + (2^n - 1).
Value Expansion::tanh(Value x) {
  const Value limited = atMost(math::AbsFOp::create(builder, loc, x), numbers.maxTanh);
  const Value twice = add(limited, limited);
  const Rounded n = roundProduct(twice, numbers.log2e);
  Value r = fma(n.whole, number(-numbers.ln2Short), twice);
  r = fma(n.whole, number(-numbers.ln2Rest), r);
  const Value p = fma(mul(r, r), horner(numbers.exp, r), r);
  const Value power = powerOfTwo(n);
  const Value e = fma(power, p, sub(power, number(1.0)));
  const Value quotient = div(e, add(e, number(2.0)));
  // The rounding of e + 2 costs one ulp where e is small. What is left of e there, divided by e + 2 = 2 / (1 -
  // quotient). A second factor 1 - quotient fades this out where e is large, and the rest is only rounding.
  const Value rest = fma(neg(quotient), e, fma(quotient, number(-2.0), e));
  const double sqrtHalf = 0x1.6a09e667f3bcdp-1;
  const Value fade = fma(quotient, number(-sqrtHalf), number(sqrtHalf));
  return math::CopySignOp::create(builder, loc, fma(rest, mul(fade, fade), quotient), x);
}

//===----------------------------------------------------------------------===//
// Logarithms
//===----------------------------------------------------------------------===//

/// For x > 0, normal. `exponentBias` is 2^mantissaBits + bias, plus what is to be subtracted from k.
Expansion::Split Expansion::split(Value x, Value exponentBias) {
  const unsigned mantissaBits = numbers.mantissaBits;
  const int64_t one = int64_t(1) << mantissaBits;
  const Value moved = addi(bits(x), integer(numbers.bias * one - numbers.sqrtHalfBits));
  const Value exponent = arith::ShRUIOp::create(builder, loc, moved, integer(mantissaBits));
  // An integer below 2^mantissaBits becomes a number by putting it into the mantissa of 2^mantissaBits.
  const Value shifted = fromBits(addi(exponent, integer((numbers.bias + mantissaBits) * one)));
  const Value m = fromBits(addi(andi(moved, integer(one - 1)), integer(numbers.sqrtHalfBits)));
  return {sub(shifted, exponentBias), m, andi(moved, integer((2 * numbers.bias + 1) * one))};
}

/// log(1 + f) - f = s (f^2 / 2 + R(s^2)) - f^2 / 2, s = f / (2 + f).
Value Expansion::log1pTail(Value f) {
  const Value s = div(f, add(f, number(2.0)));
  const Value z = mul(s, s);
  const Value r = mul(z, horner(numbers.log, z));
  const Value halfSquare = mul(mul(f, number(0.5)), f);
  return fma(s, add(halfSquare, r), neg(halfSquare));
}

/// `result` is right for finite x > 0.
Value Expansion::withSpecialCases(Value result, Value x) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Value zero = number(0.0), inf = number(infinity);
  const Value notPositive = select(compare(arith::CmpFPredicate::OEQ, x, zero), number(-infinity),
                                   number(std::numeric_limits<double>::quiet_NaN()));
  result = select(compare(arith::CmpFPredicate::OGT, x, zero), result, notPositive);
  return select(compare(arith::CmpFPredicate::OEQ, x, inf), inf, result);
}

Value Expansion::logOf(Value x, bool isBase2) {
  const int64_t up = numbers.mantissaBits + 1;
  const double bias = static_cast<double>((int64_t(1) << numbers.mantissaBits) + numbers.bias);
  const Value isDenormal = compare(arith::CmpFPredicate::OLT, x, number(numbers.minNormal));
  const Value normal = select(isDenormal, mul(x, number(static_cast<double>(int64_t(1) << up))), x);
  const Split parts = split(normal, select(isDenormal, number(bias + static_cast<double>(up)), number(bias)));
  const Value f = sub(parts.m, number(1.0));
  const Value tail = log1pTail(f);
  Value result;
  if (isBase2) {
    const Value y = add(f, tail);
    result = fma(y, number(numbers.log2e), fma(y, number(numbers.log2eLow), parts.k));
  } else {
    result = fma(parts.k, number(numbers.ln2), add(f, fma(parts.k, number(numbers.ln2Low), tail)));
  }
  return withSpecialCases(result, x);
}

/// 1 + x = u + c without error; the rounded u is split, and c is put back at its scale.
Value Expansion::log1p(Value x) {
  const int64_t one = int64_t(1) << numbers.mantissaBits;
  const Value u = add(x, number(1.0)), back = sub(u, number(1.0));
  const Value c = add(sub(number(1.0), sub(u, back)), sub(x, back));
  const Split parts = split(u, number(static_cast<double>(one + numbers.bias)));
  // Twice 2^-k, since 2^-k itself may be too small.
  const Value scale = fromBits(subi(integer((2 * numbers.bias + 1) * one), parts.exponentBits));
  const Value f = mul(fma(c, scale, fma(parts.m, number(2.0), number(-2.0))), number(0.5));
  const Value tail = log1pTail(f);
  const Value result = fma(parts.k, number(numbers.ln2), add(f, fma(parts.k, number(numbers.ln2Low), tail)));
  return withSpecialCases(result, u);
}

//===----------------------------------------------------------------------===//
// Patterns and pass
//===----------------------------------------------------------------------===//

namespace {
template <typename Op, Value (Expansion::*expand)(Value)> struct ExpandPattern : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    const FloatNumbers *numbers = getNumbers(op.getType());
    if (!numbers) {
      return rewriter.notifyMatchFailure(op, "expected f32 or f64");
    }
    Expansion expansion(rewriter, op.getLoc(), op.getType(), *numbers);
    rewriter.replaceOp(op, (expansion.*expand)(op.getOperand()));
    return success();
  }
};

/// Whether an approximation by the machine's instruction is asked for.
template <typename Op> bool isApproximate(Op op) {
  return getElementTypeOrSelf(op.getType()).isF32() && bitEnumContainsAny(op.getFastmath(), arith::FastMathFlags::afn);
}

/// All but those that are left to the machine.
struct ExactExp2 : ExpandPattern<math::Exp2Op, &Expansion::exp2> {
  using ExpandPattern::ExpandPattern;
  LogicalResult matchAndRewrite(math::Exp2Op op, PatternRewriter &rewriter) const override {
    return isApproximate(op) ? failure() : ExpandPattern::matchAndRewrite(op, rewriter);
  }
};

/// e^x = 2^(x log2 e): the product's rounding costs |x| 2^-24, relative.
struct ApproximateExp : OpRewritePattern<math::ExpOp> {
  ApproximateExp(MLIRContext *context) : OpRewritePattern(context, /*benefit=*/2) {}
  LogicalResult matchAndRewrite(math::ExpOp op, PatternRewriter &rewriter) const override {
    if (!isApproximate(op)) {
      return failure();
    }
    auto number = [&](Type type, double value) -> Value {
      Attribute factor = rewriter.getF32FloatAttr(static_cast<float>(value));
      if (auto shaped = dyn_cast<ShapedType>(type)) {
        factor = DenseElementsAttr::get(shaped, factor);
      }
      return arith::ConstantOp::create(rewriter, op.getLoc(), cast<TypedAttr>(factor));
    };
    // What is broadcast is multiplied before it is: with the rest of a difference that is one instruction. Its own
    // rounding does not matter where the power of a difference meets that of the opposite one.
    auto scaleFew = [&](Value x, double factor) -> Value {
      auto broadcast = x.getDefiningOp<tile::BroadcastOp>();
      if (!broadcast) {
        return {};
      }
      Value few = broadcast.getX();
      Value scaled = arith::MulFOp::create(rewriter, op.getLoc(), few, number(few.getType(), factor));
      IRMapping mapping;
      mapping.map(few, scaled);
      return rewriter.clone(*broadcast, mapping)->getResult(0);
    };
    const double log2e = numbers32.log2e;
    Value power;
    if (auto difference = op.getOperand().getDefiningOp<arith::SubFOp>()) {
      Value x = difference.getLhs(), y = difference.getRhs();
      if (Value rest = scaleFew(y, -log2e)) {
        power = math::FmaOp::create(rewriter, op.getLoc(), x, number(op.getType(), log2e), rest);
      } else if (Value rest = scaleFew(x, log2e)) {
        power = math::FmaOp::create(rewriter, op.getLoc(), y, number(op.getType(), -log2e), rest);
      }
    }
    if (!power) {
      power = arith::MulFOp::create(rewriter, op.getLoc(), op.getOperand(), number(op.getType(), log2e));
    }
    rewriter.replaceOpWithNewOp<math::Exp2Op>(op, power, op.getFastmath());
    return success();
  }
};

struct ExpandMathPass : rwkv::impl::TileExpandMathPassBase<ExpandMathPass> {
  using TileExpandMathPassBase::TileExpandMathPassBase;
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    populateExpandMathPatterns(set, nativeExp2);
    patterns = std::move(set);
    return success();
  }
  void runOnOperation() override {
    bool failed = false;
    getOperation()->walk([&](tile::KernelOp kernel) {
      walkAndApplyPatterns(kernel, patterns);
      kernel.walk([&](Operation *op) {
        // What machines do themselves; anything else would be a call of a library that kernels are not linked with.
        bool isNative = isa<math::AbsFOp, math::SqrtOp, math::FmaOp, math::FloorOp, math::CeilOp, math::TruncOp,
                            math::RoundEvenOp, math::CopySignOp>(op);
        if (auto exp2 = dyn_cast<math::Exp2Op>(op)) {
          isNative = nativeExp2 && isApproximate(exp2);
        }
        if ((isa<math::MathDialect>(op->getDialect()) && !isNative) || isa<arith::RemFOp>(op)) {
          op->emitOpError("has no expansion for ") << getElementTypeOrSelf(op->getResult(0).getType())
                                                   << ": a kernel has exp, exp2, log, log2, log1p, tanh, sqrt, rsqrt, "
                                                      "absf, fma, floor, ceil, trunc, roundeven "
                                                      "and copysign";
          failed = true;
        }
      });
      return WalkResult::skip();
    });
    if (failed) {
      signalPassFailure();
    }
  }
  FrozenRewritePatternSet patterns;
};
} // namespace

void rwkv::populateExpandMathPatterns(RewritePatternSet &patterns, bool nativeExp2) {
  if (nativeExp2) {
    patterns.add<ApproximateExp, ExactExp2>(patterns.getContext());
  } else {
    patterns.add<ExpandPattern<math::Exp2Op, &Expansion::exp2>>(patterns.getContext());
  }
  patterns.add<ExpandPattern<math::ExpOp, &Expansion::exp>, ExpandPattern<math::LogOp, &Expansion::log>,
               ExpandPattern<math::Log2Op, &Expansion::log2>, ExpandPattern<math::Log1pOp, &Expansion::log1p>,
               ExpandPattern<math::TanhOp, &Expansion::tanh>, ExpandPattern<math::RsqrtOp, &Expansion::rsqrt>>(
      patterns.getContext());
}
