// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A key axis that is only turned, seen from a frame that turns along: with G_t the product of the transforms of a chunk
// up to token t, <a, G_t G_j^-1 b> is the plain product of G_t^T a and G_j^T b. Keys are turned once, and nothing is
// pushed from token to token but G itself. Only what keeps lengths has its inverse for nothing; what shrinks would need
// one that grows.
#ifndef RWKV_PASSES_EXPAND_MOVINGFRAMES_H
#define RWKV_PASSES_EXPAND_MOVINGFRAMES_H

#include "passes/AffineState/AffineState.h"
#include "passes/Expand/Batch.h"

namespace rwkv {

class MovingFrame {
public:
  /// Of an axis that is turned (CarriedState::isTurned).
  MovingFrame(Batch &batch, const AffineState &form, unsigned state, unsigned axis);

  /// Computes what the other methods give.
  void emit();
  /// [C, K]: keys that meet the state at `position` of its path, as they would at the start of the chunk.
  mlir::Value toStart(mlir::Value keys, unsigned position);
  /// [K, C]: columns of keys at the start of the chunk, as they are at its end.
  mlir::Value toEnd(mlir::Value columns);
  /// [K, p]: all transforms of the chunk.
  mlir::Value getTotal() const { return total; }

private:
  unsigned turnsBefore(unsigned position) const;
  mlir::Value multiplyAt(mlir::Value turns, mlir::Value token, mlir::Value turned);
  /// Many small blocks are products of elements, few large ones of matrices.
  bool hasPlanes() const { return size * size <= rows; }
  /// Of one token.
  int64_t blocks() const { return rows / size; }
  mlir::Type tileOf(llvm::ArrayRef<int64_t> shape) const {
    return TileEmitter::tileType(shape, state.type.getElementType());
  }

  Batch &batch;
  TileEmitter &e;
  const CarriedState &state;
  unsigned axis;
  int64_t rows, size; // K, p
  /// By how many transforms of the token lie behind: [C, K p], or planes [p p, C n]; null where nothing happens.
  llvm::SmallVector<mlir::Value> frames;
  llvm::BitVector isUsed;
  mlir::Value total;
};

} // namespace rwkv

#endif // RWKV_PASSES_EXPAND_MOVINGFRAMES_H
