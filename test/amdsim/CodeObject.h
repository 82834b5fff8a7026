// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Code objects: ELF files with kernels and their descriptors.
#ifndef RWKV_TEST_AMDSIM_CODEOBJECT_H
#define RWKV_TEST_AMDSIM_CODEOBJECT_H

#include "Instruction.h"

#include <optional>

namespace amdsim {

struct Kernel {
  explicit Kernel(std::string name) : name(std::move(name)) {}

  std::string name;
  std::vector<Instruction> program;
  uint32_t localBytes = 0;   // of a work-group, before those of a launch
  uint32_t privateBytes = 0; // of a lane
  uint32_t parameterBytes = 0;
  unsigned parameters = kScalars;  // the scalar register of their address, if it has one
  unsigned groupNumber = kScalars; // the one of the work-group's number, if it has one
};

/// All kernels of a code object. Nothing if there is something in it that is not known: `error` says what.
std::optional<std::vector<Kernel>> readCodeObject(std::span<const uint8_t> file, std::string &error);

} // namespace amdsim

#endif // RWKV_TEST_AMDSIM_CODEOBJECT_H
