// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tiles in shared memory: how many bank conflicts an access has, and the swizzle that has the fewest.
//
// A warp's access of n bytes a lane is done in phases of as many lanes as together move one row of the banks (128
// bytes: 32 lanes of 4 bytes, 16 of 8, 8 of 16). In a phase, different words of one bank follow one another; the same
// word is read once. The words of a phase are a linear image of its index bits, hence every bank that is hit is hit
// equally often: 2^(rank of the words - rank of the banks) times, for every register, phase and warp alike. The count
// is exact for this model of the memory; hardware whose wide accesses group other lanes differs.
//
// An instruction that moves matrices (8 rows of 16 bytes to or from fragments) touches in a phase what a fragment's
// plain access touches: pass the fragment; for one that transposes on the way, pass the transposed fragment, and ask
// for pieces of 16 bytes.
#ifndef RWKV_LOWERING_LAYOUT_SHAREDMEMORY_H
#define RWKV_LOWERING_LAYOUT_SHAREDMEMORY_H

#include "lowering/Layout/Layout.h"

namespace rwkv {

struct Banks {
  unsigned count = 32, bytes = 4; // powers of two
};

/// What an access of a whole tile costs one warp. Registers that hold copies of others count once.
struct SharedAccess {
  uint32_t elements;     // an access moves so many a lane
  uint32_t instructions; // accesses
  uint32_t phases;       // of all of them: the wavefronts if there were no conflicts
  uint32_t wavefronts;
  uint32_t getConflicts() const { return wavefronts - phases; }
};

/// `tile` is a distributed layout, `memory` a bijection from offsets to the elements of the same tile. Elements have 8
/// to 128 bits, a power of two.
std::optional<SharedAccess> countAccess(const Layout &tile, const Layout &memory, unsigned elementBits,
                                        const Banks &banks = {});

/// Which layouts chooseShared looks at.
struct SharedChoice {
  Banks banks;
  /// Aligned pieces of a row (or column) of so many bytes stay together: 16 for instructions that move matrices.
  unsigned pieceBytes = 1;
  bool rowsContiguous = true, columnsContiguous = true; // elements of a row, of a column, are neighbours
};

struct SharedPlan {
  Layout memory;
  Axis contiguous;
  Swizzle swizzle;
  llvm::SmallVector<SharedAccess> accesses;
  uint32_t wavefronts; // of all accesses
};

/// The layout in which the accesses (readers and writers alike) take the fewest wavefronts together, then the fewest
/// instructions, then the smallest swizzle: the best of all xor swizzles of the tile by rows and by columns.
std::optional<SharedPlan> chooseShared(llvm::ArrayRef<Layout> accesses, unsigned elementBits,
                                       const SharedChoice &choice = {});

} // namespace rwkv

#endif // RWKV_LOWERING_LAYOUT_SHAREDMEMORY_H
