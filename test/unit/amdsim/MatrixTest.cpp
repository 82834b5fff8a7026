// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix instructions against the tables that the compiler uses: rows of MatrixInstructions.inc.
#include "Assembler.h"
#include "test/unit/lowering/MatrixInstructions.h"

#include <cmath>
#include <random>

using namespace amdsim;
using namespace amdsim::test;

namespace {

struct Element {
  unsigned bits;
  uint32_t (*encode)(float value);
};
const Element kF32{32, [](float value) { return bitsOf(value); }};
const Element kBF16{16, [](float value) { return bitsOf(value) >> 16; }};
const Element kF16{16, [](float value) { return uint32_t(std::bit_cast<uint16_t>(_Float16(value))); }};

void check(const char *code, const char *row, const Element &element) {
  const rwkv::MatrixInstruction &instruction = rwkv::getInstruction(row);
  ASSERT_EQ(instruction.operandBits, element.bits);
  Machine machine;
  std::mt19937 random(3);
  // Few bits: exact in every type, and so are the sums.
  auto draw = [&] { return float(int(random() % 17) - 8) / 4; };
  const unsigned m = instruction.m, n = instruction.n, k = instruction.k;
  std::vector<float> a(m * k), b(k * n), c(m * n);
  for (std::vector<float> *matrix : {&a, &b, &c}) {
    for (float &value : *matrix) {
      value = draw();
    }
  }
  auto fill = [&](unsigned reg, const rwkv::FragmentBases &bases, const std::vector<float> &matrix, unsigned columns,
                  const Element &type) {
    const unsigned each = 32 / type.bits;
    for (unsigned word = 0; word < bases.countRegisters() / each; ++word) {
      machine.fill(reg + word, [&](unsigned lane) {
        uint32_t bits = 0;
        for (unsigned part = 0; part < each; ++part) {
          const rwkv::Coord at = bases.at(word * each + part, lane);
          bits |= type.encode(matrix[at.row * columns + at.column]) << (part * type.bits);
        }
        return bits;
      });
    }
  };
  fill(20, instruction.a, a, k, element);
  fill(30, instruction.b, b, n, element);
  fill(40, instruction.c, c, n, kF32);
  machine.wave.writeMask(kExec, 1); // all lanes take part nevertheless
  machine.run(code);
  for (unsigned reg = 0; reg < instruction.c.countRegisters(); ++reg) {
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const rwkv::Coord at = instruction.c.at(reg, lane);
      float expected = c[at.row * n + at.column];
      for (unsigned i = 0; i < k; ++i) {
        expected += a[at.row * k + i] * b[i * n + at.column];
      }
      EXPECT_EQ(floatOf(machine.wave.vectors[40 + reg][lane]), expected)
          << code << ": row " << at.row << ", column " << at.column;
    }
  }
}

TEST(MatrixTest, RowsOfTheTable) {
  check("v_mfma_f32_16x16x4_f32 v[40:43], v20, v30, v[40:43]", "mfma.16x16x4.f32", kF32);
  check("v_mfma_f32_16x16x16_bf16 v[40:43], v[20:21], v[30:31], v[40:43]", "mfma.16x16x16", kBF16);
  check("v_mfma_f32_16x16x16_f16 v[40:43], v[20:21], v[30:31], v[40:43]", "mfma.16x16x16", kF16);
  check("v_mfma_f32_32x32x8_bf16 v[40:55], v[20:21], v[30:31], v[40:55]", "mfma.32x32x8", kBF16);
  check("v_mfma_f32_32x32x8_f16 v[40:55], v[20:21], v[30:31], v[40:55]", "mfma.32x32x8", kF16);
}

TEST(MatrixTest, SumsAreRoundedOneByOne) {
  Machine machine;
  machine.fill(1, bitsOf(1 + 0x1p-12f));
  machine.fill(2, bitsOf(1 + 0x1p-12f));
  machine.run("v_mfma_f32_16x16x4_f32 v[4:7], v1, v2, -1.0\n v_mfma_f32_16x16x4_f32 a[0:3], v1, v2, -1.0\n"
              "v_mfma_f32_16x16x4_f32 a[0:3], v1, v2, a[0:3]");
  float sum = -1;
  for (int i = 0; i < 4; ++i) {
    sum = std::fma(1 + 0x1p-12f, 1 + 0x1p-12f, sum);
  }
  EXPECT_EQ(floatOf(machine.wave.vectors[7][63]), sum);
  for (int i = 0; i < 4; ++i) {
    sum = std::fma(1 + 0x1p-12f, 1 + 0x1p-12f, sum);
  }
  EXPECT_EQ(floatOf(machine.wave.vectors[kFirstAccumulator][0]), sum);
}

} // namespace
