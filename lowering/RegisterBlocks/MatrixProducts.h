// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix products by matrix instructions, for operands that may be rounded.
#ifndef RWKV_LOWERING_REGISTERBLOCKS_MATRIXPRODUCTS_H
#define RWKV_LOWERING_REGISTERBLOCKS_MATRIXPRODUCTS_H

#include "lowering/RegisterBlocks/MatrixUnit.h"
#include "lowering/RegisterBlocks/Nest.h"

#include <functional>

namespace rwkv::blocks {

/// The products of one kernel. The instructions multiply bf16; an operand of more bits is split into the nearest bf16
/// and what is left, in bf16 too: 16 bits of it take part, of a product all but the smallest of the four partial
/// products. Where the product's precision is bf16, the nearest bf16 is all that is taken. Operands are packed into
/// scratch memory, once for all products that take them.
class MatrixProducts {
public:
  /// `unit` may be null. `allocate` gives so many bytes of scratch memory, for the whole kernel.
  MatrixProducts(const MatrixUnit *unit, std::function<mlir::Value(int64_t)> allocate, mlir::OpBuilder &entry)
      : unit(unit), allocate(std::move(allocate)), entry(entry) {}

  /// Whether this product is for the matrix instructions.
  bool takes(tile::DotOp dot) const;
  void emit(mlir::OpBuilder &b, mlir::Location loc, const Machine &machine, tile::DotOp dot, Context &context,
            const Memory &target);
  /// After everything has been emitted: what has to run before `end`, the end of the function.
  void finish(mlir::Operation *end);

  /// An operand as the instructions take it: bf16, `stride` bytes from row to row (of packed rows), padded with zeros.
  struct Packed {
    llvm::SmallVector<mlir::Value, 2> planes; // the nearest, and what is left of it unless that is nothing
    int64_t stride;
    mlir::Block *block; // where it was packed
  };

private:
  class Emitter;
  const MatrixUnit *unit;
  std::function<mlir::Value(int64_t)> allocate;
  mlir::OpBuilder &entry;
  llvm::DenseMap<mlir::Value, Packed> packed[2][2]; // as left operands, as right ones; in halves, rounded
  mlir::Value setup, edge;                          // memory: of the unit, of a block that sticks out
};

} // namespace rwkv::blocks

#endif // RWKV_LOWERING_REGISTERBLOCKS_MATRIXPRODUCTS_H
