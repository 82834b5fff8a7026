// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tile dialect: one task's program over small static tiles.
#ifndef RWKV_DIALECT_TILE_TILEDIALECT_H
#define RWKV_DIALECT_TILE_TILEDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialect/Tile/TileDialect.h.inc"
#include "dialect/Tile/TileEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/Tile/TileTypes.h.inc"

#define GET_OP_CLASSES
#include "dialect/Tile/TileOps.h.inc"

namespace rwkv::tile {
/// The shape of a tile; empty for a scalar.
llvm::ArrayRef<int64_t> getTileShape(mlir::Type type);
} // namespace rwkv::tile

#endif // RWKV_DIALECT_TILE_TILEDIALECT_H
