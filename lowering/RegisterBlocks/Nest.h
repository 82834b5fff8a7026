// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Code for one loop nest: points are visited in blocks of vectors, values that do not change in an inner loop are
// computed outside of it, sums stay in registers.
#ifndef RWKV_LOWERING_REGISTERBLOCKS_NEST_H
#define RWKV_LOWERING_REGISTERBLOCKS_NEST_H

#include "lowering/RegisterBlocks/MatrixUnit.h"
#include "lowering/TilePrograms/Kernel.h"

namespace rwkv::blocks {

using programs::Context;
using programs::Matrix;
using programs::Memory;
using programs::Nest;
using programs::Plan;

/// Numbers of the machine.
struct Machine {
  int64_t vectorBits;
  int64_t registers;
  const MatrixUnit *matrix = nullptr; // its matrix instructions, if there are any

  int64_t lanes(mlir::Type element) const { return vectorBits / element.getIntOrFloatBitWidth(); }
};

/// The function of a kernel; its attribute tile.scratch says how much of the arena it needs.
mlir::func::FuncOp lowerKernel(tile::KernelOp kernel, const Machine &machine);

/// A loop over [0, size) of constant bounds; one iteration needs none.
void forEach(mlir::OpBuilder &builder, mlir::Location loc, int64_t size, int64_t step,
             llvm::function_ref<void(mlir::Value)> body);

/// Emits all loops of `nest` where `builder` stands.
void emitNest(mlir::OpBuilder &builder, mlir::Location loc, const Machine &machine, const Plan &plan, const Nest &nest,
              unsigned nestIndex, Context &context);

/// Emits the loops of a matrix product into `target`.
void emitDot(mlir::OpBuilder &builder, mlir::Location loc, const Machine &machine, tile::DotOp dot, Context &context,
             Memory target);

/// Emits the loops of any other program into `target`; of an insert, those that write the part.
void emitProgram(mlir::OpBuilder &builder, mlir::Location loc, const Machine &machine, mlir::Operation *op,
                 Context &context, Memory target);

/// Rows of `from` as columns of `to`.
void emitTranspose(mlir::OpBuilder &builder, mlir::Location loc, const Machine &machine, const Matrix &from,
                   const Memory &to);

/// Copies `rows` rows of `columns` elements.
void emitCopy(mlir::OpBuilder &builder, mlir::Location loc, const Machine &machine, const Memory &from,
              const Memory &to, int64_t rows, int64_t columns, mlir::Type compute);

/// Splits a row of `size` elements into vectors: as many of `lanes` as fit, then halves, quarters, .. down to one
/// element.
struct Slot {
  int64_t offset, width;
};
llvm::SmallVector<Slot> splitRow(int64_t size, int64_t lanes);

} // namespace rwkv::blocks

#endif // RWKV_LOWERING_REGISTERBLOCKS_NEST_H
