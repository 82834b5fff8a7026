// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix instructions as data: rows of the tables lowering/target/<target>/MatrixInstructions.inc.
//
// Which lane of a warp holds which element of an operand, in which register, is *linear over F2*: the place of an
// element is the xor of the places of the bits of both their numbers (linear layouts, arXiv:2505.23819). So a fragment
// is written as its *bases*, the image of each bit:
//
//   reg=[[0,1],[8,0]] lane=[[0,2],[0,4],[1,0],[2,0],[4,0]]        16 x 8 elements, 4 a lane, 32 lanes
//
// says that register bit 0 steps one column, register bit 1 eight rows, lane bit 0 two columns, and so on: register 3
// of lane 5 has row 8 ^ 1 = 9, column 1 ^ 2 = 3.
#ifndef RWKV_LOWERING_LAYOUT_MATRIXINSTRUCTION_H
#define RWKV_LOWERING_LAYOUT_MATRIXINSTRUCTION_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace rwkv {

/// An element of a tile.
struct Coord {
  uint32_t row = 0, column = 0;
  friend bool operator==(Coord a, Coord b) { return a.row == b.row && a.column == b.column; }
  friend bool operator!=(Coord a, Coord b) { return !(a == b); }
};

/// Bases of one operand. Register bits are in the order of the instruction's own registers: bit 0 tells the elements of
/// a packed register apart if it packs two.
struct FragmentBases {
  llvm::SmallVector<Coord, 8> reg, lane;

  uint32_t countRegisters() const { return 1u << reg.size(); } // one element each
  /// The element that a register of a lane holds.
  Coord at(uint32_t number, uint32_t laneNumber = 0) const {
    Coord result;
    auto add = [&](llvm::ArrayRef<Coord> bases, uint32_t bits) {
      for (size_t i = 0; i < bases.size(); ++i) {
        result.row ^= bits >> i & 1 ? bases[i].row : 0;
        result.column ^= bits >> i & 1 ? bases[i].column : 0;
      }
    };
    add(reg, number);
    add(lane, laneNumber);
    return result;
  }
};

/// C (m x n) += A (m x k) B (k x n), one instruction of a warp.
struct MatrixInstruction {
  llvm::StringRef name;
  uint32_t m, n, k;
  unsigned operandBits; // of an element of A and B; C has 32
  FragmentBases a, b, c;
};

} // namespace rwkv

#endif // RWKV_LOWERING_LAYOUT_MATRIXINSTRUCTION_H
