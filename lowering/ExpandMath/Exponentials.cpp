// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/ExpandMath/Expansion.h"

using namespace mlir;
using namespace rwkv;

/// Adding 1.5 2^mantissaBits rounds to an integer (to even) and leaves it in the low bits.
Expansion::Rounded Expansion::roundProduct(Value x, double factor) {
  const Value magic = number(1.5 * static_cast<double>(int64_t(1) << numbers.mantissaBits));
  const Value shifted = fma(x, number(factor), magic);
  return {shifted, sub(shifted, magic)};
}

Value Expansion::powerOfTwo(const Rounded &exponent, int64_t offset) {
  const Value up = shiftUp(bits(exponent.shifted), numbers.mantissaBits);
  return fromBits(addi(up, integer((numbers.bias + offset) << numbers.mantissaBits)));
}

/// e^r 2^(2 half + offset). The power comes as two factors so that it may be beyond the range of exponents; only the
/// last product rounds, to a denormal number if need be.
Value Expansion::expReduced(Value r, const Rounded &half, int64_t offset) {
  const Value one = number(1.0);
  const Value p = fma(fma(horner(numbers.exp, r), r, one), r, one);
  const Value power = powerOfTwo(half);
  return mul(mul(p, power), offset == 0 ? power : powerOfTwo(half, offset));
}

/// e^x 2^offset, x = 2 n ln 2 + r.
Value Expansion::expTimesPower(Value x, int64_t offset) {
  x = atLeast(atMost(x, numbers.maxExp - static_cast<double>(offset)), numbers.minExp);
  const Rounded half = roundProduct(x, numbers.log2e / 2);
  Value r = fma(half.whole, number(-2 * numbers.ln2Short), x);
  r = fma(half.whole, number(-2 * numbers.ln2Rest), r);
  return expReduced(r, half, offset);
}

Value Expansion::exp(Value x) { return expTimesPower(x, /*offset=*/0); }

/// x = 2 n + r.
Value Expansion::exp2(Value x) {
  x = atLeast(atMost(x, numbers.maxExp2), numbers.minExp2);
  const Rounded half = roundProduct(x, 0.5);
  const Value r = fma(half.whole, number(-2.0), x);
  return expReduced(mul(r, number(numbers.ln2)), half);
}

/// (e^x - 1) / 2 = 2^(n - 1) (e^r - 1) + (2^(n - 1) - 1/2): within range where e^x is.
Value Expansion::halfExpm1(Value x) {
  constexpr double kForgotten = -40; // e^x is less than any rounding of 1
  x = atLeast(atMost(x, numbers.maxExp), kForgotten);
  const Rounded n = roundProduct(x, numbers.log2e);
  Value r = fma(n.whole, number(-numbers.ln2Short), x);
  r = fma(n.whole, number(-numbers.ln2Rest), r);
  const Value p = fma(mul(r, r), horner(numbers.exp, r), r);
  const Value power = powerOfTwo(n, /*offset=*/-1);
  return fma(power, p, sub(power, number(0.5)));
}

/// (e - 1 + (e - 1) / e) / 2, e = e^|x|; where the second term is nothing, e may be too large.
Value Expansion::sinh(Value x) {
  constexpr double kLarge = 20;
  const Value size = abs(x), half = halfExpm1(atMost(size, kLarge));
  const Value small = add(half, div(half, add(twice(half), number(1.0))));
  const Value large = expTimesPower(size, /*offset=*/-1);
  return copySign(select(isMore(size, kLarge), large, small), x);
}

/// h + 1 / (4 h), h = e^|x| / 2.
Value Expansion::cosh(Value x) {
  const Value half = expTimesPower(abs(x), /*offset=*/-1);
  return add(half, div(number(0.25), half));
}

/// tanh |x| = e / (e + 2), e = e^(2 |x|) - 1 = 2^n (e^r - 1) + (2^n - 1).
Value Expansion::tanh(Value x) {
  const Value limited = atMost(abs(x), numbers.maxTanh);
  const Value doubled = twice(limited);
  const Rounded n = roundProduct(doubled, numbers.log2e);
  Value r = fma(n.whole, number(-numbers.ln2Short), doubled);
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
  return copySign(fma(rest, mul(fade, fade), quotient), x);
}
