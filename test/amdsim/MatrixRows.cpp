// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix products of a wave: D = A B + C, sums in f32, one multiply-add after the other.
#include "Wave.h"

#include <bit>
#include <cmath>

using namespace amdsim;

namespace {

struct F32 {
  static constexpr unsigned kPerWord = 1;
  static float read(uint32_t word, unsigned) { return std::bit_cast<float>(word); }
};
struct BF16 {
  static constexpr unsigned kPerWord = 2;
  static float read(uint32_t word, unsigned part) {
    return std::bit_cast<float>(part ? word & 0xffff0000 : word << 16);
  }
};
struct F16 {
  static constexpr unsigned kPerWord = 2;
  static float read(uint32_t word, unsigned part) {
    return float(std::bit_cast<_Float16>(uint16_t(word >> 16 * part)));
  }
};

/// A (m x k) and B (k x m) are dealt out to lanes along m, then along k, some elements of a lane following each other;
/// of C and D a lane has a column, four rows following each other. All lanes take part, whatever EXEC says.
template <unsigned m, unsigned k, typename Element> void multiply(Wave &wave, const Instruction &instruction) {
  constexpr unsigned kGroups = kLanes / m, kEach = k / kGroups, kSums = m * m / kLanes;
  const Operand &result = instruction.operands[0], &left = instruction.operands[1], &right = instruction.operands[2],
                &sum = instruction.operands[3];
  float a[m][k], b[k][m], d[kSums][kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    for (unsigned i = 0; i < kEach; ++i) {
      const unsigned word = i / Element::kPerWord, part = i % Element::kPerWord, at = lane / m * kEach + i;
      a[lane % m][at] = Element::read(wave.vectors[left.first + word][lane], part);
      b[at][lane % m] = Element::read(wave.vectors[right.first + word][lane], part);
    }
  }
  for (unsigned i = 0; i < kSums; ++i) {
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const unsigned row = 4 * kGroups * (i / 4) + 4 * (lane / m) + i % 4;
      float total = std::bit_cast<float>(sum.bank == constant ? uint32_t(sum.bits) : wave.vectors[sum.first + i][lane]);
      for (unsigned at = 0; at < k; ++at) {
        total = std::fma(a[row][at], b[at][lane % m], total);
      }
      d[i][lane] = total;
    }
  }
  std::memcpy(wave.vectors[result.first], d, sizeof(d));
}

template <unsigned m, unsigned k, typename Element> struct Product {
  static constexpr uint8_t kWords = m * k / kLanes / Element::kPerWord, kSums = m * m / kLanes;
  static constexpr Slot slots[] = {{vector, kSums}, {vector, kWords}, {vector, kWords}, {vector | constant, kSums}};
  static constexpr Row makeRow(const char *name) { return {name, multiply<m, k, Element>, slots}; }
};

constexpr Row rows[] = {
    Product<16, 4, F32>::makeRow("v_mfma_f32_16x16x4_f32"),
    Product<32, 2, F32>::makeRow("v_mfma_f32_32x32x2_f32"),
    Product<16, 16, BF16>::makeRow("v_mfma_f32_16x16x16_bf16"),
    Product<16, 16, F16>::makeRow("v_mfma_f32_16x16x16_f16"),
    Product<32, 8, BF16>::makeRow("v_mfma_f32_32x32x8_bf16"),
    Product<32, 8, F16>::makeRow("v_mfma_f32_32x32x8_f16"),
};

} // namespace

std::span<const Row> amdsim::getMatrixRows() { return rows; }
