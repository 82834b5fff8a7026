// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Running a kernel: work-groups on threads, the waves of a group in turn.
#ifndef RWKV_TEST_AMDSIM_RUN_H
#define RWKV_TEST_AMDSIM_RUN_H

#include "CodeObject.h"
#include "Memory.h"

namespace amdsim {

struct Launch {
  const Kernel *kernel;
  int64_t groups;
  unsigned lanes;         // of a group: whole waves
  uint64_t localBytes;    // of a group, besides those that the kernel says
  const void *parameters; // a region of the memory
  unsigned threads;       // of this machine
};

/// Runs all work-groups; false if one of them cannot go on: `error` says why, and the others ran in part.
bool run(const Memory &memory, const Launch &launch, std::string &error);

} // namespace amdsim

#endif // RWKV_TEST_AMDSIM_RUN_H
