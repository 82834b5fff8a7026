// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// When the memory of tiles is needed: what is never needed at the same time may share a place.
#ifndef RWKV_LOWERING_TILEPROGRAMS_LIFETIMES_H
#define RWKV_LOWERING_TILEPROGRAMS_LIFETIMES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace rwkv::programs {

/// `pointer` stands for memory that has no address yet.
struct Allocation {
  mlir::Value pointer;
  int64_t bytes;
  bool isNear = false; // what it is for needs the memory close to the units
  mlir::Value within = {}; // of another one, if that is not null: it begins
  int64_t at = 0;      // so many bytes behind
};

/// When an allocation is needed, in numbers of moments, and how often; where it is placed.
struct Interval {
  mlir::Value pointer;
  int64_t bytes = 0, from = 0, to = 0, offset = 0;
  double uses = 0;
  bool isNear = false;
};

/// One per allocation, in their order, in multiples of `alignment` bytes. A moment ends with each op for which
/// `endsMoment` is true: what is before the next one happens at the same time. In a loop that it is also used outside
/// of, an allocation is needed in every iteration; one that is used inside alone is written there before it is read.
std::vector<Interval> findLifetimes(mlir::func::FuncOp function, llvm::ArrayRef<Allocation> allocations,
                                    int64_t alignment, llvm::function_ref<bool(mlir::Operation *)> endsMoment);

/// The lowest offset from `start` on with `bytes` bytes of which none is taken: [from, to).
int64_t findGap(int64_t start, int64_t bytes, llvm::SmallVector<std::pair<int64_t, int64_t>> taken);

/// The lowest offset at which nothing of `placed` lies that is needed at the same time.
int64_t findOffset(const Interval &interval, llvm::ArrayRef<const Interval *> placed);

} // namespace rwkv::programs

#endif // RWKV_LOWERING_TILEPROGRAMS_LIFETIMES_H
