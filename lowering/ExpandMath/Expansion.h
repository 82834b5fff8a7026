// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How one math function becomes arithmetic. Private to this folder.
#ifndef RWKV_LOWERING_EXPANDMATH_EXPANSION_H
#define RWKV_LOWERING_EXPANDMATH_EXPANSION_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

namespace rwkv {

/// The numbers of one floating-point type.
struct FloatNumbers {
  unsigned mantissaBits;
  int64_t bias;
  int64_t sqrtHalfBits; // sqrt(1/2), as an integer
  double minNormal;
  /// ln 2 = ln2Short + ln2Rest, and a product of ln2Short with an exponent is exact.
  double ln2Short, ln2Rest;
  /// ln 2 = ln2 + ln2Low, each rounded to nearest; so too for log2(e), log10(e), log10(2) and 2 / 3.
  double ln2, ln2Low, log2e, log2eLow, log10e, log10eLow, log10Two, log10TwoLow, twoThirds, twoThirdsLow;
  /// Outside of these exp and exp2 are 0 or infinity, and tanh is 1.
  double minExp, maxExp, minExp2, maxExp2, maxTanh;
  /// From here on erfc is 0; powers with larger exponents are 0 or infinity, but for powers of 1.
  double maxErfc, maxPower;
  /// pi / 2 = halfPi + halfPiLow + halfPiRest. For angles up to maxAngle a multiple of halfPi is subtracted exactly.
  double halfPi, halfPiLow, halfPiRest, maxAngle;
  /// What the bits of a number, divided by 3, lack to be those of its cube root, to 5 %.
  int64_t cbrtBits;
  /// e^r = 1 + r + r^2 (c0 + c1 r + ..) for |r| <= ln 2.
  llvm::ArrayRef<double> exp;
  /// log((1 + s) / (1 - s)) = 2 s + s z (c0 + c1 z + ..), z = s^2 <= (3 - 2 sqrt 2)^2.
  llvm::ArrayRef<double> log;
  /// The same with 2 / 3 z + z^2 (c0 + c1 z + ..), for sums of more than one number.
  llvm::ArrayRef<double> logLong;
  /// sin r = r + r z (c0 + c1 z + ..), cos r = 1 - z / 2 + z^2 (c0 + c1 z + ..), z = r^2, |r| <= pi / 4.
  llvm::ArrayRef<double> sin, cos;
  /// atan s = s + s z (c0 + c1 z + ..), z = s^2, |s| <= tan(pi / 8); so too for asin, |s| <= 1/2.
  llvm::ArrayRef<double> atan, asin;
  /// erf x = x + x (c0 + c1 z + ..), z = x^2 <= 1.
  llvm::ArrayRef<double> erf;
  /// e^(x^2) erfc(x) (x + erfcShift) = erfcLow + c0 + c1 t + .., t = (x - erfcShift) / (x + erfcShift), x >= 0.
  llvm::ArrayRef<double> erfc;
  double erfcShift, erfcLow;
};

/// Those of `type` or of its elements; null if there are none.
const FloatNumbers *getFloatNumbers(mlir::Type type);

/// Builds elementwise ops of one floating-point type, scalar or shaped, and of the integers of its width.
class Expansion {
public:
  using Value = mlir::Value;

  Expansion(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type type, const FloatNumbers &numbers);

  Value exp(Value x);
  Value exp2(Value x);
  Value expm1(Value x) { return twice(halfExpm1(x)); }
  Value sinh(Value x);
  Value cosh(Value x);
  Value tanh(Value x);

  Value log(Value x);
  Value log2(Value x);
  Value log10(Value x);
  Value log1p(Value x);
  Value asinh(Value x);
  Value acosh(Value x);
  Value atanh(Value x);

  Value sin(Value x);
  Value cos(Value x);
  Value tan(Value x);
  Value asin(Value x);
  Value acos(Value x);
  Value atan(Value x);
  Value atan2(Value y, Value x);

  Value erf(Value x);
  Value erfc(Value x);
  Value cbrt(Value x);
  Value pow(Value x, Value y);
  /// `n` are integers.
  Value powInteger(Value x, Value n);
  Value rsqrt(Value x) { return div(number(1.0), sqrt(x)); }
  /// Halves go away from zero.
  Value round(Value x);
  Value clamp(Value x, Value low, Value high);

  Value isNaN(Value x) { return compare(Predicate::UNO, x, x); }
  Value isInf(Value x);
  Value isFinite(Value x);
  Value isNormal(Value x);

private:
  using Predicate = mlir::arith::CmpFPredicate;

  // Ops.
  Value splat(mlir::TypedAttr value, mlir::Type type);
  Value number(double value);
  Value integer(int64_t value);
  Value add(Value a, Value b) { return mlir::arith::AddFOp::create(builder, loc, a, b); }
  Value sub(Value a, Value b) { return mlir::arith::SubFOp::create(builder, loc, a, b); }
  Value mul(Value a, Value b) { return mlir::arith::MulFOp::create(builder, loc, a, b); }
  Value div(Value a, Value b) { return mlir::arith::DivFOp::create(builder, loc, a, b); }
  Value neg(Value a) { return mlir::arith::NegFOp::create(builder, loc, a); }
  Value twice(Value a) { return add(a, a); }
  Value abs(Value a) { return mlir::math::AbsFOp::create(builder, loc, a); }
  Value copySign(Value size, Value sign) { return mlir::math::CopySignOp::create(builder, loc, size, sign); }
  Value truncate(Value a) { return mlir::math::TruncOp::create(builder, loc, a); }
  Value fma(Value a, Value b, Value c) { return mlir::math::FmaOp::create(builder, loc, a, b, c); }
  Value sqrt(Value a) { return mlir::math::SqrtOp::create(builder, loc, a); }
  Value addi(Value a, Value b) { return mlir::arith::AddIOp::create(builder, loc, a, b); }
  Value subi(Value a, Value b) { return mlir::arith::SubIOp::create(builder, loc, a, b); }
  Value andi(Value a, Value b) { return mlir::arith::AndIOp::create(builder, loc, a, b); }
  Value xori(Value a, Value b) { return mlir::arith::XOrIOp::create(builder, loc, a, b); }
  Value shiftUp(Value a, int64_t by) { return mlir::arith::ShLIOp::create(builder, loc, a, integer(by)); }
  Value bits(Value a) { return mlir::arith::BitcastOp::create(builder, loc, intType, a); }
  Value fromBits(Value a) { return mlir::arith::BitcastOp::create(builder, loc, type, a); }
  Value compare(Predicate predicate, Value a, Value b) {
    return mlir::arith::CmpFOp::create(builder, loc, predicate, a, b);
  }
  Value isLess(Value a, double b) { return compare(Predicate::OLT, a, number(b)); }
  Value isMore(Value a, double b) { return compare(Predicate::OGT, a, number(b)); }
  Value isEqual(Value a, double b) { return compare(Predicate::OEQ, a, number(b)); }
  /// Whether the sign is set, of zeros and NaN, too.
  Value isSigned(Value a) {
    return mlir::arith::CmpIOp::create(builder, loc, mlir::arith::CmpIPredicate::slt, bits(a), integer(0));
  }
  Value select(Value condition, Value a, Value b) {
    return mlir::arith::SelectOp::create(builder, loc, condition, a, b);
  }
  /// These let a NaN through, as the instruction of x86 does.
  Value atMost(Value x, double bound);
  Value atLeast(Value x, double bound);
  Value horner(llvm::ArrayRef<double> coefficients, Value x);

  // Exponentials.
  /// A number rounded to an integer, `whole`, and that integer in the low bits of `shifted`.
  struct Rounded {
    Value shifted, whole;
  };
  Rounded roundProduct(Value x, double factor);
  /// 2^(exponent + offset).
  Value powerOfTwo(const Rounded &exponent, int64_t offset = 0);
  Value expReduced(Value r, const Rounded &half, int64_t offset = 0);
  Value expTimesPower(Value x, int64_t offset);
  Value halfExpm1(Value x);

  // Logarithms.
  /// x = m 2^k with m in [sqrt(1/2), sqrt 2): k, m, and the exponent bits of 2^k.
  struct Split {
    Value k, m, exponentBits;
  };
  Split split(Value x, Value exponentBias);
  Split splitAny(Value x);
  Value log1pTail(Value f);
  Value withSpecialCases(Value result, Value x);
  /// A sum of two numbers, of which the second one has not more than the rounding of the first.
  struct Pair {
    Value high, low;
  };
  Pair log2Pair(Value x);

  // Angles.
  /// x = quadrant pi / 2 + angle + low; the quadrant is in the low bits of an integer.
  struct Reduced {
    Value quadrant, angle, low;
  };
  Reduced reduceAngle(Value x);
  Value sinReduced(const Reduced &x, Value square);
  Value cosReduced(const Reduced &x, Value square);
  Value isOdd(Value quadrant);
  Value sinOrCos(Value x, int64_t ahead);
  Value inRange(Value result, Value x);
  Value atanPositive(Value x);
  /// Of |x|: asin x, or asin sqrt((1 - x) / 2) where `isLarge`, from which asin and acos follow.
  struct Arc {
    Value asin, isLarge;
  };
  Arc arc(Value size);

  Value erfcPositive(Value a);
  Value erfSmall(Value x) { return fma(x, horner(numbers.erf, mul(x, x)), x); }

  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Type type, intType;
  const FloatNumbers &numbers;
};

} // namespace rwkv

#endif // RWKV_LOWERING_EXPANDMATH_EXPANSION_H
