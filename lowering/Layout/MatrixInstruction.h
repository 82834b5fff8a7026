// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix instructions as data: rows of the tables lowering/target/<target>/MatrixInstructions.inc.
#ifndef RWKV_LOWERING_LAYOUT_MATRIXINSTRUCTION_H
#define RWKV_LOWERING_LAYOUT_MATRIXINSTRUCTION_H

#include "lowering/Layout/Layout.h"
#include "llvm/ADT/StringRef.h"

namespace rwkv {

/// Bases of one operand. Register bits are in the order of the instruction's own registers: bit 0 tells the elements of
/// a packed register apart if it packs two.
struct FragmentBases {
  llvm::SmallVector<Coord, 8> reg, lane, warp;
};

/// C (m x n) += A (m x k) B (k x n), one instruction of the warps that A's or C's bases name.
struct MatrixInstruction {
  llvm::StringRef name;
  uint32_t m, n, k;
  unsigned operandBits; // of an element of A and B; C has 32
  FragmentBases a, b, c;
  bool bInShared = false; // B has no bases: it is read from shared memory

  std::optional<Layout> getA() const { return Layout::distributed(m, k, a.reg, a.lane, a.warp); }
  std::optional<Layout> getB() const {
    return bInShared ? std::nullopt : Layout::distributed(k, n, b.reg, b.lane, b.warp);
  }
  std::optional<Layout> getC() const { return Layout::distributed(m, n, c.reg, c.lane, c.warp); }
};

} // namespace rwkv

#endif // RWKV_LOWERING_LAYOUT_MATRIXINSTRUCTION_H
