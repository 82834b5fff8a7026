// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar instructions: what they write, and the condition.
#include "Assembler.h"

using namespace amdsim;
using namespace amdsim::test;

namespace {

/// x lies in s[2:3], y in s[4:5], the result in s6 or s[6:7].
struct Case {
  const char *code;
  uint64_t x, y;
  bool scc;
  uint64_t result;
  bool sccAfter;
};

void check(const Case &each) {
  Machine machine;
  Wave &wave = machine.wave;
  wave.writeMask(2, each.x);
  wave.writeMask(4, each.y);
  wave.writeMask(6, 0);
  wave.scc = each.scc;
  machine.run(each.code);
  EXPECT_EQ(wave.readMask(6), each.result) << each.code << std::hex << " of " << each.x << ", " << each.y;
  EXPECT_EQ(wave.scc, each.sccAfter) << each.code << std::hex << " of " << each.x << ", " << each.y;
}

TEST(ScalarTest, Sums) {
  constexpr uint64_t kMost = 0xffffffff, kLow = 0x80000000;
  for (const Case &each : {
           Case{"s_add_u32 s6, s2, s4", kMost, 1, false, 0, true},
           Case{"s_add_u32 s6, s2, s4", 2, 3, true, 5, false},
           Case{"s_addc_u32 s6, s2, s4", kMost, 0, true, 0, true},
           Case{"s_addc_u32 s6, s2, s4", kMost, kMost, true, kMost, true},
           Case{"s_addc_u32 s6, s2, s4", 7, 8, false, 15, false},
           Case{"s_sub_u32 s6, s2, s4", 3, 5, false, 0xfffffffe, true},
           Case{"s_sub_u32 s6, s2, s4", 5, 5, true, 0, false},
           Case{"s_subb_u32 s6, s2, s4", 5, 5, true, kMost, true},
           Case{"s_subb_u32 s6, s2, s4", 5, kMost, true, 5, true},
           Case{"s_add_i32 s6, s2, s4", 0x7fffffff, 1, false, kLow, true},
           Case{"s_add_i32 s6, s2, s4", kMost, 1, true, 0, false},
           Case{"s_sub_i32 s6, s2, s4", kLow, 1, false, 0x7fffffff, true},
           Case{"s_addk_i32 s6, 0x8000", 0, 0, true, 0xffff8000, false},
           Case{"s_mul_i32 s6, s2, s4", 0x10001, 0x10001, true, 0x20001, true},
           Case{"s_mulk_i32 s6, 0x7", 0, 0, true, 0, true},
           Case{"s_mul_hi_u32 s6, s2, s4", kMost, kMost, false, 0xfffffffe, false},
           Case{"s_mul_hi_i32 s6, s2, s4", kMost, 2, false, kMost, false},
           Case{"s_lshl1_add_u32 s6, s2, s4", kLow, 1, false, 1, true},
           Case{"s_lshl2_add_u32 s6, s2, s4", 3, 1, true, 13, false},
           Case{"s_lshl3_add_u32 s6, s2, s4", 3, 1, true, 25, false},
           Case{"s_lshl4_add_u32 s6, s2, s4", 3, kMost, false, 47, true},
           Case{"s_min_i32 s6, s2, s4", kMost, 1, false, kMost, true},
           Case{"s_min_u32 s6, s2, s4", kMost, 1, true, 1, false},
           Case{"s_max_i32 s6, s2, s4", kMost, 1, true, 1, false},
           Case{"s_max_u32 s6, s2, s4", kMost, 1, false, kMost, true},
           Case{"s_abs_i32 s6, s2", 0xfffffffb, 0, false, 5, true},
           Case{"s_abs_i32 s6, s2", kLow, 0, false, kLow, true},
       }) {
    check(each);
  }
}

TEST(ScalarTest, Bits) {
  for (const Case &each : {
           Case{"s_mov_b32 s6, s2", 0x12345678, 0, true, 0x12345678, true},
           Case{"s_mov_b64 s[6:7], s[2:3]", 0x123456789, 0, true, 0x123456789, true},
           Case{"s_mov_b32 s6, 1.0", 0, 0, true, 0x3f800000, true},
           Case{"s_mov_b64 s[6:7], 1.0", 0, 0, true, 0x3ff0000000000000, true},
           Case{"s_mov_b64 s[6:7], -5", 0, 0, true, ~uint64_t(4), true},
           Case{"s_movk_i32 s6, 0xfffe", 0, 0, false, 0xfffffffe, false},
           Case{"s_cselect_b32 s6, s2, s4", 1, 2, true, 1, true},
           Case{"s_cselect_b64 s[6:7], s[2:3], s[4:5]", 1, 0x200000000, false, 0x200000000, false},
           Case{"s_and_b32 s6, s2, s4", 0xf0f0, 0xff00, false, 0xf000, true},
           Case{"s_and_b32 s6, s2, s4", 0xf0, 0xf, true, 0, false},
           Case{"s_and_b64 s[6:7], s[2:3], s[4:5]", 0xf00000000, 0x300000001, false, 0x300000000, true},
           Case{"s_or_b64 s[6:7], s[2:3], s[4:5]", 0, 0, true, 0, false},
           Case{"s_xor_b64 s[6:7], s[2:3], -1", 1, 0, false, ~uint64_t(1), true},
           Case{"s_andn2_b64 s[6:7], s[2:3], s[4:5]", 7, 5, false, 2, true},
           Case{"s_orn2_b32 s6, s2, s4", 1, 0xffff0000, false, 0xffff, true},
           Case{"s_nand_b32 s6, s2, s4", 0xffffffff, 0xffffffff, true, 0, false},
           Case{"s_nor_b64 s[6:7], s[2:3], s[4:5]", 1, 2, false, ~uint64_t(3), true},
           Case{"s_xnor_b32 s6, s2, s4", 3, 3, false, 0xffffffff, true},
           Case{"s_not_b32 s6, s2", 0xffffffff, 0, true, 0, false},
           Case{"s_not_b64 s[6:7], s[2:3]", 0, 0, false, ~uint64_t(0), true},
           Case{"s_lshl_b32 s6, s2, s4", 3, 33, false, 6, true},
           Case{"s_lshr_b32 s6, s2, s4", 1, 1, true, 0, false},
           Case{"s_ashr_i32 s6, s2, s4", 0x80000000, 31, false, 0xffffffff, true},
           Case{"s_lshl_b64 s[6:7], s[2:3], s4", 1, 40, false, uint64_t(1) << 40, true},
           Case{"s_lshr_b64 s[6:7], s[2:3], s4", uint64_t(1) << 40, 40, false, 1, true},
           Case{"s_ashr_i64 s[6:7], s[2:3], s4", ~uint64_t(15), 2, false, ~uint64_t(3), true},
           Case{"s_bfe_u32 s6, s2, s4", 0xabcd, 0x80004, false, 0xbc, true},
           Case{"s_bfe_u32 s6, s2, s4", 0xabcd, 0, true, 0, false},
           Case{"s_bfe_i32 s6, s2, s4", 0xabcd, 0x80004, false, 0xffffffbc, true},
           Case{"s_bfe_u64 s[6:7], s[2:3], s4", 0xabcd00000000, 0x80024, false, 0xbc, true},
           Case{"s_bfm_b32 s6, s2, s4", 4, 8, true, 0xf00, true},
           Case{"s_mov_b32 s6, -1\n s_bitset0_b32 s6, s2", 36, 0, true, 0xffffffef, true},
           Case{"s_bitset1_b32 s6, s2", 31, 0, true, 0x80000000, true},
           Case{"s_brev_b32 s6, s2", 1, 0, true, 0x80000000, true},
           Case{"s_brev_b64 s[6:7], s[2:3]", 2, 0, true, uint64_t(1) << 62, true},
           Case{"s_bcnt1_i32_b32 s6, s2", 0xf0f, 0, false, 8, true},
           Case{"s_bcnt1_i32_b64 s6, s[2:3]", ~uint64_t(0), 0, false, 64, true},
           Case{"s_ff1_i32_b32 s6, s2", 0x50, 0, true, 4, true},
           Case{"s_ff1_i32_b64 s6, s[2:3]", 0, 0, true, 0xffffffff, true},
           Case{"s_flbit_i32_b32 s6, s2", 0x50, 0, true, 25, true},
           Case{"s_sext_i32_i8 s6, s2", 0x180, 0, true, 0xffffff80, true},
           Case{"s_sext_i32_i16 s6, s2", 0x18000, 0, true, 0xffff8000, true},
           Case{"s_pack_ll_b32_b16 s6, s2, s4", 0x11112222, 0x33334444, true, 0x44442222, true},
           Case{"s_pack_hh_b32_b16 s6, s2, s4", 0x11112222, 0x33334444, true, 0x33331111, true},
       }) {
    check(each);
  }
}

TEST(ScalarTest, Conditions) {
  for (const Case &each : {
           Case{"s_cmp_eq_u32 s2, s4", 5, 5, false, 0, true},
           Case{"s_cmp_lg_i32 s2, s4", 5, 5, true, 0, false},
           Case{"s_cmp_lt_i32 s2, s4", 0xffffffff, 0, false, 0, true},
           Case{"s_cmp_lt_u32 s2, s4", 0xffffffff, 0, true, 0, false},
           Case{"s_cmp_ge_u32 s2, s4", 0xffffffff, 0, false, 0, true},
           Case{"s_cmp_gt_i32 s2, s4", 1, 1, true, 0, false},
           Case{"s_cmp_le_i32 s2, s4", 1, 1, false, 0, true},
           Case{"s_cmpk_lt_i32 s2, 0xffff", 0xfffffffe, 0, false, 0, true},
           Case{"s_cmpk_lt_u32 s2, 0xffff", 0xfffffffe, 0, true, 0, false},
           Case{"s_cmpk_gt_u32 s2, 0x7f", 0x80, 0, false, 0, true},
           Case{"s_cmp_eq_u64 s[2:3], s[4:5]", 0x100000000, 0, true, 0, false},
           Case{"s_cmp_lg_u64 s[2:3], s[4:5]", 0x100000000, 0, false, 0, true},
           Case{"s_bitcmp1_b32 s2, s4", 0x10, 4, false, 0, true},
           Case{"s_bitcmp0_b32 s2, s4", 0x10, 36, true, 0, false},
       }) {
    check(each);
  }
}

TEST(ScalarTest, ActiveLanes) {
  for (const auto &[code, exec] : {std::pair("s_and_saveexec_b64 s[6:7], s[2:3]", uint64_t(0x0c)),
                                   std::pair("s_or_saveexec_b64 s[6:7], s[2:3]", uint64_t(0x3f)),
                                   std::pair("s_xor_saveexec_b64 s[6:7], s[2:3]", uint64_t(0x33)),
                                   std::pair("s_andn2_saveexec_b64 s[6:7], s[2:3]", uint64_t(0x30)),
                                   std::pair("s_orn2_saveexec_b64 s[6:7], s[2:3]", ~uint64_t(0x03))}) {
    Machine machine;
    machine.wave.writeMask(kExec, 0x0f);
    machine.wave.writeMask(2, 0x3c);
    machine.run(code);
    EXPECT_EQ(machine.wave.exec(), exec) << code;
    EXPECT_EQ(machine.wave.readMask(6), 0x0fu) << code;
    EXPECT_TRUE(machine.wave.scc) << code;
  }
}

TEST(ScalarTest, Jumps) {
  struct Jump {
    const char *name;
    bool scc;
    uint64_t vcc, exec;
    bool jumps;
  };
  for (const Jump &each :
       {Jump{"s_branch", false, 0, 0, true}, Jump{"s_cbranch_scc0", false, 0, 0, true},
        Jump{"s_cbranch_scc0", true, 0, 0, false}, Jump{"s_cbranch_scc1", true, 0, 0, true},
        Jump{"s_cbranch_vccz", false, 0, 1, true}, Jump{"s_cbranch_vccz", false, 1ull << 63, 1, false},
        Jump{"s_cbranch_vccnz", false, 1ull << 63, 0, true}, Jump{"s_cbranch_execz", false, 1, 0, true},
        Jump{"s_cbranch_execnz", false, 1, 0, false}, Jump{"s_cbranch_execnz", false, 0, 1, true}}) {
    Machine machine;
    machine.wave.scc = each.scc;
    machine.wave.writeMask(kVcc, each.vcc);
    machine.wave.writeMask(kExec, each.exec);
    machine.wave.scalars[6] = 0;
    machine.run(std::string(each.name) + " 2\n s_mov_b32 s6, 0x12345\n s_nop 0");
    EXPECT_EQ(machine.wave.scalars[6], each.jumps ? 0u : 0x12345u) << each.name;
  }
  Machine machine;
  machine.wave.scalars[6] = 0;
  machine.run("s_addk_i32 s6, 3\n s_cmp_lt_u32 s6, 10\n s_cbranch_scc1 65533"); // back to the first
  EXPECT_EQ(machine.wave.scalars[6], 12u);
}

} // namespace
