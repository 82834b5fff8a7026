// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Layouts: which elements of a tile the lanes of one warp hold, and in which registers; where rows of a tile lie in
// shared memory, and how many bank conflicts an access has. Pure mathematics: no IR.
//
// Lanes are linear over F2, as in the fragments of matrix instructions (MatrixInstruction.h); registers are listed, so
// that tiles of any size, parts of a tile, and registers in any order are placements too. What a lowering asks is then
// a question of bases: a result is the next product's operand if both have the same lanes, turned or with the depth
// renumbered (Fragments); accesses are as wide as registers and the bases of lanes allow (groupAccesses); memory is
// swizzled by an order of rows that is one more linear map (Rows).
#ifndef RWKV_LOWERING_LAYOUT_PLACEMENT_H
#define RWKV_LOWERING_LAYOUT_PLACEMENT_H

#include "lowering/Layout/MatrixInstruction.h"

#include <optional>

namespace rwkv::warps {

/// Register i of a lane holds the element at registers[i] + the lane's bases. A vector is a row, a number one element.
struct Placement {
  llvm::SmallVector<Coord, 8> lanes; // one basis per bit of the lane's number; {0, 0}: a copy
  llvm::SmallVector<Coord> registers;

  friend bool operator==(const Placement &x, const Placement &y) {
    return x.lanes == y.lanes && x.registers == y.registers;
  }

  /// Whether it may be of so many elements.
  bool holds(int64_t elements) const;
  Placement turned() const; // rows as columns
  Placement moved(int64_t rows, int64_t columns) const;
  /// Of a tile of these sizes. If they are powers of two, what lies beyond it is a copy of what lies inside; along
  /// other axes nothing may lie beyond.
  Placement clipped(int64_t rows, int64_t columns) const;
  Placement distinct() const; // without registers that are copies of others
  /// Of a vector that runs along an axis of the tile; each of its elements once. `map` says which register of the
  /// result register i corresponds to.
  Placement along(int64_t axis, llvm::SmallVectorImpl<unsigned> &map) const;
};

/// The placement of pairs of neighbours in a row, as elements of a tile of half as many columns, and which registers
/// each of them is made of; none if lanes do not have both.
std::optional<Placement> getPairs(const Placement &placement,
                                  llvm::SmallVectorImpl<std::pair<unsigned, unsigned>> &registers);
/// The accesses to one block of 8 x 8 elements of 16 bits in rows of pairs, or of 8 x 4 of 32 bits.
Placement getBlockAccess();
/// Whether each register is, in all lanes, such a block of elements of 32 bits.
bool isInBlocks(const Placement &placement);

/// How the rows of a tile lie in memory.
struct Rows {
  int64_t stride; // elements from one place of a row to the next
  /// Rows may be in another order, which is linear over F2: the place of a row is its number, xored by its bits with
  /// these, each smaller than the bit. Against a swizzle of columns it has the advantage that lanes which have the same
  /// bits of the row add the same to what they have of the tile.
  llvm::SmallVector<uint32_t, 4> order;

  uint32_t getPlace(uint32_t row) const;
  int64_t getOffset(Coord c) const { return getPlace(c.row) * stride + c.column; }
};

/// Registers that are accessed at once: their numbers, and the element of the first.
struct Access {
  llvm::SmallVector<unsigned, 4> registers;
  Coord first;
};

/// The accesses of a placement, of at most `widest` elements each. `alignment`: of the first element, in elements.
llvm::SmallVector<Access> groupAccesses(const Placement &placement, const Rows &rows, int64_t alignment,
                                        int64_t widest);

/// How many words of shared memory one lane after the other, 32 banks of 4 bytes at a time, reads or writes in all
/// accesses of a placement of 4-byte elements.
int64_t countWavefronts(const Placement &placement, const Rows &rows);

/// A placement that accesses a tile, and how often it does, at one place or another.
struct Use {
  Placement placement;
  int64_t times;
};

/// The rows of a tile of 4-byte elements that all its uses together access in the fewest wavefronts, then those that
/// take the least memory: padded, and in another order if `mayOrder`.
Rows chooseRows(llvm::ArrayRef<Use> uses, int64_t rows, int64_t columns, bool mayOrder);

/// Lanes side by side along the columns, as many as the columns are a multiple of, four or two columns each if there
/// are enough; every lane has all rows.
Placement getColumns(int64_t rows, int64_t columns, int64_t warp);
/// The same element in all lanes: those of a row.
Placement getCopies(int64_t columns, int64_t warp);

/// Fragments of a product [m, n] = [m, k] [k, n], which may be made with rows as columns. The depth is numbered so that
/// lanes have the same elements of a result and of the left operand that it becomes; or, if all operands are in memory,
/// as it lies there.
class Fragments {
public:
  Fragments(const MatrixInstruction &instruction, bool turned, bool inMemory = false);

  /// The fragments of the instruction's left and right operands and of its result that start at an element: what the
  /// instruction calls m is the columns of the result if it is turned.
  Placement getLeft(int64_t m, int64_t k) const;
  Placement getRight(int64_t k, int64_t n) const;
  Placement getResult(int64_t m, int64_t n) const;
  /// All fragments of a result, m outside.
  Placement getResults(int64_t rows, int64_t columns) const;

  const MatrixInstruction &instruction;
  const bool turned;

private:
  Placement make(const FragmentBases &bases, int64_t rows, int64_t columns, unsigned depthAxis) const;
  uint32_t permute(uint32_t depth) const;
  llvm::SmallVector<uint32_t> depth; // what each bit of the instruction's depth stands for
};

} // namespace rwkv::warps

#endif // RWKV_LOWERING_LAYOUT_PLACEMENT_H
