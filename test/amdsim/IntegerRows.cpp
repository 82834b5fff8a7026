// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Vector instructions on integers and bits.
#include "Rows.h"

#include <algorithm>

using namespace amdsim;

namespace {

using u32 = uint32_t;
using i32 = int32_t;
using u64 = uint64_t;
using i64 = int64_t;

u32 low24(u32 x) { return x & 0xffffff; }
i32 signed24(u32 x) { return i32(x << 8) >> 8; }

Flagged<u32> sum(u32 x, u32 y, bool carry) {
  const u64 wide = u64(x) + y + carry;
  return {u32(wide), wide >> 32 != 0};
}
Flagged<u32> difference(u32 x, u32 y, bool borrow) { return {x - y - borrow, u64(y) + borrow > x}; }

u32 mask(u32 width) { return (1u << (width & 31)) - 1; }

/// One of the 8 bytes of x (above) and y, a sign of them, or a constant.
u32 selectByte(u32 x, u32 y, u32 selector) {
  const u64 all = u64(x) << 32 | y;
  if (selector < 8) {
    return all >> (8 * selector) & 0xff;
  }
  if (selector < 12) {
    return all >> (16 * (selector - 8) + 15) & 1 ? 0xff : 0;
  }
  return selector == 12 ? 0 : 0xff;
}

constexpr Row rows[] = {
    // Moves.
    lanes("v_mov_b32", [](u32 x) { return x; }),
    lanes("v_mov_b64", [](u64 x) { return x; }),
    lanes("v_accvgpr_read_b32", [](u32 x) { return x; }),
    lanes("v_accvgpr_write_b32", [](u32 x) { return x; }),
    lanes("v_accvgpr_mov_b32", [](u32 x) { return x; }),
    lanes("v_cndmask_b32", [](float x, float y, bool second) { return second ? y : x; }),

    // Sums.
    lanes("v_add_u32", [](u32 x, u32 y) { return x + y; }),
    lanes("v_sub_u32", [](u32 x, u32 y) { return x - y; }),
    lanes("v_subrev_u32", [](u32 x, u32 y) { return y - x; }),
    lanes("v_add_co_u32", [](u32 x, u32 y) { return sum(x, y, false); }),
    lanes("v_addc_co_u32", [](u32 x, u32 y, bool carry) { return sum(x, y, carry); }),
    lanes("v_sub_co_u32", [](u32 x, u32 y) { return difference(x, y, false); }),
    lanes("v_subrev_co_u32", [](u32 x, u32 y) { return difference(y, x, false); }),
    lanes("v_subb_co_u32", [](u32 x, u32 y, bool borrow) { return difference(x, y, borrow); }),
    lanes("v_subbrev_co_u32", [](u32 x, u32 y, bool borrow) { return difference(y, x, borrow); }),
    lanes("v_add3_u32", [](u32 x, u32 y, u32 z) { return x + y + z; }),
    lanes("v_lshl_add_u32", [](u32 x, u32 shift, u32 y) { return (x << (shift & 31)) + y; }),
    lanes("v_add_lshl_u32", [](u32 x, u32 y, u32 shift) { return (x + y) << (shift & 31); }),
    lanes("v_lshl_add_u64", [](u64 x, u32 shift, u64 y) { return (x << (shift & 7)) + y; }),

    // Products.
    lanes("v_mul_lo_u32", [](u32 x, u32 y) { return x * y; }),
    lanes("v_mul_hi_u32", [](u32 x, u32 y) { return u32(u64(x) * y >> 32); }),
    lanes("v_mul_hi_i32", [](i32 x, i32 y) { return i32(i64(x) * y >> 32); }),
    lanes("v_mul_u32_u24", [](u32 x, u32 y) { return low24(x) * low24(y); }),
    lanes("v_mul_hi_u32_u24", [](u32 x, u32 y) { return u32(u64(low24(x)) * low24(y) >> 32); }),
    lanes("v_mul_i32_i24", [](u32 x, u32 y) { return u32(i64(signed24(x)) * signed24(y)); }),
    lanes("v_mul_hi_i32_i24", [](u32 x, u32 y) { return u32(i64(signed24(x)) * signed24(y) >> 32); }),
    lanes("v_mad_u32_u24", [](u32 x, u32 y, u32 z) { return low24(x) * low24(y) + z; }),
    lanes("v_mad_i32_i24", [](u32 x, u32 y, u32 z) { return u32(i64(signed24(x)) * signed24(y)) + z; }),
    lanes("v_mad_u64_u32",
          [](u32 x, u32 y, u64 z) {
            const u64 product = u64(x) * y;
            return Flagged<u64>{product + z, product + z < product};
          }),
    lanes("v_mad_i64_i32",
          [](i32 x, i32 y, i64 z) {
            const __int128 sum = __int128(i64(x) * y) + z;
            return Flagged<i64>{i64(sum), sum != i64(sum)};
          }),

    // Bits.
    lanes("v_and_b32", [](u32 x, u32 y) { return x & y; }),
    lanes("v_or_b32", [](u32 x, u32 y) { return x | y; }),
    lanes("v_xor_b32", [](u32 x, u32 y) { return x ^ y; }),
    lanes("v_xnor_b32", [](u32 x, u32 y) { return ~(x ^ y); }),
    lanes("v_not_b32", [](u32 x) { return ~x; }),
    lanes("v_and_or_b32", [](u32 x, u32 y, u32 z) { return (x & y) | z; }),
    lanes("v_or3_b32", [](u32 x, u32 y, u32 z) { return x | y | z; }),
    lanes("v_lshl_or_b32", [](u32 x, u32 shift, u32 y) { return x << (shift & 31) | y; }),
    lanes("v_xad_u32", [](u32 x, u32 y, u32 z) { return (x ^ y) + z; }),
    lanes("v_lshlrev_b32", [](u32 shift, u32 x) { return x << (shift & 31); }),
    lanes("v_lshrrev_b32", [](u32 shift, u32 x) { return x >> (shift & 31); }),
    lanes("v_ashrrev_i32", [](u32 shift, i32 x) { return x >> (shift & 31); }),
    lanes("v_lshlrev_b64", [](u32 shift, u64 x) { return x << (shift & 63); }),
    lanes("v_lshrrev_b64", [](u32 shift, u64 x) { return x >> (shift & 63); }),
    lanes("v_ashrrev_i64", [](u32 shift, i64 x) { return x >> (shift & 63); }),
    lanes("v_bfe_u32", [](u32 x, u32 first, u32 width) { return x >> (first & 31) & mask(width); }),
    lanes("v_bfe_i32",
          [](u32 x, u32 first, u32 width) {
            const u32 field = x >> (first & 31) & mask(width), sign = (mask(width) + 1) >> 1;
            return (field ^ sign) - sign;
          }),
    lanes("v_bfi_b32", [](u32 which, u32 x, u32 y) { return (which & x) | (~which & y); }),
    lanes("v_bfm_b32", [](u32 width, u32 first) { return mask(width) << (first & 31); }),
    lanes("v_bfrev_b32",
          [](u32 x) {
            u32 result = 0;
            for (unsigned i = 0; i < 32; ++i) {
              result |= (x >> i & 1) << (31 - i);
            }
            return result;
          }),
    lanes("v_alignbit_b32", [](u32 x, u32 y, u32 shift) { return u32((u64(x) << 32 | y) >> (shift & 31)); }),
    lanes("v_perm_b32",
          [](u32 x, u32 y, u32 selectors) {
            u32 result = 0;
            for (unsigned i = 0; i < 4; ++i) {
              result |= selectByte(x, y, selectors >> (8 * i) & 0xff) << (8 * i);
            }
            return result;
          }),
    lanes("v_bcnt_u32_b32", [](u32 x, u32 y) { return std::popcount(x) + y; }),
    lanes("v_ffbl_b32", [](u32 x) { return x ? u32(std::countr_zero(x)) : ~0u; }),
    lanes("v_ffbh_u32", [](u32 x) { return x ? u32(std::countl_zero(x)) : ~0u; }),
    lanes("v_min_u32", [](u32 x, u32 y) { return std::min(x, y); }),
    lanes("v_max_u32", [](u32 x, u32 y) { return std::max(x, y); }),
    lanes("v_min_i32", [](i32 x, i32 y) { return std::min(x, y); }),
    lanes("v_max_i32", [](i32 x, i32 y) { return std::max(x, y); }),

    // 16 bits: the upper half of the result is 0.
    lanes("v_add_u16", [](Half x, Half y) { return u32(uint16_t(x.bits + y.bits)); }),
    lanes("v_sub_u16", [](Half x, Half y) { return u32(uint16_t(x.bits - y.bits)); }),
    lanes("v_subrev_u16", [](Half x, Half y) { return u32(uint16_t(y.bits - x.bits)); }),
    lanes("v_mul_lo_u16", [](Half x, Half y) { return u32(uint16_t(u32(x.bits) * y.bits)); }),
    lanes("v_mad_legacy_u16", [](Half x, Half y, Half z) { return u32(uint16_t(u32(x.bits) * y.bits + z.bits)); }),
    lanes("v_lshlrev_b16", [](Half shift, Half x) { return u32(uint16_t(x.bits << (shift.bits & 15))); }),
    lanes("v_lshrrev_b16", [](Half shift, Half x) { return u32(x.bits >> (shift.bits & 15)); }),
    lanes("v_ashrrev_i16", [](Half shift, Half x) { return u32(uint16_t(int16_t(x.bits) >> (shift.bits & 15))); }),
    lanes("v_min_u16", [](Half x, Half y) { return u32(std::min(x.bits, y.bits)); }),
    lanes("v_max_u16", [](Half x, Half y) { return u32(std::max(x.bits, y.bits)); }),

    // How many lanes below this one are in a mask.
    lanes("v_mbcnt_lo_u32_b32",
          [](Lane lane, u32 mask, u32 more) {
            const u64 below = (u64(1) << lane.number) - 1;
            return u32(std::popcount(mask & u32(below))) + more;
          }),
    lanes("v_mbcnt_hi_u32_b32",
          [](Lane lane, u32 mask, u32 more) {
            const u64 below = (u64(1) << lane.number) - 1;
            return u32(std::popcount(mask & u32(below >> 32))) + more;
          }),
};

} // namespace

std::span<const Row> amdsim::getIntegerRows() { return rows; }
