// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads from a kernel's buffers that are under way together: what a lane is given stays in its registers, as it is in
// memory, until all of them have been asked for.
#ifndef RWKV_LOWERING_LANES_FETCH_H
#define RWKV_LOWERING_LANES_FETCH_H

#include "lowering/Lanes/Lanes.h"

namespace rwkv::lanes {

/// A load, and how lanes share it.
struct Fetch {
  mutable tile::LoadOp load;
  /// Each lane keeps what it needs itself; otherwise lanes read different elements, for all of them.
  bool isOwn;
  int64_t rows, columns; // 0 columns: a number
  int64_t count;         // values of a lane
  bool isPart = false;   // only the first `columns` lanes read
};

/// Null: it has too many elements for the lanes, or cannot be dealt out evenly.
std::optional<Fetch> planFetch(const Emitter &e, tile::LoadOp load, bool isOwn);

/// Asks for everything, if `guard` (null: always); otherwise gives `instead`, or with none anything. `access` says
/// where a load's elements are.
llvm::SmallVector<mlir::Value> emitFetches(Emitter &e, llvm::ArrayRef<Fetch> fetches, mlir::Value guard,
                                           mlir::ValueRange instead, llvm::function_ref<Memory(tile::LoadOp)> access);
/// Writes the values of a tile that has been fetched to its memory.
void storeFetched(Emitter &e, const Fetch &fetch, const Memory &to, mlir::ValueRange values);

} // namespace rwkv::lanes

#endif // RWKV_LOWERING_LANES_FETCH_H
