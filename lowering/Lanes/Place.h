// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where the tiles of a kernel lie: those that are never needed at the same time share memory, slots of pipelines and
// then those that are used most come first, and what does not fit in the shared memory goes to the task's part of the
// scratch buffer.
#ifndef RWKV_LOWERING_LANES_PLACE_H
#define RWKV_LOWERING_LANES_PLACE_H

#include "lowering/Lanes/Lanes.h"
#include "lowering/TilePrograms/Lifetimes.h"

namespace rwkv::lanes {

struct MemorySizes {
  int64_t shared = 0, scratch = 0; // bytes
};

/// Replaces all pointers. What lies between two of the `barriers` happens at the same time. `scratch` is the buffer of
/// all tasks, `block` the number of this one in it (index).
MemorySizes placeAllocations(mlir::func::FuncOp function, llvm::ArrayRef<programs::Allocation> allocations,
                             llvm::ArrayRef<mlir::Operation *> barriers, const Machine &machine, llvm::StringRef arena,
                             mlir::Value scratch, mlir::Value block);

} // namespace rwkv::lanes

#endif // RWKV_LOWERING_LANES_PLACE_H
