// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Instructions as they are executed, and the rows of the tables that say how.
#ifndef RWKV_TEST_AMDSIM_INSTRUCTION_H
#define RWKV_TEST_AMDSIM_INSTRUCTION_H

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace amdsim {

constexpr unsigned kLanes = 64; // of a wave

/// Scalar registers with names of their own. Masks of lanes are two registers.
constexpr unsigned kVcc = 106, kM0 = 124, kExec = 126, kScalars = 128;
/// Accumulation registers a0, a1, .. follow v0 .. v255.
constexpr unsigned kFirstAccumulator = 256, kVectors = 512;

enum Bank : uint8_t { vector = 1, scalar = 2, constant = 4, off = 8 };

struct Operand {
  Bank bank = off;
  unsigned first = 0, words = 0; // registers
  uint64_t bits = 0;             // of a constant
  bool isReal = false;           // a constant like 0.5, whose bits depend on the width of the operand
  double real = 0;
  bool isNegated = false, isAbsolute = false;
  unsigned shift = 0; // of a part of the register, the lowest bit
  uint32_t mask = ~0u;
};

/// What may stand at one place of an instruction's operands.
struct Slot {
  uint8_t banks;       // a set of Bank
  uint8_t words;       // registers; 0: as many as there are
  bool isReal = false; // may be negated
  bool isHalf = false; // 16 bits of a register
};

class Wave;
struct Instruction;
using Execute = void (*)(Wave &wave, const Instruction &instruction);

/// How an instruction is executed.
struct Row {
  /// What becomes of the wave after it.
  enum class Next : uint8_t { goesOn, mayJump, sleeps, waits, ends };

  const char *name; // without the suffix of an encoding: _e32, _e64 or _sdwa
  Execute execute;
  std::span<const Slot> slots = {};
  const char *modifiers = ""; // that it may have, each followed by a space
  Next next = Next::goesOn;
  bool takesAnything = false; // operands and modifiers do not matter
  size_t firstSource = 0;     // among the slots, of a function of lanes
};

struct Instruction {
  std::string text; // in the assembler's language
  std::string name;
  std::vector<Operand> operands;
  std::map<std::string, std::string> modifiers;
  unsigned offset = 0, size = 0; // bytes, in the program
  uint32_t word = 0;             // the first one of the encoding
  bool hasParts = false;         // operands are parts of registers: _sdwa
  const Row *row = nullptr;
  // What execution needs of the modifiers.
  int64_t shift = 0, otherShift = 0; // offset or offset0, offset1: in bytes, or elements if there are two
  bool returns = false;              // sc0: an atomic gives what was there
  unsigned target = 0;               // of a jump: number of an instruction
};

/// All rows of a family.
std::span<const Row> getControlRows();
std::span<const Row> getScalarRows();
std::span<const Row> getIntegerRows();
std::span<const Row> getFloatRows();
std::span<const Row> getCompareRows();
std::span<const Row> getExchangeRows();
std::span<const Row> getMemoryRows();
std::span<const Row> getLocalRows();
std::span<const Row> getMatrixRows();

} // namespace amdsim

#endif // RWKV_TEST_AMDSIM_INSTRUCTION_H
