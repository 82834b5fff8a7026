// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From machine code to instructions: LLVM's disassembler writes them as text, which is taken apart and given a row.
#ifndef RWKV_TEST_AMDSIM_DECODE_H
#define RWKV_TEST_AMDSIM_DECODE_H

#include "Instruction.h"

#include <optional>

namespace amdsim {

/// Registers that a kernel may use.
struct Registers {
  unsigned vectors = 256, accumulators = 256;
};

/// All instructions of the code, for a chip by LLVM's name. Nothing if one of them cannot be executed; `error` then
/// says which one, where, and why.
std::optional<std::vector<Instruction>> decode(std::span<const uint8_t> code, const char *chip,
                                               const Registers &registers, std::string &error);

/// "byte 0x8: s_nop 0: ", for messages.
std::string locate(const Instruction &instruction);

} // namespace amdsim

#endif // RWKV_TEST_AMDSIM_DECODE_H
