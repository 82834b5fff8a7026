// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Trigonometric functions and their inverses.
#include "lowering/ExpandMath/Expansion.h"

#include <limits>

using namespace mlir;
using namespace rwkv;

/// What is left of x after its multiple of pi / 2, in two numbers: near a multiple the first one has little of it.
Expansion::Reduced Expansion::reduceAngle(Value x) {
  const double twoOverPi = 0x1.45f306dc9c883p-1;
  const Rounded n = roundProduct(x, twoOverPi);
  const Value first = fma(n.whole, number(-numbers.halfPi), x);
  // The sum with 0 keeps the product from being fused with the difference, whose own rounding is then found out.
  const Value product = fma(n.whole, number(numbers.halfPiLow), number(0.0));
  const Value rest = fma(n.whole, number(numbers.halfPiLow), neg(product));
  const Value angle = sub(first, product), back = sub(angle, first);
  const Value lost = sub(sub(first, sub(angle, back)), add(product, back));
  return {bits(n.shifted), angle, sub(lost, fma(n.whole, number(numbers.halfPiRest), rest))};
}

Value Expansion::sinReduced(const Reduced &x, Value square) {
  return add(x.angle, fma(mul(x.angle, square), horner(numbers.sin, square), x.low));
}

/// 1 - z / 2 is rounded, and what that loses is added to the rest.
Value Expansion::cosReduced(const Reduced &x, Value square) {
  const Value one = number(1.0), half = mul(square, number(0.5)), first = sub(one, half);
  const Value lost = sub(sub(one, first), half);
  const Value rest = fma(mul(square, square), horner(numbers.cos, square), fma(neg(x.angle), x.low, lost));
  return add(first, rest);
}

Value Expansion::isOdd(Value quadrant) {
  const Value lowest = andi(quadrant, integer(1));
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, lowest, integer(0));
}

/// Of angles that are too large to be reduced, of infinity and NaN the result is NaN.
Value Expansion::inRange(Value result, Value x) {
  const Value isKnown = compare(Predicate::OLE, abs(x), number(numbers.maxAngle));
  return select(isKnown, result, number(std::numeric_limits<double>::quiet_NaN()));
}

/// The sine of x + ahead pi / 2.
Value Expansion::sinOrCos(Value x, int64_t ahead) {
  const Reduced reduced = reduceAngle(x);
  const Value square = mul(reduced.angle, reduced.angle);
  const Value quadrant = ahead ? addi(reduced.quadrant, integer(ahead)) : reduced.quadrant;
  const Value size = select(isOdd(quadrant), cosReduced(reduced, square), sinReduced(reduced, square));
  // The second bit of the quadrant is the sign.
  const int64_t signBit = static_cast<int64_t>(getElementTypeOrSelf(type).getIntOrFloatBitWidth()) - 1;
  const Value sign = shiftUp(andi(quadrant, integer(2)), signBit - 1);
  return inRange(fromBits(xori(bits(size), sign)), x);
}

Value Expansion::sin(Value x) { return sinOrCos(x, /*ahead=*/0); }
Value Expansion::cos(Value x) { return sinOrCos(x, /*ahead=*/1); }

Value Expansion::tan(Value x) {
  const Reduced reduced = reduceAngle(x);
  const Value square = mul(reduced.angle, reduced.angle);
  const Value sine = sinReduced(reduced, square), cosine = cosReduced(reduced, square);
  const Value odd = isOdd(reduced.quadrant);
  return inRange(div(select(odd, neg(cosine), sine), select(odd, sine, cosine)), x);
}

// ---- inverses

/// atan a = pi / 2 + atan(-1 / a) = pi / 4 + atan((a - 1) / (a + 1)).
Value Expansion::atanPositive(Value a) {
  const double tanSmall = 0x1.a827999fcef32p-2, tanLarge = 0x1.3504f333f9de6p+1; // of pi / 8 and 3 pi / 8
  const Value isLarge = isMore(a, tanLarge), isSmall = compare(Predicate::OLE, a, number(tanSmall));
  const Value one = number(1.0), zero = number(0.0);
  const Value upper = select(isLarge, number(-1.0), select(isSmall, a, sub(a, one)));
  const Value lower = select(isLarge, a, select(isSmall, one, add(a, one)));
  const Value s = div(upper, lower), z = mul(s, s);
  auto base = [&](double halfPi) { return select(isLarge, number(halfPi), select(isSmall, zero, number(halfPi / 2))); };
  const Value rest = fma(mul(s, z), horner(numbers.atan, z), base(numbers.halfPiLow));
  return add(base(numbers.halfPi), add(s, rest));
}

Value Expansion::atan(Value x) { return copySign(atanPositive(abs(x)), x); }

Value Expansion::atan2(Value y, Value x) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Value ySize = abs(y), xSize = abs(x);
  const Value areInfinite = arith::AndIOp::create(builder, loc, isEqual(ySize, infinity), isEqual(xSize, infinity));
  Value quotient = select(areInfinite, number(1.0), div(ySize, xSize));
  quotient = select(isEqual(ySize, 0.0), number(0.0), quotient);
  const Value angle = atanPositive(quotient);
  const Value behind = sub(number(2 * numbers.halfPi), sub(angle, number(2 * numbers.halfPiLow)));
  const Value result = copySign(select(isSigned(x), behind, angle), y);
  const Value isUnknown = compare(Predicate::UNO, x, y);
  return select(isUnknown, number(std::numeric_limits<double>::quiet_NaN()), result);
}

Expansion::Arc Expansion::arc(Value size) {
  const Value isLarge = isMore(size, 0.5);
  const Value halved = mul(sub(number(1.0), size), number(0.5));
  const Value z = select(isLarge, halved, mul(size, size));
  const Value s = select(isLarge, sqrt(halved), size);
  return {fma(mul(s, z), horner(numbers.asin, z), s), isLarge};
}

/// pi / 2 - 2 asin sqrt((1 - a) / 2) for large a = |x|.
Value Expansion::asin(Value x) {
  const Arc known = arc(abs(x));
  const Value rest = fma(known.asin, number(2.0), number(-numbers.halfPiLow));
  return copySign(select(known.isLarge, sub(number(numbers.halfPi), rest), known.asin), x);
}

/// pi / 2 - asin x, or twice asin sqrt((1 - a) / 2), from pi if x is negative.
Value Expansion::acos(Value x) {
  const Arc known = arc(abs(x));
  const Value halfPi = number(numbers.halfPi), low = number(numbers.halfPiLow);
  const Value small = sub(halfPi, sub(copySign(known.asin, x), low));
  const Value half = select(isLess(x, 0.0), sub(halfPi, sub(known.asin, low)), known.asin);
  return select(known.isLarge, twice(half), small);
}
