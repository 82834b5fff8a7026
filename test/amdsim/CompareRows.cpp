// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Vector comparisons, which make masks.
#include "Rows.h"

using namespace amdsim;

namespace {

#define INTEGERS(T, type)                                                                                              \
  lanes("v_cmp_lt_" type, [](T x, T y) { return x < y; }), lanes("v_cmp_eq_" type, [](T x, T y) { return x == y; }),   \
      lanes("v_cmp_le_" type, [](T x, T y) { return x <= y; }),                                                        \
      lanes("v_cmp_gt_" type, [](T x, T y) { return x > y; }),                                                         \
      lanes("v_cmp_ne_" type, [](T x, T y) { return x != y; }),                                                        \
      lanes("v_cmp_ge_" type, [](T x, T y) { return x >= y; })

#define HALVES(T, type)                                                                                                \
  lanes("v_cmp_lt_" type, [](Half x, Half y) { return T(x.bits) < T(y.bits); }),                                       \
      lanes("v_cmp_eq_" type, [](Half x, Half y) { return x.bits == y.bits; }),                                        \
      lanes("v_cmp_le_" type, [](Half x, Half y) { return T(x.bits) <= T(y.bits); }),                                  \
      lanes("v_cmp_gt_" type, [](Half x, Half y) { return T(x.bits) > T(y.bits); }),                                   \
      lanes("v_cmp_ne_" type, [](Half x, Half y) { return x.bits != y.bits; }),                                        \
      lanes("v_cmp_ge_" type, [](Half x, Half y) { return T(x.bits) >= T(y.bits); })

bool isOrdered(float x, float y) { return x == x && y == y; }

constexpr Row rows[] = {
    INTEGERS(uint32_t, "u32"),
    INTEGERS(int32_t, "i32"),
    INTEGERS(uint64_t, "u64"),
    INTEGERS(int64_t, "i64"),
    HALVES(uint16_t, "u16"),
    HALVES(int16_t, "i16"),

    lanes("v_cmp_lt_f32", [](float x, float y) { return x < y; }),
    lanes("v_cmp_eq_f32", [](float x, float y) { return x == y; }),
    lanes("v_cmp_le_f32", [](float x, float y) { return x <= y; }),
    lanes("v_cmp_gt_f32", [](float x, float y) { return x > y; }),
    lanes("v_cmp_lg_f32", [](float x, float y) { return x < y || x > y; }),
    lanes("v_cmp_ge_f32", [](float x, float y) { return x >= y; }),
    lanes("v_cmp_o_f32", [](float x, float y) { return isOrdered(x, y); }),
    lanes("v_cmp_u_f32", [](float x, float y) { return !isOrdered(x, y); }),
    lanes("v_cmp_nge_f32", [](float x, float y) { return !(x >= y); }),
    lanes("v_cmp_nlg_f32", [](float x, float y) { return !(x < y || x > y); }),
    lanes("v_cmp_ngt_f32", [](float x, float y) { return !(x > y); }),
    lanes("v_cmp_nle_f32", [](float x, float y) { return !(x <= y); }),
    lanes("v_cmp_neq_f32", [](float x, float y) { return !(x == y); }),
    lanes("v_cmp_nlt_f32", [](float x, float y) { return !(x < y); }),
};

} // namespace

std::span<const Row> amdsim::getCompareRows() { return rows; }
