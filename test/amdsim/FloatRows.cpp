// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Vector instructions on numbers. Rounding is to nearest, and subnormal numbers are kept, but for the instructions that
// know none.
#include "Rows.h"

#include <cmath>
#include <limits>

using namespace amdsim;

namespace {

using u32 = uint32_t;
using i32 = int32_t;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// A number is preferred to NaN, +0 is above -0.
float maximum(float x, float y) { return x != x ? y : y != y ? x : x == y ? (std::signbit(x) ? y : x) : x > y ? x : y; }
float minimum(float x, float y) { return x != x ? y : y != y ? x : x == y ? (std::signbit(x) ? x : y) : x < y ? x : y; }
float median(float x, float y, float z) {
  if (x != x || y != y || z != z) {
    return minimum(minimum(x, y), z);
  }
  return maximum(minimum(x, y), minimum(maximum(x, y), z));
}

bool isSubnormal(double x) { return x != 0 && std::fabs(x) < std::numeric_limits<float>::min(); }
float flush(float x) { return isSubnormal(x) ? std::copysign(0.0f, x) : x; }
/// With its bias.
int exponentOf(float x) { return std::bit_cast<u32>(x) >> 23 & 0xff; }

/// Of a division, when its parts would not fit otherwise: `part` is the numerator or the denominator. The flag says
/// that the quotient is to be scaled.
Flagged<float> scaleForDivision(float part, float denominator, float numerator) {
  const bool isDenominator = part == denominator, isNumerator = part == numerator;
  const bool tinyInverse = isSubnormal(1.0 / double(denominator));
  const bool tinyQuotient = isSubnormal(double(numerator) / double(denominator));
  if (numerator == 0 || denominator == 0) {
    return {kNaN, false};
  }
  if (exponentOf(numerator) - exponentOf(denominator) >= 96) {
    return {isDenominator ? std::ldexp(part, 64) : part, true};
  }
  if (exponentOf(denominator) == 0) {
    return {std::ldexp(part, 64), false};
  }
  if (tinyInverse && tinyQuotient) {
    // AMD's documents have 64 here, which would make the denominator infinite and the quotient wrong.
    return {isDenominator ? std::ldexp(part, -64) : part, true};
  }
  if (tinyInverse) {
    return {std::ldexp(part, -64), false};
  }
  if (tinyQuotient) {
    return {isNumerator ? std::ldexp(part, 64) : part, true};
  }
  return {exponentOf(numerator) <= 23 ? std::ldexp(part, 64) : part, false};
}

/// The quotient if nothing is special.
float finishDivision(float quotient, float denominator, float numerator) {
  const float sign = std::signbit(denominator) != std::signbit(numerator) ? -1.0f : 1.0f;
  if (numerator != numerator || denominator != denominator) {
    return numerator != numerator ? numerator : denominator;
  }
  if ((numerator == 0 && denominator == 0) || (std::isinf(numerator) && std::isinf(denominator))) {
    return -kNaN;
  }
  if (denominator == 0 || std::isinf(numerator)) {
    return sign * kInfinity;
  }
  if (std::isinf(denominator) || numerator == 0 || exponentOf(numerator) - exponentOf(denominator) < -150) {
    return sign * 0.0f;
  }
  return std::copysign(quotient != quotient ? kInfinity : quotient, sign);
}

u32 classOf(float x) {
  const bool isNegative = std::signbit(x);
  const u32 bits = std::bit_cast<u32>(x);
  switch (std::fpclassify(x)) {
  case FP_NAN:
    return bits >> 22 & 1 ? 2 : 1; // quiet, signaling
  case FP_INFINITE:
    return isNegative ? 4 : 0x200;
  case FP_NORMAL:
    return isNegative ? 8 : 0x100;
  case FP_SUBNORMAL:
    return isNegative ? 0x10 : 0x80;
  default:
    return isNegative ? 0x20 : 0x40;
  }
}

u32 toUnsigned(float x) { return !(x > 0) ? 0 : x >= 4294967296.0f ? ~0u : u32(x); }
i32 toSigned(float x) { return x != x ? 0 : x >= 2147483648.0f ? INT32_MAX : x < -2147483648.0f ? INT32_MIN : i32(x); }

constexpr Row rows[] = {
    lanes("v_add_f32", [](float x, float y) { return x + y; }),
    lanes("v_sub_f32", [](float x, float y) { return x - y; }),
    lanes("v_subrev_f32", [](float x, float y) { return y - x; }),
    lanes("v_mul_f32", [](float x, float y) { return x * y; }),
    lanes("v_fma_f32", [](float x, float y, float z) { return std::fma(x, y, z); }),
    lanes("v_fmac_f32", [](Before<float> sum, float x, float y) { return std::fma(x, y, sum.value); }),
    lanes("v_fmamk_f32", [](float x, float factor, float y) { return std::fma(x, factor, y); }),
    lanes("v_fmaak_f32", [](float x, float y, float more) { return std::fma(x, y, more); }),

    lanes("v_max_f32", [](float x, float y) { return maximum(x, y); }),
    lanes("v_min_f32", [](float x, float y) { return minimum(x, y); }),
    lanes("v_max3_f32", [](float x, float y, float z) { return maximum(maximum(x, y), z); }),
    lanes("v_min3_f32", [](float x, float y, float z) { return minimum(minimum(x, y), z); }),
    lanes("v_med3_f32", [](float x, float y, float z) { return median(x, y, z); }),

    lanes("v_trunc_f32", [](float x) { return std::trunc(x); }),
    lanes("v_ceil_f32", [](float x) { return std::ceil(x); }),
    lanes("v_floor_f32", [](float x) { return std::floor(x); }),
    lanes("v_rndne_f32", [](float x) { return std::nearbyint(x); }),
    lanes("v_fract_f32", [](float x) { return minimum(x - std::floor(x), 0x1.fffffep-1f); }),
    lanes("v_ldexp_f32", [](float x, i32 exponent) { return std::ldexp(x, exponent); }),
    lanes("v_frexp_mant_f32",
          [](float x) {
            int ignored = 0;
            return std::isfinite(x) ? std::frexp(x, &ignored) : x;
          }),
    lanes("v_frexp_exp_i32_f32",
          [](float x) {
            int exponent = 0;
            if (std::isfinite(x)) {
              (void)std::frexp(x, &exponent);
            }
            return i32(exponent);
          }),

    // These know no subnormal numbers.
    lanes("v_exp_f32", [](float x) { return flush(std::exp2(flush(x))); }),
    lanes("v_log_f32", [](float x) { return std::log2(flush(x)); }),
    lanes("v_rcp_f32", [](float x) { return flush(1.0f / flush(x)); }),
    lanes("v_rcp_iflag_f32", [](float x) { return flush(1.0f / flush(x)); }),
    lanes("v_rsq_f32", [](float x) { return float(1.0 / std::sqrt(double(flush(x)))); }),
    lanes("v_sqrt_f32", [](float x) { return std::sqrt(flush(x)); }),

    lanes("v_div_scale_f32", [](float part, float denominator,
                                float numerator) { return scaleForDivision(part, denominator, numerator); }),
    lanes("v_div_fmas_f32",
          [](float x, float y, float z, Vcc isScaled) {
            // What is scaled is rounded once, after that.
            const double sum = std::fma(double(x), double(y), double(z));
            return isScaled.bit ? float(std::ldexp(sum, exponentOf(z) > 127 ? 64 : -64)) : std::fma(x, y, z);
          }),
    lanes("v_div_fixup_f32", [](float quotient, float denominator,
                                float numerator) { return finishDivision(quotient, denominator, numerator); }),
    lanes("v_cmp_class_f32", [](float x, u32 classes) { return (classOf(x) & classes) != 0; }),

    // Conversions.
    lanes("v_cvt_f32_u32", [](u32 x) { return float(x); }),
    lanes("v_cvt_f32_i32", [](i32 x) { return float(x); }),
    lanes("v_cvt_f32_ubyte0", [](u32 x) { return float(x & 0xff); }),
    lanes("v_cvt_f32_ubyte1", [](u32 x) { return float(x >> 8 & 0xff); }),
    lanes("v_cvt_f32_ubyte2", [](u32 x) { return float(x >> 16 & 0xff); }),
    lanes("v_cvt_f32_ubyte3", [](u32 x) { return float(x >> 24); }),
    lanes("v_cvt_u32_f32", [](float x) { return toUnsigned(x); }),
    lanes("v_cvt_i32_f32", [](float x) { return toSigned(x); }),
    lanes("v_cvt_f32_f16", [](Half x) { return float(std::bit_cast<_Float16>(x.bits)); }),
    lanes("v_cvt_f16_f32", [](float x) { return u32(std::bit_cast<uint16_t>(_Float16(x))); }),
};

} // namespace

std::span<const Row> amdsim::getFloatRows() { return rows; }
