// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Values of a token region for C tokens at once. A value that differs from token to token is a tile with one row per
// token, its own axes flattened: [C] for a scalar, [C, n] for anything else. Numbers that are the same for all tokens
// stay as they are, flattened: a scalar or [n].
#ifndef RWKV_PASSES_EXPAND_BATCH_H
#define RWKV_PASSES_EXPAND_BATCH_H

#include "passes/Expand/TileEmitter.h"

namespace rwkv {

class Batch {
public:
  /// `resolve` gives the rows of what is read from a state.
  Batch(TileEmitter &e, int64_t tokens, std::function<mlir::Value(mlir::Value)> resolve)
      : e(e), tokens(tokens), resolve(std::move(resolve)) {}

  /// Makes `tile` the value of `value`: of all tokens, or of each one if `perToken`.
  void set(mlir::Value value, mlir::Value tile, bool perToken);
  /// [C] or [C, n].
  mlir::Value get(mlir::Value value);
  /// [C]: the number that all elements of a uniform value are.
  mlir::Value getNumber(mlir::Value value);
  /// x where a condition per token holds, else y.
  mlir::Value choose(mlir::Value condition, mlir::Value x, mlir::Value y);

  // ---- rows of flattened axes

  mlir::Type rows(int64_t columns, mlir::Type element) const;
  mlir::Value repeat(mlir::Value x, int64_t times) { return e.repeat(x, times); }
  mlir::Value stretch(mlir::Value x, int64_t times) { return e.stretch(x, times); }
  mlir::Value sumPieces(mlir::Value x, int64_t pieces) { return e.sumPieces(x, pieces); }
  /// [C, n * p * p] times [C, n * p], block by block; with `transposed` by the transposed blocks.
  mlir::Value multiplyBlocks(mlir::Value blocks, mlir::Value x, int64_t size, bool transposed);
  /// [C, K0], [C, K1], .. -> [C, K0 * K1 ..]: the Kronecker product of each row.
  mlir::Value kron(mlir::ValueRange keys);
  /// [R, N] times one number per row.
  mlir::Value scaleRows(mlir::Value x, mlir::Value numbers);
  /// exp, elementwise.
  mlir::Value exp(mlir::Value x) { return e.exp(x); }

  TileEmitter &e;
  const int64_t tokens;

private:
  std::function<mlir::Value(mlir::Value)> resolve;

  struct Entry {
    mlir::Value tile;
    bool perToken = false;
  };
  Entry find(mlir::Value value);
  Entry compute(mlir::Operation *op);
  mlir::Value spread(Entry entry);
  Entry computeConstant(mlir::arith::ConstantOp op);
  Entry broadcast(BroadcastOp op, Entry x);
  mlir::Value flatten(mlir::Value x, mlir::Value like);

  llvm::DenseMap<mlir::Value, Entry> entries;
  llvm::DenseMap<mlir::Value, mlir::Value> spreads, numbers;
};

} // namespace rwkv

#endif // RWKV_PASSES_EXPAND_BATCH_H
