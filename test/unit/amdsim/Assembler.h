// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Instructions from text, by LLVM's assembler, and a wave that executes them.
#ifndef RWKV_TEST_UNIT_AMDSIM_ASSEMBLER_H
#define RWKV_TEST_UNIT_AMDSIM_ASSEMBLER_H

#include "test/amdsim/Decode.h"
#include "test/amdsim/Wave.h"

#include <bit>
#include <functional>
#include <gtest/gtest.h>

namespace amdsim::test {

/// The machine code of some lines; on failure the test fails, and there is none.
std::vector<uint8_t> assemble(const std::string &text);

/// The same, decoded.
std::vector<Instruction> program(const std::string &text);
/// Why it cannot be decoded.
std::string refusal(const std::string &text, const Registers &registers = {});

inline uint32_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }
inline float floatOf(uint32_t bits) { return std::bit_cast<float>(bits); }

/// One wave with some memory.
struct Machine {
  Machine() { wave.writeMask(kExec, ~uint64_t(0)); }

  /// Executes instructions one after the other, jumps included; a barrier or a sleep is passed.
  void run(const std::string &text);
  void fill(unsigned reg, const std::function<uint32_t(unsigned lane)> &value) {
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      wave.vectors[reg][lane] = value(lane);
    }
  }
  void fill(unsigned reg, uint32_t value) {
    fill(reg, [=](unsigned) { return value; });
  }
  uint64_t pair(unsigned reg, unsigned lane) const {
    return wave.vectors[reg][lane] | uint64_t(wave.vectors[reg + 1][lane]) << 32;
  }

  Memory memory;
  Group group{&memory, std::vector<uint8_t>(1024, kPoison)};
  Wave wave{group, /*privateBytes=*/64};
};

} // namespace amdsim::test

#endif // RWKV_TEST_UNIT_AMDSIM_ASSEMBLER_H
