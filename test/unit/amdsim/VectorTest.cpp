// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Vector instructions: values, masks, and lanes that are not active.
#include "Assembler.h"

#include <cmath>
#include <limits>
#include <random>

using namespace amdsim;
using namespace amdsim::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr uint64_t kActive = 0xf0f0f0f0f0f0f0f0;
constexpr uint32_t kBefore = 0x1234567;

/// v1, v2 and v3 to v10, in some lanes; others must stay.
struct Case {
  const char *code;
  uint32_t x, y, z;
  uint32_t result;
};

void check(const Case &each) {
  Machine machine;
  machine.fill(1, each.x);
  machine.fill(2, each.y);
  machine.fill(3, each.z);
  machine.fill(10, kBefore);
  machine.wave.writeMask(kExec, kActive);
  machine.run(each.code);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const uint32_t found = machine.wave.vectors[10][lane];
    const bool areNaN = std::isnan(floatOf(found)) && std::isnan(floatOf(each.result));
    EXPECT_TRUE(found == (kActive >> lane & 1 ? each.result : kBefore) || areNaN)
        << each.code << std::hex << " of " << each.x << ", " << each.y << ", " << each.z << ": lane " << lane << " has "
        << found << " instead of " << each.result;
  }
}

Case floats(const char *code, float x, float y, float z, float result) {
  return {code, bitsOf(x), bitsOf(y), bitsOf(z), bitsOf(result)};
}

TEST(VectorTest, Integers) {
  for (const Case &each : {
           Case{"v_mov_b32 v10, v1", 5, 0, 0, 5},
           Case{"v_mov_b32 v10, 0.5", 0, 0, 0, 0x3f000000},
           Case{"v_mov_b32 v10, -16", 0, 0, 0, 0xfffffff0},
           Case{"v_accvgpr_write_b32 a1, v1\n v_accvgpr_mov_b32 a2, a1\n v_accvgpr_read_b32 v10, a2", 9, 0, 0, 9},
           Case{"v_add_u32 v10, v1, v2", 0xffffffff, 2, 0, 1},
           Case{"v_sub_u32 v10, v1, v2", 1, 2, 0, 0xffffffff},
           Case{"v_subrev_u32 v10, v1, v2", 1, 2, 0, 1},
           Case{"v_add3_u32 v10, v1, v2, v3", 1, 2, 3, 6},
           Case{"v_lshl_add_u32 v10, v1, v2, v3", 3, 4, 5, 53},
           Case{"v_add_lshl_u32 v10, v1, v2, v3", 3, 4, 2, 28},
           Case{"v_mul_lo_u32 v10, v1, v2", 0x10001, 0x10001, 0, 0x20001},
           Case{"v_mul_hi_u32 v10, v1, v2", 0x80000000, 6, 0, 3},
           Case{"v_mul_hi_i32 v10, v1, v2", 0xffffffff, 6, 0, 0xffffffff},
           Case{"v_mul_u32_u24 v10, v1, v2", 0xff000003, 0x01000005, 0, 15},
           Case{"v_mul_hi_u32_u24 v10, v1, v2", 0xffffff, 0xffffff, 0, 0xffff},
           Case{"v_mul_i32_i24 v10, v1, v2", 0xffffff, 5, 0, 0xfffffffb},
           Case{"v_mul_hi_i32_i24 v10, v1, v2", 0xffffff, 5, 0, 0xffffffff},
           Case{"v_mad_u32_u24 v10, v1, v2, v3", 3, 0x1000005, 7, 22},
           Case{"v_mad_i32_i24 v10, v1, v2, v3", 0xffffff, 5, 7, 2},
           Case{"v_and_b32 v10, v1, v2", 0xff00, 0xf0f0, 0, 0xf000},
           Case{"v_or_b32 v10, v1, v2", 0xff00, 0xf0f0, 0, 0xfff0},
           Case{"v_xor_b32 v10, v1, v2", 0xff00, 0xf0f0, 0, 0x0ff0},
           Case{"v_xnor_b32 v10, v1, v2", 1, 1, 0, 0xffffffff},
           Case{"v_not_b32 v10, v1", 1, 0, 0, 0xfffffffe},
           Case{"v_and_or_b32 v10, v1, v2, v3", 6, 3, 8, 10},
           Case{"v_or3_b32 v10, v1, v2, v3", 1, 2, 4, 7},
           Case{"v_lshl_or_b32 v10, v1, v2, v3", 1, 4, 1, 17},
           Case{"v_xad_u32 v10, v1, v2, v3", 5, 3, 1, 7},
           Case{"v_lshlrev_b32 v10, v1, v2", 33, 3, 0, 6},
           Case{"v_lshrrev_b32 v10, v1, v2", 4, 0x80000000, 0, 0x08000000},
           Case{"v_ashrrev_i32 v10, v1, v2", 4, 0x80000000, 0, 0xf8000000},
           Case{"v_bfe_u32 v10, v1, v2, v3", 0xabcd, 4, 8, 0xbc},
           Case{"v_bfe_i32 v10, v1, v2, v3", 0xabcd, 4, 8, 0xffffffbc},
           Case{"v_bfe_i32 v10, v1, v2, v3", 0xabcd, 4, 0, 0},
           Case{"v_bfi_b32 v10, v1, v2, v3", 0xf0, 0xaaaa, 0x5555, 0x55a5},
           Case{"v_bfm_b32 v10, v1, v2", 4, 8, 0, 0xf00},
           Case{"v_bfrev_b32 v10, v1", 1, 0, 0, 0x80000000},
           Case{"v_alignbit_b32 v10, v1, v2, v3", 0x11112222, 0x33334444, 8, 0x22333344},
           // 0 .. 3 are bytes of the second operand, 4 .. 7 of the first; 9 is a sign of the second.
           Case{"v_perm_b32 v10, v1, v2, v3", 0x44332211, 0x88776655, 0x07060100, 0x44336655},
           Case{"v_perm_b32 v10, v1, v2, v3", 0x44332211, 0x88776655, 0x0c0d0908, 0x00ffff00},
           Case{"v_bcnt_u32_b32 v10, v1, v2", 0xff, 3, 0, 11},
           Case{"v_ffbl_b32 v10, v1", 0x50, 0, 0, 4},
           Case{"v_ffbl_b32 v10, v1", 0, 0, 0, 0xffffffff},
           Case{"v_ffbh_u32 v10, v1", 0x50, 0, 0, 25},
           Case{"v_min_u32 v10, v1, v2", 0xffffffff, 1, 0, 1},
           Case{"v_max_u32 v10, v1, v2", 0xffffffff, 1, 0, 0xffffffff},
           Case{"v_min_i32 v10, v1, v2", 0xffffffff, 1, 0, 0xffffffff},
           Case{"v_max_i32 v10, v1, v2", 0xffffffff, 1, 0, 1},
           Case{"v_sub_u32_sdwa v10, v1, v2 dst_sel:DWORD src0_sel:DWORD src1_sel:BYTE_1", 0x500, 0x11223344, 0, 0x4cd},
           Case{"v_or_b32_sdwa v10, v1, v2 dst_sel:DWORD src0_sel:WORD_1 src1_sel:BYTE_3", 0xab000000, 0x11223344, 0,
                0xab11},
           // What is above 16 bits does not count, and becomes 0.
           Case{"v_add_u16 v10, v1, v2", 0x7777ffff, 0x11110002, 0, 1},
           Case{"v_sub_u16 v10, v1, v2", 0x77770001, 2, 0, 0xffff},
           Case{"v_subrev_u16 v10, v1, v2", 0x77770001, 2, 0, 1},
           Case{"v_mul_lo_u16 v10, 0xf1, v2", 0, 0x77770111, 0, 0x0101},
           Case{"v_mad_legacy_u16 v10, v1, v2, v3", 0x70101, 0x70101, 0x7fffe, 0x01ff},
           Case{"v_lshlrev_b16 v10, v1, v2", 0x10004, 0x7777ff01, 0, 0xf010},
           Case{"v_lshrrev_b16 v10, 4, v2", 0, 0x7777ff01, 0, 0x0ff0},
           Case{"v_ashrrev_i16 v10, 4, v2", 0, 0x7777ff01, 0, 0xfff0},
           Case{"v_min_u16 v10, v1, v2", 0x10005, 0x00006, 0, 5},
           Case{"v_max_u16 v10, v1, v2", 0x10005, 0x00006, 0, 6},
       }) {
    check(each);
  }
}

TEST(VectorTest, Numbers) {
  constexpr float kTiny = 1e-40f, kLeast = 0x1p-126f;
  for (const Case &each : {
           floats("v_add_f32 v10, v1, v2", 1, kInfinity, 0, kInfinity),
           floats("v_add_f32 v10, v1, -v2", 5, 2, 0, 3),
           floats("v_add_f32 v10, |v1|, 4.0", -5, 0, 0, 9),
           floats("v_sub_f32 v10, v1, v2", kInfinity, kInfinity, 0, kNaN),
           floats("v_subrev_f32 v10, v1, v2", 1, 3, 0, 2),
           floats("v_mul_f32 v10, v1, v2", kTiny, 0.5f, 0, kTiny / 2),
           floats("v_mul_f32 v10, -|v1|, v2", -3, 2, 0, -6),
           // One rounding: the square of 1 + 2^-12, less itself rounded.
           floats("v_fma_f32 v10, v1, v2, v3", 1 + 0x1p-12f, 1 + 0x1p-12f, -(1 + 0x1p-11f), 0x1p-24f),
           floats("v_mov_b32 v10, v3\n v_fmac_f32 v10, v1, v2", 2, 3, 4, 10),
           floats("v_fmamk_f32 v10, v1, 0x40400000, v2", 2, 1, 0, 7),
           floats("v_fmaak_f32 v10, v1, v2, 0x40400000", 2, 4, 0, 11),
           floats("v_max_f32 v10, v1, v2", kNaN, 1, 0, 1),
           floats("v_max_f32 v10, v1, v2", -0.0f, 0.0f, 0, 0.0f),
           floats("v_max_f32 v10, v1, v2", 0.0f, -0.0f, 0, 0.0f),
           floats("v_min_f32 v10, v1, v2", 1, kNaN, 0, 1),
           floats("v_min_f32 v10, v1, v2", 0.0f, -0.0f, 0, -0.0f),
           floats("v_max3_f32 v10, v1, v2, v3", 1, kNaN, 3, 3),
           floats("v_min3_f32 v10, v1, v2, v3", 2, 1, 3, 1),
           floats("v_med3_f32 v10, v1, v2, v3", 5, 1, 3, 3),
           floats("v_med3_f32 v10, v1, v2, v3", 5, kNaN, 3, 3),
           floats("v_trunc_f32 v10, v1", -1.5f, 0, 0, -1),
           floats("v_ceil_f32 v10, v1", 1.25f, 0, 0, 2),
           floats("v_floor_f32 v10, v1", -1.5f, 0, 0, -2),
           floats("v_rndne_f32 v10, v1", 2.5f, 0, 0, 2),
           floats("v_fract_f32 v10, v1", -0.25f, 0, 0, 0.75f),
           floats("v_fract_f32 v10, v1", -1e-30f, 0, 0, 0x1.fffffep-1f),
           Case{"v_ldexp_f32 v10, v1, v2", bitsOf(3), uint32_t(-2), 0, bitsOf(0.75f)},
           floats("v_frexp_mant_f32 v10, v1", 12, 0, 0, 0.75f),
           Case{"v_frexp_exp_i32_f32 v10, v1", bitsOf(12), 0, 0, 4},
           Case{"v_frexp_exp_i32_f32 v10, v1", bitsOf(kInfinity), 0, 0, 0},
           floats("v_exp_f32 v10, v1", 10, 0, 0, 1024),
           floats("v_exp_f32 v10, v1", -130, 0, 0, 0), // a subnormal number
           floats("v_log_f32 v10, v1", 8, 0, 0, 3),
           floats("v_log_f32 v10, v1", 0, 0, 0, -kInfinity),
           floats("v_rcp_f32 v10, v1", -kInfinity, 0, 0, -0.0f),
           floats("v_rcp_f32 v10, v1", kTiny, 0, 0, kInfinity),
           floats("v_rcp_iflag_f32 v10, v1", 4, 0, 0, 0.25f),
           floats("v_rsq_f32 v10, v1", 16, 0, 0, 0.25f),
           floats("v_sqrt_f32 v10, v1", 16, 0, 0, 4),
           floats("v_sqrt_f32 v10, v1", kTiny, 0, 0, 0),
           floats("v_sqrt_f32 v10, v1", kLeast, 0, 0, 0x1p-63f),
           Case{"v_cvt_f32_u32 v10, v1", 0xffffffff, 0, 0, bitsOf(4294967296.0f)},
           Case{"v_cvt_f32_i32 v10, v1", 0xffffffff, 0, 0, bitsOf(-1)},
           Case{"v_cvt_f32_ubyte0 v10, v1", 0x01020380, 0, 0, bitsOf(128)},
           Case{"v_cvt_f32_ubyte1 v10, v1", 0x01020380, 0, 0, bitsOf(3)},
           Case{"v_cvt_f32_ubyte2 v10, v1", 0x01020380, 0, 0, bitsOf(2)},
           Case{"v_cvt_f32_ubyte3 v10, v1", 0xf1020380, 0, 0, bitsOf(241)},
           Case{"v_cvt_u32_f32 v10, v1", bitsOf(-1), 0, 0, 0},
           Case{"v_cvt_u32_f32 v10, v1", bitsOf(1e20f), 0, 0, 0xffffffff},
           Case{"v_cvt_u32_f32 v10, v1", bitsOf(3.99f), 0, 0, 3},
           Case{"v_cvt_i32_f32 v10, v1", bitsOf(-1e20f), 0, 0, 0x80000000},
           Case{"v_cvt_i32_f32 v10, v1", bitsOf(kNaN), 0, 0, 0},
           Case{"v_cvt_f32_f16 v10, v1", 0xffff3c00, 0, 0, bitsOf(1)},
           Case{"v_cvt_f16_f32 v10, v1", bitsOf(65520), 0, 0, 0x7c00},
           Case{"v_cndmask_b32 v10, v1, -v2, vcc", bitsOf(1), bitsOf(2), 0, bitsOf(-2)}, // VCC is all ones
       }) {
    check(each);
  }
}

TEST(VectorTest, WideIntegers) {
  Machine machine;
  constexpr uint64_t x = 0x123456789abcdef0, y = 0xfedcba9876543210;
  auto fill = [&](unsigned reg, uint64_t value) {
    machine.fill(reg, uint32_t(value));
    machine.fill(reg + 1, uint32_t(value >> 32));
  };
  fill(2, x);
  fill(4, y);
  fill(6, 7);
  for (const auto &[code, result] :
       {std::pair("v_mov_b64 v[10:11], v[2:3]", x), std::pair("v_mov_b64 v[10:11], -1", ~uint64_t(0)),
        std::pair("v_lshl_add_u64 v[10:11], v[2:3], 3, v[4:5]", (x << 3) + y),
        std::pair("v_lshlrev_b64 v[10:11], v6, v[2:3]", x << 7),
        std::pair("v_lshrrev_b64 v[10:11], v6, v[4:5]", y >> 7),
        std::pair("v_ashrrev_i64 v[10:11], v6, v[4:5]", uint64_t(int64_t(y) >> 7)),
        // The result overlaps an operand.
        std::pair("v_mov_b64 v[10:11], v[2:3]\n v_lshl_add_u64 v[10:11], v[10:11], 1, v[10:11]", 3 * x)}) {
    machine.run(code);
    EXPECT_EQ(machine.pair(10, 0), result) << code;
    EXPECT_EQ(machine.pair(10, 63), result) << code;
  }
  machine.run("v_mad_u64_u32 v[10:11], vcc, v2, v4, v[4:5]");
  const uint64_t product = uint64_t(uint32_t(x)) * uint32_t(y);
  EXPECT_EQ(machine.pair(10, 17), product + y);
  EXPECT_EQ(machine.wave.readMask(kVcc), product + y < product ? ~uint64_t(0) : 0);
  machine.fill(7, -3);
  machine.run("v_mad_i64_i32 v[10:11], vcc, v6, v7, v[2:3]");
  EXPECT_EQ(machine.pair(10, 17), x - 21);
  EXPECT_EQ(machine.wave.readMask(kVcc), 0u);
}

TEST(VectorTest, Carries) {
  Machine machine;
  machine.fill(1, [](unsigned lane) { return lane % 2 ? 0xffffffff : 5; });
  machine.fill(2, 1);
  machine.wave.writeMask(kExec, 0xff);
  constexpr uint64_t kOdd = 0xaa;
  auto expectMask = [&](const char *code, uint64_t mask, uint32_t even, uint32_t odd) {
    machine.run(code);
    EXPECT_EQ(machine.wave.readMask(kVcc), mask) << code;
    EXPECT_EQ(machine.wave.vectors[3][0], even) << code;
    EXPECT_EQ(machine.wave.vectors[3][1], odd) << code;
  };
  expectMask("v_add_co_u32 v3, vcc, v1, v2", kOdd, 6, 0);
  expectMask("v_addc_co_u32 v3, vcc, v1, v2, vcc", kOdd, 6, 1); // with the carries of the first
  expectMask("v_sub_co_u32 v3, vcc, v2, v1", 0xff, 0xfffffffc, 2);
  expectMask("v_subb_co_u32 v3, vcc, v1, v2, vcc", 0, 3, 0xfffffffd);
  expectMask("v_subrev_co_u32 v3, vcc, v2, v1", 0, 4, 0xfffffffe);
  expectMask("s_mov_b64 vcc, -1\n v_subbrev_co_u32 v3, vcc, v2, v1, vcc", 0, 3, 0xfffffffd);
}

TEST(VectorTest, Comparisons) {
  Machine machine;
  const float numbers[] = {-kInfinity, -1, -0.0f, 0.0f, 2, kInfinity, kNaN, 1e-40f};
  machine.fill(1, [&](unsigned lane) { return bitsOf(numbers[lane / 8]); });
  machine.fill(2, [&](unsigned lane) { return bitsOf(numbers[lane % 8]); });
  auto expect = [&](const std::string &name, auto holds) {
    machine.run("v_cmp_" + name + "_f32 s[2:3], v1, v2");
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const float x = numbers[lane / 8], y = numbers[lane % 8];
      EXPECT_EQ(bool(machine.wave.readMask(2) >> lane & 1), holds(x, y)) << name << " " << x << ", " << y;
    }
  };
  auto isOrdered = [](float x, float y) { return !std::isunordered(x, y); };
  expect("lt", [](float x, float y) { return std::isless(x, y); });
  expect("le", [](float x, float y) { return std::islessequal(x, y); });
  expect("gt", [](float x, float y) { return std::isgreater(x, y); });
  expect("ge", [](float x, float y) { return std::isgreaterequal(x, y); });
  expect("eq", [](float x, float y) { return x == y; });
  expect("lg", [](float x, float y) { return std::islessgreater(x, y); });
  expect("o", isOrdered);
  expect("u", [&](float x, float y) { return !isOrdered(x, y); });
  expect("nlt", [](float x, float y) { return !std::isless(x, y); });
  expect("nle", [](float x, float y) { return !std::islessequal(x, y); });
  expect("ngt", [](float x, float y) { return !std::isgreater(x, y); });
  expect("nge", [](float x, float y) { return !std::isgreaterequal(x, y); });
  expect("neq", [](float x, float y) { return !(x == y); });
  expect("nlg", [](float x, float y) { return !std::islessgreater(x, y); });

  // Integers, of lanes that are active; the others' bits are 0.
  machine.wave.writeMask(kExec, 0x0f);
  machine.fill(3, [](unsigned lane) { return lane - 2; });
  for (const auto &[code, mask] : {std::pair("v_cmp_gt_i32 vcc, 0, v3", 0x3), std::pair("v_cmp_gt_u32 vcc, 2, v3", 0xc),
                                   std::pair("v_cmp_ne_u32 vcc, 0, v3", 0xb), std::pair("v_cmp_eq_i32 vcc, 1, v3", 0x8),
                                   std::pair("v_cmp_le_i32 vcc, 0, v3", 0xc), std::pair("v_cmp_lt_u32 vcc, 0, v3", 0xb),
                                   std::pair("v_cmp_ge_i32 vcc, -1, v3", 0x3)}) {
    machine.run(code);
    EXPECT_EQ(machine.wave.readMask(kVcc), uint64_t(mask)) << code;
  }
  machine.run("v_cmp_lt_u16 vcc, 1, v3"); // 0xfffe, 0xffff, 0, 1
  EXPECT_EQ(machine.wave.readMask(kVcc), 0x3u);
  machine.run("v_cmp_eq_u16 vcc, -1, v3");
  EXPECT_EQ(machine.wave.readMask(kVcc), 0x2u);
  machine.run("v_cmp_gt_i16 vcc, 0, v3"); // -2, -1, 0, 1
  EXPECT_EQ(machine.wave.readMask(kVcc), 0x3u);
  machine.run("v_cmp_le_i16 vcc, -1, v3");
  EXPECT_EQ(machine.wave.readMask(kVcc), 0xeu);
  machine.fill(4, 1);
  machine.fill(5, [](unsigned lane) { return lane == 2 ? 0x80000000 : 0; });
  machine.run("v_cmp_lt_i64 vcc, v[4:5], 0");
  EXPECT_EQ(machine.wave.readMask(kVcc), 0x4u);
  machine.run("v_cmp_lt_u64 vcc, v[4:5], 2");
  EXPECT_EQ(machine.wave.readMask(kVcc), 0xbu);
}

TEST(VectorTest, Classes) {
  const std::pair<uint32_t, uint32_t> classes[] = {
      {0x7f800001, 0x001}, {0x7fc00000, 0x002}, {0xff800000, 0x004}, {0xbf800000, 0x008}, {0x80000001, 0x010},
      {0x80000000, 0x020}, {0x00000000, 0x040}, {0x00000001, 0x080}, {0x3f800000, 0x100}, {0x7f800000, 0x200}};
  for (const auto &[bits, which] : classes) {
    Machine machine;
    machine.fill(1, bits);
    machine.fill(2, [](unsigned lane) { return 1u << lane % 10; });
    machine.run("v_cmp_class_f32 vcc, v1, v2");
    for (unsigned lane = 0; lane < 10; ++lane) {
      EXPECT_EQ(machine.wave.readMask(kVcc) >> lane & 1, which == 1u << lane) << std::hex << bits << " " << lane;
    }
  }
}

TEST(VectorTest, DivisionIsExact) {
  // As code generators write it; every instruction has to be right for every result to be.
  const char *code = R"(v_div_scale_f32 v4, s[2:3], v2, v2, v1
    v_rcp_f32 v5, v4
    v_div_scale_f32 v6, vcc, v1, v2, v1
    v_fma_f32 v7, -v4, v5, 1.0
    v_fmac_f32 v5, v7, v5
    v_mul_f32 v7, v6, v5
    v_fma_f32 v8, -v4, v7, v6
    v_fmac_f32 v7, v8, v5
    v_fma_f32 v4, -v4, v7, v6
    v_div_fmas_f32 v4, v4, v5, v7
    v_div_fixup_f32 v3, v4, v2, v1)";
  std::mt19937 random(7);
  const float special[] = {0.0f, -0.0f, kInfinity, -kInfinity, kNaN, 1, 3, 1e-40f, -1e-45f, 0x1p-126f, 0x1.fffffep127f};
  auto draw = [&] {
    const uint32_t bits = random();
    return random() % 4 == 0 ? special[random() % std::size(special)] : floatOf(bits);
  };
  for (int round = 0; round < 50; ++round) {
    Machine machine;
    machine.fill(1, [&](unsigned) { return bitsOf(draw()); });
    machine.fill(2, [&](unsigned) { return bitsOf(draw()); });
    machine.run(code);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const float x = floatOf(machine.wave.vectors[1][lane]), y = floatOf(machine.wave.vectors[2][lane]);
      const float found = floatOf(machine.wave.vectors[3][lane]), quotient = x / y;
      EXPECT_TRUE(bitsOf(found) == bitsOf(quotient) || (std::isnan(found) && std::isnan(quotient)))
          << x << " / " << y << ": " << found << " instead of " << quotient;
    }
  }
}

TEST(VectorTest, Exchanges) {
  Machine machine;
  machine.fill(1, [](unsigned lane) { return 100 + lane; });
  machine.fill(2, [](unsigned lane) { return 4 * (63 - lane); });
  auto expect = [&](const std::string &code, auto from) {
    machine.run(code);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      EXPECT_EQ(machine.wave.vectors[3][lane], 100 + from(lane)) << code << ": lane " << lane;
    }
  };
  expect("ds_bpermute_b32 v3, v2, v1", [](unsigned lane) { return 63 - lane; });
  expect("ds_bpermute_b32 v3, v2, v1 offset:8", [](unsigned lane) { return (65 - lane) % 64; });
  for (unsigned mask : {1, 2, 3, 5, 8, 16, 31}) {
    expect("ds_swizzle_b32 v3, v1 offset:" + std::to_string(mask << 10 | 0x1f),
           [&](unsigned lane) { return lane ^ mask; });
  }
  expect("ds_swizzle_b32 v3, v1 offset:swizzle(BROADCAST,4,1)", [](unsigned lane) { return (lane & ~3u) | 1; });
  machine.run("ds_swizzle_b32 v3, v1 offset:swizzle(QUAD_PERM,0,1,2,3)");
  EXPECT_EQ(machine.wave.failure, "expected a swizzle of bit masks");

  Machine other;
  other.fill(1, [](unsigned lane) { return 100 + lane; });
  other.wave.writeMask(kExec, 0xfffffffffffffff0);
  other.run("v_readfirstlane_b32 s2, v1\n v_readlane_b32 s3, v1, 2\n v_writelane_b32 v1, 17, 3\n"
            "ds_swizzle_b32 v3, v1 offset:swizzle(SWAP,4)");
  EXPECT_EQ(other.wave.scalars[2], 104u);
  EXPECT_EQ(other.wave.scalars[3], 102u);
  EXPECT_EQ(other.wave.vectors[1][3], 17u);
  EXPECT_EQ(other.wave.vectors[3][5], 0u) << "of a lane that is not active";
  EXPECT_EQ(other.wave.vectors[3][40], 144u);
  other.wave.writeMask(kExec, 0);
  other.run("v_readfirstlane_b32 s2, v1");
  EXPECT_EQ(other.wave.scalars[2], 100u);
}

TEST(VectorTest, LaneNumbers) {
  Machine machine;
  machine.run("v_mbcnt_lo_u32_b32 v1, -1, 0\n v_mbcnt_hi_u32_b32 v1, -1, v1\n v_mbcnt_lo_u32_b32 v2, 12, 5");
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    EXPECT_EQ(machine.wave.vectors[1][lane], lane);
    EXPECT_EQ(machine.wave.vectors[2][lane], 5 + (lane > 2) + (lane > 3));
  }
}

} // namespace
