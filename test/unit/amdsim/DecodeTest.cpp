// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every row of the tables is an instruction; what is none of them, or has something that they do not know, is refused.
#include "Assembler.h"

using namespace amdsim;
using namespace amdsim::test;

namespace {

/// Rows whose operands cannot be told from their slots: some want a literal, an accumulation register or VCC.
const std::map<std::string, std::string> kSamples = {
    {"s_nop", "s_nop 0"},
    {"s_sleep", "s_sleep 1"},
    {"s_setprio", "s_setprio 1"},
    {"s_waitcnt", "s_waitcnt vmcnt(0) lgkmcnt(3)"},
    {"buffer_inv", "buffer_inv sc1"},
    {"buffer_wbl2", "buffer_wbl2 sc1"},
    {"v_fmamk_f32", "v_fmamk_f32 v1, v2, 0x12345, v3"},
    {"v_fmaak_f32", "v_fmaak_f32 v1, v2, v3, 0x12345"},
    {"v_writelane_b32", "v_writelane_b32 v1, s2, 3"},
    {"v_accvgpr_read_b32", "v_accvgpr_read_b32 v1, a2"},
    {"v_accvgpr_write_b32", "v_accvgpr_write_b32 a1, v2"},
    {"v_accvgpr_mov_b32", "v_accvgpr_mov_b32 a1, a2"},
};

std::string spellOperand(const Row &row, size_t number) {
  const Slot &slot = row.slots[number];
  if (slot.banks == constant) {
    return "65535"; // a jump to itself
  }
  if (slot.banks & off && slot.words == 1) {
    return "off";
  }
  const bool isVector = slot.banks & vector;
  const unsigned first = (isVector ? 8 : 16) * (unsigned(number) + 1); // aligned
  const std::string name = isVector ? "v" : "s";
  return slot.words < 2 ? name + std::to_string(first)
                        : name + "[" + std::to_string(first) + ":" + std::to_string(first + slot.words - 1) + "]";
}

std::string spell(const Row &row) {
  auto sample = kSamples.find(row.name);
  if (sample != kSamples.end()) {
    return sample->second;
  }
  std::string code = row.name;
  for (size_t i = 0; i < row.slots.size(); ++i) {
    code += (i ? ", " : " ") + spellOperand(row, i);
  }
  const bool returns =
      code.rfind("global_atomic", 0) == 0 && std::string(row.modifiers).find("sc0") != std::string::npos;
  return returns ? code + " sc0" : code;
}

TEST(DecodeTest, EveryRowIsAnInstruction) {
  size_t count = 0;
  for (std::span<const Row> family :
       {getControlRows(), getScalarRows(), getIntegerRows(), getFloatRows(), getCompareRows(), getExchangeRows(),
        getMemoryRows(), getLocalRows(), getMatrixRows()}) {
    for (const Row &row : family) {
      const std::string code = spell(row);
      const std::vector<Instruction> decoded = program(code);
      ASSERT_EQ(decoded.size(), 1u) << code;
      EXPECT_EQ(decoded[0].row, &row) << code << " became " << decoded[0].text;
      ++count;
    }
  }
  EXPECT_GT(count, 250u);
}

TEST(DecodeTest, OperandsAndModifiers) {
  const std::vector<Instruction> decoded =
      program("v_fma_f32 v1, -v2, |s3|, 0.5\n global_load_dword v1, v[2:3], off offset:-16 sc1\n"
              "ds_read2_b32 v[4:5], v6 offset0:3 offset1:7\n s_cmp_lg_u64 s[2:3], vcc\n v_cmp_lt_f32 s[4:5], v1, -v2");
  ASSERT_EQ(decoded.size(), 5u);
  EXPECT_EQ(decoded[0].name, "v_fma_f32");
  EXPECT_TRUE(decoded[0].operands[1].isNegated);
  EXPECT_TRUE(decoded[0].operands[2].isAbsolute);
  EXPECT_EQ(decoded[0].operands[3].bits, bitsOf(0.5f));
  EXPECT_EQ(decoded[1].shift, -16);
  EXPECT_EQ(decoded[1].operands[2].bank, off);
  EXPECT_EQ(decoded[2].shift, 3);
  EXPECT_EQ(decoded[2].otherShift, 7);
  EXPECT_EQ(decoded[3].operands[1].first, kVcc);
  EXPECT_EQ(decoded[3].offset, 24u);
}

TEST(DecodeTest, WhatIsNotKnown) {
  EXPECT_EQ(refusal("s_nop 0\n v_sin_f32 v1, v2"),
            "byte 0x4: v_sin_f32_e32 v1, v2: this instruction is not implemented");
  EXPECT_EQ(refusal("v_add_f32 v1, v2, v3 clamp"),
            "byte 0x0: v_add_f32_e64 v1, v2, v3 clamp: the modifier clamp is not implemented");
  EXPECT_EQ(refusal("v_mul_f32 v1, v2, v3 mul:2"),
            "byte 0x0: v_mul_f32_e64 v1, v2, v3 mul:2: the modifier mul is not implemented");
  EXPECT_EQ(refusal("v_mov_b32_dpp v1, v2 row_shl:1 row_mask:0xf bank_mask:0xf"),
            "byte 0x0: v_mov_b32_dpp v1, v2 row_shl:1 row_mask:0xf bank_mask:0xf: this instruction is not implemented");
  EXPECT_EQ(refusal("v_or_b32_sdwa v1, v2, v3 dst_sel:WORD_1 src0_sel:WORD_1 src1_sel:DWORD"),
            "byte 0x0: v_or_b32_sdwa v1, v2, v3 dst_sel:WORD_1 dst_unused:UNUSED_PRESERVE src0_sel:WORD_1 "
            "src1_sel:DWORD: a result that is a part of a register is not implemented");
  EXPECT_EQ(refusal("v_mfma_f32_16x16x4_f32 v[0:3], v4, v5, v[0:3] cbsz:1"),
            "byte 0x0: v_mfma_f32_16x16x4_f32 v[0:3], v4, v5, v[0:3] cbsz:1: the modifier cbsz is not implemented");
  EXPECT_EQ(refusal("s_mov_b32 s0, src_shared_base"),
            "byte 0x0: s_mov_b32 s0, src_shared_base: the operand src_shared_base is not implemented");
  EXPECT_EQ(refusal("s_mov_b64 s[0:1], 0xffffffff"),
            "byte 0x0: s_mov_b64 s[0:1], 0xffffffff: operand 1 is a literal of "
            "which it is not known how it is extended");
  EXPECT_EQ(refusal("v_cvt_f32_f16 v1, 1.0"), "byte 0x0: v_cvt_f32_f16_e32 v1, 1.0: operand 1 is a number of 16 bits");
  EXPECT_EQ(refusal("s_branch 5\n s_nop 0"), "byte 0x0: s_branch 5: expected to jump to an instruction");
  EXPECT_EQ(refusal("v_add_f32 v1, v2, v24", {.vectors = 24, .accumulators = 0}),
            "byte 0x0: v_add_f32_e32 v1, v2, v24: operand 2 is beyond the 24 registers of the kernel");
  EXPECT_EQ(refusal("v_accvgpr_write_b32 a8, v2", {.vectors = 24, .accumulators = 8}),
            "byte 0x0: v_accvgpr_write_b32 a8, v2: operand 0 is beyond the 8 registers of the kernel");
  std::string error;
  EXPECT_FALSE(decode(std::vector<uint8_t>{0xff, 0xff, 0xff, 0xff}, "gfx942", {}, error));
  EXPECT_EQ(error, "byte 0x0: : expected an instruction");
}

} // namespace
