// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/ExpandMath/Expansion.h"

#include <limits>

using namespace mlir;
using namespace rwkv;

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

/// For x > 0.
Expansion::Split Expansion::splitAny(Value x) {
  const int64_t up = numbers.mantissaBits + 1;
  const double bias = static_cast<double>((int64_t(1) << numbers.mantissaBits) + numbers.bias);
  const Value isDenormal = isLess(x, numbers.minNormal);
  const Value normal = select(isDenormal, mul(x, number(static_cast<double>(int64_t(1) << up))), x);
  return split(normal, select(isDenormal, number(bias + static_cast<double>(up)), number(bias)));
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
  const Value notPositive =
      select(isEqual(x, 0.0), number(-infinity), number(std::numeric_limits<double>::quiet_NaN()));
  result = select(isMore(x, 0.0), result, notPositive);
  return select(isEqual(x, infinity), number(infinity), result);
}

Value Expansion::log(Value x) {
  const Split parts = splitAny(x);
  const Value f = sub(parts.m, number(1.0));
  const Value tail = fma(parts.k, number(numbers.ln2Low), log1pTail(f));
  return withSpecialCases(fma(parts.k, number(numbers.ln2), add(f, tail)), x);
}

Value Expansion::log2(Value x) {
  const Split parts = splitAny(x);
  const Value f = sub(parts.m, number(1.0)), y = add(f, log1pTail(f));
  return withSpecialCases(fma(y, number(numbers.log2e), fma(y, number(numbers.log2eLow), parts.k)), x);
}

Value Expansion::log10(Value x) {
  const Split parts = splitAny(x);
  const Value f = sub(parts.m, number(1.0)), y = add(f, log1pTail(f));
  const Value low = fma(parts.k, number(numbers.log10TwoLow), mul(y, number(numbers.log10eLow)));
  return withSpecialCases(fma(parts.k, number(numbers.log10Two), fma(y, number(numbers.log10e), low)), x);
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

// ---- inverse hyperbolic functions

/// From here on 1 + x^2 is x^2.
static constexpr double kSquareIsLarge = 0x1.0p60;

/// log(a + sqrt(a^2 + 1)) = log1p(a + a / (1 / a + sqrt(1 + 1 / a^2))), and log(2 a) for large a = |x|.
Value Expansion::asinh(Value x) {
  const Value a = abs(x), inverse = div(number(1.0), a), isLarge = isMore(a, kSquareIsLarge);
  const Value root = sqrt(fma(inverse, inverse, number(1.0)));
  const Value sum = add(a, div(a, add(inverse, root)));
  const Value result = add(log1p(select(isLarge, a, sum)), select(isLarge, number(numbers.ln2), number(0.0)));
  return copySign(result, x);
}

/// log(x + sqrt(x^2 - 1)) = log1p(t + sqrt(2 t + t^2)), t = x - 1, and log(2 x) for large x.
Value Expansion::acosh(Value x) {
  const Value t = sub(x, number(1.0)), isLarge = isMore(x, kSquareIsLarge);
  const Value sum = add(t, sqrt(fma(t, t, twice(t))));
  const Value result = add(log1p(select(isLarge, x, sum)), select(isLarge, number(numbers.ln2), number(0.0)));
  return select(isLess(x, 1.0), number(std::numeric_limits<double>::quiet_NaN()), result);
}

/// log((1 + a) / (1 - a)) / 2 = log1p(2 a / (1 - a)) / 2, a = |x|.
Value Expansion::atanh(Value x) {
  const Value a = abs(x);
  return copySign(mul(number(0.5), log1p(div(twice(a), sub(number(1.0), a)))), x);
}
