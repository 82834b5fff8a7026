// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What lane programs ask of a target: the instructions that no dialect has.
#ifndef RWKV_LOWERING_LANES_HOOKS_H
#define RWKV_LOWERING_LANES_HOOKS_H

#include "dialect/Tile/TileDialect.h"
#include "lowering/Layout/MatrixInstruction.h"

namespace rwkv::lanes {

/// A task is run by lanes; lanes of a warp run in step, all lanes of a task share fast memory.
class Shape {
public:
  virtual ~Shape() = default;
  /// Lanes of a warp, a power of two.
  virtual int64_t getWarp() const = 0;
  /// The matrix instruction of a warp for products whose operands may be rounded like this; null: there is none.
  virtual const MatrixInstruction *findProduct(tile::Precision precision) const = 0;
};

class Hooks : public Shape {
public:
  /// The address space of the memory that lanes of a task share, and of memory that all tasks see.
  virtual unsigned getSharedSpace() const = 0;
  virtual unsigned getGlobalSpace() const = 0;

  /// i32: the number of this lane in its task, and of this task in its grid.
  virtual mlir::Value emitLane(mlir::OpBuilder &b, mlir::Location loc) const = 0;
  virtual mlir::Value emitTask(mlir::OpBuilder &b, mlir::Location loc) const = 0;
  /// All lanes of the task wait for each other; what they wrote is then seen by all.
  virtual void emitBarrier(mlir::OpBuilder &b, mlir::Location loc) const = 0;
  /// The value (f32 or i32) of the lane of this warp whose number differs by the bits of `mask`.
  virtual mlir::Value emitShuffle(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, int64_t mask) const = 0;

  /// One matrix instruction: c + x y, in the registers of this lane, all f32.
  virtual llvm::SmallVector<mlir::Value> emitProduct(mlir::OpBuilder &b, mlir::Location loc,
                                                     const MatrixInstruction &instruction, mlir::ValueRange x,
                                                     mlir::ValueRange y, mlir::ValueRange c) const = 0;
};

} // namespace rwkv::lanes

#endif // RWKV_LOWERING_LANES_HOOKS_H
