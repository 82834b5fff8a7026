// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tiles in memory, and accesses to their elements.
#ifndef RWKV_LOWERING_TILEPROGRAMS_MEMORY_H
#define RWKV_LOWERING_TILEPROGRAMS_MEMORY_H

#include "mlir/IR/Builders.h"

namespace rwkv::programs {

/// A tile in memory: rows of adjacent elements.
struct Memory {
  mlir::Value pointer; // !llvm.ptr
  mlir::Type element;  // as stored
  int64_t stride;      // elements from row to row
  /// Instead: in memory of each lane the points that are dealt to it, in their order; one of a vector.
  bool ofLane = false;
};

// Accesses at offset row * stride + column (null: 0), with conversion to and from the compute type; a width of 0 is a
// scalar.
mlir::Value emitAddress(mlir::OpBuilder &b, mlir::Location loc, const Memory &memory, mlir::Value row,
                        mlir::Value column);
mlir::Value emitLoad(mlir::OpBuilder &b, mlir::Location loc, const Memory &memory, mlir::Value row, mlir::Value column,
                     int64_t width, mlir::Type compute);
/// What has been loaded, in the compute type.
mlir::Value convertLoaded(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, int64_t width, mlir::Type compute);
/// A value as it is stored.
mlir::Value convertStored(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, mlir::Type element);
void emitStore(mlir::OpBuilder &b, mlir::Location loc, const Memory &memory, mlir::Value row, mlir::Value column,
               mlir::Value value);
mlir::Value constantIndex(mlir::OpBuilder &b, mlir::Location loc, int64_t value);
mlir::Value addIndex(mlir::OpBuilder &b, mlir::Location loc, mlir::Value index, int64_t offset);

/// The largest power of two that divides an index whatever the sizes are, at most `most`.
int64_t getDivisor(mlir::Value index, int64_t most);

} // namespace rwkv::programs

#endif // RWKV_LOWERING_TILEPROGRAMS_MEMORY_H
