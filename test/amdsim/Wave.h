// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The state of a wave, and of the work-group that it is in.
#ifndef RWKV_TEST_AMDSIM_WAVE_H
#define RWKV_TEST_AMDSIM_WAVE_H

#include "Instruction.h"
#include "Memory.h"

#include <cstring>
#include <memory>

namespace amdsim {

/// What is read before it was written: a NaN of every type, or -1.
constexpr uint8_t kPoison = 0xff;

/// A work-group.
struct Group {
  const Memory *memory;
  std::vector<uint8_t> local; // memory that its waves share
  uint64_t writes = 0;        // to any memory, so far
};

class Wave {
public:
  /// `privateBytes` is memory of each lane's own. Registers hold poison.
  Wave(Group &group, unsigned privateBytes)
      : group(group), privateBytes(privateBytes), own(size_t(privateBytes) * kLanes, kPoison),
        vectors(new uint32_t[kVectors][kLanes]) {
    std::memset(scalars, kPoison, sizeof(scalars));
    std::memset(vectors.get(), kPoison, sizeof(uint32_t[kVectors][kLanes]));
  }

  uint64_t readMask(unsigned first) const { return scalars[first] | uint64_t(scalars[first + 1]) << 32; }
  void writeMask(unsigned first, uint64_t value) {
    scalars[first] = uint32_t(value);
    scalars[first + 1] = uint32_t(value >> 32);
  }
  uint64_t exec() const { return readMask(kExec); }
  bool isActive(unsigned lane) const { return exec() >> lane & 1; }

  uint32_t readScalar(const Operand &operand, unsigned word = 0) const {
    return operand.bank == constant ? uint32_t(operand.bits >> 32 * word) : scalars[operand.first + word];
  }
  uint64_t readScalarPair(const Operand &operand) const {
    return readScalar(operand) | uint64_t(readScalar(operand, 1)) << 32;
  }

  /// The wave cannot go on.
  void fail(std::string reason) {
    if (failure.empty()) {
      failure = std::move(reason);
    }
  }

  Group &group;
  unsigned privateBytes;
  std::vector<uint8_t> own; // of the lanes, one after the other
  uint32_t scalars[kScalars];
  std::unique_ptr<uint32_t[][kLanes]> vectors;
  bool scc = false;
  unsigned pc = 0; // number of the next instruction
  std::string failure;
  const Region *recent = nullptr; // memory that was accessed last
};

} // namespace amdsim

#endif // RWKV_TEST_AMDSIM_WAVE_H
