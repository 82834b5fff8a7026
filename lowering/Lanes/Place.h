// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where the tiles of a kernel lie: those that are never needed at the same time share memory, those that are used most
// come first, and what does not fit in the shared memory goes to the task's part of the scratch buffer.
#ifndef RWKV_LOWERING_LANES_PLACE_H
#define RWKV_LOWERING_LANES_PLACE_H

#include "lowering/Lanes/Lanes.h"

namespace rwkv::lanes {

/// `pointer` stands for memory that has no address yet.
struct Allocation {
  mlir::Value pointer;
  int64_t bytes;
};

struct MemorySizes {
  int64_t shared = 0, scratch = 0; // bytes
};

/// The lowest offset from `start` on with `bytes` bytes of which none is taken: [from, to).
int64_t findGap(int64_t start, int64_t bytes, llvm::SmallVector<std::pair<int64_t, int64_t>> taken);

/// Replaces all pointers. What lies between two of the `barriers` happens at the same time. `scratch` is the buffer of
/// all tasks, `block` the number of this one in it (index).
MemorySizes placeAllocations(mlir::func::FuncOp function, llvm::ArrayRef<Allocation> allocations,
                             llvm::ArrayRef<mlir::Operation *> barriers, const Machine &machine, llvm::StringRef arena,
                             mlir::Value scratch, mlir::Value block);

} // namespace rwkv::lanes

#endif // RWKV_LOWERING_LANES_PLACE_H
