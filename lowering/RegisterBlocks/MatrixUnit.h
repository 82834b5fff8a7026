// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix instructions of a thread: numbers of a row of a target's table, and how the instructions are written.
#ifndef RWKV_LOWERING_REGISTERBLOCKS_MATRIXUNIT_H
#define RWKV_LOWERING_REGISTERBLOCKS_MATRIXUNIT_H

#include "mlir/IR/Builders.h"

namespace rwkv::blocks {

/// C (rows x columns, f32) += A (rows x depth) B (depth x columns), A and B of bf16, all three in matrix registers.
struct MatrixNumbers {
  int64_t rows, columns, depth;
  int64_t pack;      // rows of B that lie as one in memory: their elements side by side, column by column
  int64_t registers; // each holds any of the three
  int64_t speed;     // vectors of multiply-adds in the time of one vector instruction
};

class MatrixUnit {
public:
  explicit MatrixUnit(const MatrixNumbers &numbers) : numbers(numbers) {}
  virtual ~MatrixUnit() = default;

  /// Before the first of these instructions in a function, and after the last. `memory`: kSetup bytes.
  virtual void emitBegin(mlir::OpBuilder &b, mlir::Location loc, mlir::Value memory) const = 0;
  virtual void emitEnd(mlir::OpBuilder &b, mlir::Location loc) const = 0;
  static constexpr int64_t kSetup = 64;

  // Registers are numbered from 0; rows in memory (of B: `pack` rows as one) lie `stride` bytes apart.
  virtual void emitZero(mlir::OpBuilder &b, mlir::Location loc, int64_t reg) const = 0;
  virtual void emitLoad(mlir::OpBuilder &b, mlir::Location loc, int64_t reg, mlir::Value pointer,
                        int64_t stride) const = 0;
  virtual void emitStore(mlir::OpBuilder &b, mlir::Location loc, int64_t reg, mlir::Value pointer,
                         int64_t stride) const = 0;
  /// c += x y, three different registers.
  virtual void emitProduct(mlir::OpBuilder &b, mlir::Location loc, int64_t c, int64_t x, int64_t y) const = 0;

  const MatrixNumbers numbers;
};

} // namespace rwkv::blocks

#endif // RWKV_LOWERING_REGISTERBLOCKS_MATRIXUNIT_H
