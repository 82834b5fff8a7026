// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Powers, roots and the error function; what is known without arithmetic.
#include "lowering/ExpandMath/Expansion.h"

#include <limits>

using namespace mlir;
using namespace rwkv;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

// ---- the error function

/// e^-a^2 times a polynomial; the rounding of a^2 is made up for.
Value Expansion::erfcPositive(Value a) {
  a = atMost(a, numbers.maxErfc);
  const Value inverse = div(number(1.0), add(a, number(numbers.erfcShift)));
  Value t = fma(inverse, number(-2 * numbers.erfcShift), number(1.0));
  // What t (a + shift) lacks to be a - shift.
  const Value missing = fma(add(t, number(1.0)), number(-numbers.erfcShift), a);
  t = fma(inverse, fma(neg(t), a, missing), t);
  const Value tail = fma(horner(numbers.erfc.drop_front(), t), t, number(numbers.erfcLow));
  const Value scaled = mul(add(tail, number(numbers.erfc.front())), inverse);
  const Value square = mul(a, a), lost = fma(a, a, neg(square));
  const Value product = mul(exp(neg(square)), scaled);
  return fma(neg(lost), product, product);
}

Value Expansion::erf(Value x) {
  const Value size = abs(x), large = copySign(sub(number(1.0), erfcPositive(size)), x);
  return select(isMore(size, 1.0), large, erfSmall(x));
}

Value Expansion::erfc(Value x) {
  const Value size = abs(x), positive = erfcPositive(size);
  const Value large = select(isLess(x, 0.0), sub(number(2.0), positive), positive);
  return select(isMore(size, 0.5), large, sub(number(1.0), erfSmall(x)));
}

// ---- roots

/// From a guess, each step of Halley's y - y (y^3 - x) / (2 y^3 + x) has three times as many digits.
Value Expansion::cbrt(Value x) {
  // Numbers above 1 are made smaller, so that cubes do not overflow, others larger, so that they are normal.
  const int64_t upRoot = (numbers.mantissaBits + 3) / 3;
  auto power = [](int64_t exponent) {
    return exponent < 0 ? 1.0 / double(int64_t(1) << -exponent) : double(int64_t(1) << exponent);
  };
  constexpr int64_t kDownRoot = 8;
  const Value size = abs(x), isLarge = isMore(size, 1.0);
  const Value scaled = mul(size, select(isLarge, number(power(-3 * kDownRoot)), number(power(3 * upRoot))));
  const Value third = arith::DivUIOp::create(builder, loc, bits(scaled), integer(3));
  Value y = fromBits(addi(third, integer(numbers.cbrtBits)));
  const int steps = numbers.mantissaBits > 24 ? 3 : 2;
  for (int i = 0; i < steps; ++i) {
    const Value cube = mul(mul(y, y), y);
    y = fma(neg(y), div(sub(cube, scaled), add(twice(cube), scaled)), y);
  }
  const Value root = mul(y, select(isLarge, number(power(kDownRoot)), number(power(-upRoot))));
  const Value isPlain = arith::AndIOp::create(builder, loc, isMore(size, 0.0), isLess(size, kInfinity));
  return select(isPlain, copySign(root, x), x);
}

// ---- powers

/// log2 x for x > 0 with more than twice the digits that its use as an exponent costs. With s = f / (2 + f), z = s^2:
/// log(1 + f) = 2 s + s z (2/3 + z (..)). What is added to something is never a product, which might be fused with it.
Expansion::Pair Expansion::log2Pair(Value x) {
  const Split parts = splitAny(x);
  const Value f = sub(parts.m, number(1.0)), two = number(2.0), sum = add(f, two);
  const Value sumLow = sub(f, sub(sum, two));
  const Value s = div(f, sum);
  const Value sLow = div(fma(neg(s), sumLow, fma(neg(s), sum, f)), sum);
  const Value z = mul(s, s), zLow = fma(twice(s), sLow, fma(s, s, neg(z)));
  // 2/3 + z (..)
  const Value rest = fma(z, horner(numbers.logLong, z), number(numbers.twoThirdsLow));
  const Value p = add(number(numbers.twoThirds), rest), pLow = add(sub(number(numbers.twoThirds), p), rest);
  // times s z
  const Value cube = mul(s, z), cubeLow = fma(s, zLow, fma(sLow, z, fma(s, z, neg(cube))));
  const Value twiceS = twice(s), high = fma(cube, p, twiceS);
  Value low = fma(cube, p, sub(twiceS, high));
  low = add(low, fma(cube, pLow, fma(cubeLow, p, twice(sLow))));
  // k + log2(e) times that
  const Value log2e = number(numbers.log2e), total = fma(high, log2e, parts.k);
  const Value lost = fma(high, log2e, sub(parts.k, total));
  return {total, add(lost, fma(high, number(numbers.log2eLow), mul(low, log2e)))};
}

Value Expansion::pow(Value x, Value y) {
  const Value size = abs(x), zero = number(0.0), infinity = number(kInfinity);
  const Pair log = log2Pair(size);
  const Value limited = atLeast(atMost(y, numbers.maxPower), -numbers.maxPower);
  const Value exponent = mul(limited, log.high);
  const Value low = fma(limited, log.low, fma(limited, log.high, neg(exponent)));
  const Value bounded = atLeast(atMost(exponent, numbers.maxExp2), numbers.minExp2);
  const Rounded half = roundProduct(bounded, 0.5);
  const Value isBounded = compare(Predicate::OEQ, bounded, exponent);
  const Value r = add(fma(half.whole, number(-2.0), bounded), select(isBounded, low, zero));
  Value result = expReduced(mul(r, number(numbers.ln2)), half);

  const Value isNegative = isLess(y, 0.0);
  result = select(isEqual(size, 0.0), select(isNegative, infinity, zero), result);
  result = select(isEqual(size, kInfinity), select(isNegative, zero, infinity), result);
  // Negative numbers have whole powers only; odd ones keep the sign.
  const Value halfOfY = mul(y, number(0.5));
  const Value isWhole = compare(Predicate::OEQ, truncate(y), y);
  const Value isHalfWhole = compare(Predicate::OEQ, truncate(halfOfY), halfOfY);
  const Value nan = number(std::numeric_limits<double>::quiet_NaN());
  const Value isPlain = arith::AndIOp::create(builder, loc, isLess(x, 0.0), isMore(x, -kInfinity));
  result = select(isPlain, select(isWhole, result, nan), result);
  const Value odd = select(isWhole, select(isHalfWhole, result, copySign(result, x)), result);
  result = select(compare(Predicate::UNO, x, y), nan, odd);
  const Value isOne = arith::OrIOp::create(builder, loc, isEqual(y, 0.0), isEqual(x, 1.0));
  return select(isOne, number(1.0), result);
}

Value Expansion::powInteger(Value x, Value n) { return pow(x, arith::SIToFPOp::create(builder, loc, type, n)); }

// ---- exact

Value Expansion::round(Value x) {
  const Value whole = truncate(x), rest = abs(sub(x, whole));
  const Value isUp = compare(Predicate::OGE, rest, number(0.5));
  return add(whole, copySign(select(isUp, number(1.0), number(0.0)), x));
}

Value Expansion::clamp(Value x, Value low, Value high) {
  return arith::MinimumFOp::create(builder, loc, arith::MaximumFOp::create(builder, loc, x, low), high);
}

Value Expansion::isInf(Value x) { return isEqual(abs(x), kInfinity); }
Value Expansion::isFinite(Value x) { return isLess(abs(x), kInfinity); }

Value Expansion::isNormal(Value x) {
  const Value size = abs(x), isLarge = compare(Predicate::OGE, size, number(numbers.minNormal));
  return arith::AndIOp::create(builder, loc, isLarge, isLess(size, kInfinity));
}
