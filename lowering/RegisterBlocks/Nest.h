// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Code for one loop nest: points are visited in blocks of vectors, values that do not change in an inner loop are
// computed outside of it, sums stay in registers.
#ifndef RWKV_LOWERING_REGISTERBLOCKS_NEST_H
#define RWKV_LOWERING_REGISTERBLOCKS_NEST_H

#include "lowering/RegisterBlocks/Plan.h"
#include "mlir/IR/Builders.h"

namespace rwkv::blocks {

/// A tile in memory: rows of adjacent elements.
struct Memory {
  mlir::Value pointer; // !llvm.ptr
  mlir::Type element;  // as stored
  int64_t stride;      // elements from row to row
};

/// Numbers of the machine.
struct Machine {
  int64_t vectorBits;
  int64_t registers;

  int64_t lanes(mlir::Type element) const { return vectorBits / element.getIntOrFloatBitWidth(); }
};

/// What code of a nest needs from outside.
class Context {
public:
  virtual ~Context() = default;
  /// The new value of a scalar of the tile program; created where the builder stands if need be.
  virtual mlir::Value getScalar(mlir::Value scalar) = 0;
  /// Where a tile lies that is a load, or that has been written.
  virtual Memory getMemory(mlir::Value tile) = 0;
  /// Whether a tile has been written before this piece of the program.
  virtual bool isWritten(mlir::Value tile) = 0;
  /// Where the result of a root is to be written.
  virtual Memory getTarget(const Root &root) = 0;
  /// Takes the scalar result of a reduction.
  virtual void setScalar(mlir::Value scalar, mlir::Value result) = 0;
};

/// Emits all loops of `nest` where `builder` stands.
void emitNest(mlir::OpBuilder &builder, mlir::Location loc, const Machine &machine, const Plan &plan, const Nest &nest,
              unsigned nestIndex, Context &context);

/// Emits the loops of a matrix product into `target`.
void emitDot(mlir::OpBuilder &builder, mlir::Location loc, const Machine &machine, tile::DotOp dot, Context &context,
             Memory target);

/// Emits the loops of any other program into `target`; of an insert, those that write the part.
void emitProgram(mlir::OpBuilder &builder, mlir::Location loc, const Machine &machine, mlir::Operation *op,
                 Context &context, Memory target);

/// Copies `rows` rows of `columns` elements.
void emitCopy(mlir::OpBuilder &builder, mlir::Location loc, const Machine &machine, const Memory &from,
              const Memory &to, int64_t rows, int64_t columns, mlir::Type compute);

// Memory accesses at offset row * stride + column (null: 0), with conversion to and from the compute type.
mlir::Value emitAddress(mlir::OpBuilder &b, mlir::Location loc, const Memory &memory, mlir::Value row,
                        mlir::Value column);
mlir::Value emitLoad(mlir::OpBuilder &b, mlir::Location loc, const Memory &memory, mlir::Value row, mlir::Value column,
                     int64_t width, mlir::Type compute);
void emitStore(mlir::OpBuilder &b, mlir::Location loc, const Memory &memory, mlir::Value row, mlir::Value column,
               mlir::Value value);
mlir::Value constantIndex(mlir::OpBuilder &b, mlir::Location loc, int64_t value);
mlir::Value addIndex(mlir::OpBuilder &b, mlir::Location loc, mlir::Value index, int64_t offset);

/// Splits a row of `size` elements into vectors: as many of `lanes` as fit, then halves, quarters, .. down to one
/// element.
struct Slot {
  int64_t offset, width;
};
llvm::SmallVector<Slot> splitRow(int64_t size, int64_t lanes);

} // namespace rwkv::blocks

#endif // RWKV_LOWERING_REGISTERBLOCKS_NEST_H
