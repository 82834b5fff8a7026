// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar instructions on integers.
#include "Rows.h"

#include <algorithm>

using namespace amdsim;

namespace {

using u32 = uint32_t;
using i32 = int32_t;
using u64 = uint64_t;
using i64 = int64_t;

/// What many instructions say of their result.
template <typename T> Flagged<T> nonZero(T value) { return {value, value != 0}; }

/// A signed result and whether it does not fit.
Flagged<u32> narrowed(i64 value) { return {u32(value), value != i32(value)}; }

/// The field of bits that `where` names: its lowest bit in 0 .. 5, its width in 16 .. 22.
template <typename T> T extract(T bits, u32 where) {
  constexpr u32 kBits = sizeof(T) * 8;
  const u32 first = where & (kBits - 1), width = std::min(where >> 16 & 0x7f, kBits - first);
  return width == 0 ? T(0) : T(std::make_unsigned_t<T>(bits) << (kBits - first - width)) >> (kBits - width);
}

template <typename T> T reversed(T bits) {
  T result = 0;
  for (unsigned i = 0; i < sizeof(T) * 8; ++i) {
    result |= (bits >> i & 1) << (sizeof(T) * 8 - 1 - i);
  }
  return result;
}

/// EXEC becomes what `function` makes of the operand and of EXEC, which goes to the destination.
template <u64 (*function)(u64 operand, u64 exec)> void saveExec(Wave &wave, const Instruction &instruction) {
  const u64 operand = wave.readScalarPair(instruction.operands[1]), exec = wave.exec();
  wave.writeMask(instruction.operands[0].first, exec);
  wave.writeMask(kExec, function(operand, exec));
  wave.scc = wave.exec() != 0;
}
constexpr Slot saveExecSlots[] = {{scalar, 2}, {scalar | constant, 2}};
u64 saveAnd(u64 operand, u64 exec) { return operand & exec; }
u64 saveOr(u64 operand, u64 exec) { return operand | exec; }
u64 saveXor(u64 operand, u64 exec) { return operand ^ exec; }
u64 saveAndN2(u64 operand, u64 exec) { return operand & ~exec; }
u64 saveOrN2(u64 operand, u64 exec) { return operand | ~exec; }

// A row for 32 and one for 64 bits; `expression` is of x and y of type T.
#define BITWISE(name, expression)                                                                                      \
  scalars(name "_b32",                                                                                                 \
          [](u32 x, u32 y) {                                                                                           \
            using T [[maybe_unused]] = u32;                                                                            \
            return nonZero<u32>(expression);                                                                           \
          }),                                                                                                          \
      scalars(name "_b64", [](u64 x, u64 y) {                                                                          \
        using T [[maybe_unused]] = u64;                                                                                \
        return nonZero<u64>(expression);                                                                               \
      })

#define COMPARE(name, expression)                                                                                      \
  scalars("s_cmp_" name "_i32", [](i32 x, i32 y) { return Scc{expression}; }),                                         \
      scalars("s_cmp_" name "_u32", [](u32 x, u32 y) { return Scc{expression}; }),                                     \
      scalars("s_cmpk_" name "_i32",                                                                                   \
              [](i32 x, Immediate immediate) {                                                                         \
                const i32 y = immediate.extended();                                                                    \
                return Scc{expression};                                                                                \
              }),                                                                                                      \
      scalars("s_cmpk_" name "_u32", [](u32 x, Immediate immediate) {                                                  \
        const u32 y = immediate.plain();                                                                               \
        return Scc{expression};                                                                                        \
      })

constexpr Row rows[] = {
    // Moves.
    scalars("s_mov_b32", [](u32 x) { return x; }),
    scalars("s_mov_b64", [](u64 x) { return x; }),
    scalars("s_movk_i32", [](Immediate x) { return x.extended(); }),
    scalars("s_cselect_b32", [](u32 x, u32 y, Scc scc) { return scc.bit ? x : y; }),
    scalars("s_cselect_b64", [](u64 x, u64 y, Scc scc) { return scc.bit ? x : y; }),

    // Sums and products.
    scalars("s_add_u32", [](u32 x, u32 y) { return Flagged<u32>{x + y, x + y < x}; }),
    scalars("s_addc_u32",
            [](u32 x, u32 y, Scc carry) {
              const u64 sum = u64(x) + y + carry.bit;
              return Flagged<u32>{u32(sum), sum >> 32 != 0};
            }),
    scalars("s_sub_u32", [](u32 x, u32 y) { return Flagged<u32>{x - y, y > x}; }),
    scalars("s_subb_u32",
            [](u32 x, u32 y, Scc borrow) { return Flagged<u32>{x - y - borrow.bit, u64(y) + borrow.bit > x}; }),
    scalars("s_add_i32", [](i32 x, i32 y) { return narrowed(i64(x) + y); }),
    scalars("s_sub_i32", [](i32 x, i32 y) { return narrowed(i64(x) - y); }),
    scalars("s_addk_i32", [](Before<i32> x, Immediate y) { return narrowed(i64(x.value) + y.extended()); }),
    scalars("s_mul_i32", [](u32 x, u32 y) { return x * y; }),
    scalars("s_mulk_i32", [](Before<u32> x, Immediate y) { return x.value * u32(y.extended()); }),
    scalars("s_mul_hi_u32", [](u32 x, u32 y) { return u32(u64(x) * y >> 32); }),
    scalars("s_mul_hi_i32", [](i32 x, i32 y) { return i32(i64(x) * y >> 32); }),
    scalars("s_lshl1_add_u32", [](u32 x, u32 y) { return Flagged<u32>{(x << 1) + y, ((u64(x) << 1) + y) >> 32 != 0}; }),
    scalars("s_lshl2_add_u32", [](u32 x, u32 y) { return Flagged<u32>{(x << 2) + y, ((u64(x) << 2) + y) >> 32 != 0}; }),
    scalars("s_lshl3_add_u32", [](u32 x, u32 y) { return Flagged<u32>{(x << 3) + y, ((u64(x) << 3) + y) >> 32 != 0}; }),
    scalars("s_lshl4_add_u32", [](u32 x, u32 y) { return Flagged<u32>{(x << 4) + y, ((u64(x) << 4) + y) >> 32 != 0}; }),
    scalars("s_min_i32", [](i32 x, i32 y) { return Flagged<i32>{std::min(x, y), x < y}; }),
    scalars("s_min_u32", [](u32 x, u32 y) { return Flagged<u32>{std::min(x, y), x < y}; }),
    scalars("s_max_i32", [](i32 x, i32 y) { return Flagged<i32>{std::max(x, y), x > y}; }),
    scalars("s_max_u32", [](u32 x, u32 y) { return Flagged<u32>{std::max(x, y), x > y}; }),
    scalars("s_abs_i32", [](i32 x) { return nonZero<u32>(x < 0 ? 0u - u32(x) : u32(x)); }),

    // Bits.
    BITWISE("s_and", T(x &y)),
    BITWISE("s_or", x | y),
    BITWISE("s_xor", x ^ y),
    BITWISE("s_andn2", x & ~y),
    BITWISE("s_orn2", x | ~y),
    BITWISE("s_nand", T(~T(x &y))),
    BITWISE("s_nor", T(~T(x | y))),
    BITWISE("s_xnor", T(~T(x ^ y))),
    scalars("s_not_b32", [](u32 x) { return nonZero<u32>(~x); }),
    scalars("s_not_b64", [](u64 x) { return nonZero<u64>(~x); }),
    scalars("s_lshl_b32", [](u32 x, u32 y) { return nonZero<u32>(x << (y & 31)); }),
    scalars("s_lshr_b32", [](u32 x, u32 y) { return nonZero<u32>(x >> (y & 31)); }),
    scalars("s_ashr_i32", [](i32 x, u32 y) { return nonZero<i32>(x >> (y & 31)); }),
    scalars("s_lshl_b64", [](u64 x, u32 y) { return nonZero<u64>(x << (y & 63)); }),
    scalars("s_lshr_b64", [](u64 x, u32 y) { return nonZero<u64>(x >> (y & 63)); }),
    scalars("s_ashr_i64", [](i64 x, u32 y) { return nonZero<i64>(x >> (y & 63)); }),
    scalars("s_bfe_u32", [](u32 x, u32 where) { return nonZero<u32>(extract<u32>(x, where)); }),
    scalars("s_bfe_i32", [](i32 x, u32 where) { return nonZero<i32>(extract<i32>(x, where)); }),
    scalars("s_bfe_u64", [](u64 x, u32 where) { return nonZero<u64>(extract<u64>(x, where)); }),
    scalars("s_bfm_b32", [](u32 width, u32 first) { return ((1u << (width & 31)) - 1) << (first & 31); }),
    scalars("s_bitset0_b32", [](Before<u32> x, u32 bit) { return x.value & ~(1u << (bit & 31)); }),
    scalars("s_bitset1_b32", [](Before<u32> x, u32 bit) { return x.value | 1u << (bit & 31); }),
    scalars("s_brev_b32", [](u32 x) { return reversed(x); }),
    scalars("s_brev_b64", [](u64 x) { return reversed(x); }),
    scalars("s_bcnt1_i32_b32", [](u32 x) { return nonZero<u32>(std::popcount(x)); }),
    scalars("s_bcnt1_i32_b64", [](u64 x) { return nonZero<u32>(std::popcount(x)); }),
    scalars("s_ff1_i32_b32", [](u32 x) { return x ? u32(std::countr_zero(x)) : ~0u; }),
    scalars("s_ff1_i32_b64", [](u64 x) { return x ? u32(std::countr_zero(x)) : ~0u; }),
    scalars("s_flbit_i32_b32", [](u32 x) { return x ? u32(std::countl_zero(x)) : ~0u; }),
    scalars("s_sext_i32_i8", [](u32 x) { return i32(int8_t(x)); }),
    scalars("s_sext_i32_i16", [](u32 x) { return i32(int16_t(x)); }),
    scalars("s_pack_ll_b32_b16", [](u32 x, u32 y) { return (x & 0xffff) | y << 16; }),
    scalars("s_pack_hh_b32_b16", [](u32 x, u32 y) { return x >> 16 | (y & 0xffff0000); }),

    // Comparisons.
    COMPARE("eq", x == y),
    COMPARE("lg", x != y),
    COMPARE("gt", x > y),
    COMPARE("ge", x >= y),
    COMPARE("lt", x < y),
    COMPARE("le", x <= y),
    scalars("s_cmp_eq_u64", [](u64 x, u64 y) { return Scc{x == y}; }),
    scalars("s_cmp_lg_u64", [](u64 x, u64 y) { return Scc{x != y}; }),
    scalars("s_bitcmp0_b32", [](u32 x, u32 bit) { return Scc{(x >> (bit & 31) & 1) == 0}; }),
    scalars("s_bitcmp1_b32", [](u32 x, u32 bit) { return Scc{(x >> (bit & 31) & 1) == 1}; }),

    // The mask of active lanes.
    {"s_and_saveexec_b64", saveExec<saveAnd>, saveExecSlots},
    {"s_or_saveexec_b64", saveExec<saveOr>, saveExecSlots},
    {"s_xor_saveexec_b64", saveExec<saveXor>, saveExecSlots},
    {"s_andn2_saveexec_b64", saveExec<saveAndN2>, saveExecSlots},
    {"s_orn2_saveexec_b64", saveExec<saveOrN2>, saveExecSlots},
};

} // namespace

std::span<const Row> amdsim::getScalarRows() { return rows; }
