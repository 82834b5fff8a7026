// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a pipeline carries that may be multiplied by a number, alike, without anything else changing but what becomes of
// it, by the same number: nothing is added to it, and nobody else reads it. What a piece of a sequence does to any
// state is so, which begins as the unit matrix and decays; it may be carried in units of its own.
#ifndef RWKV_LOWERING_TILEPROGRAMS_HOMOGENEOUS_H
#define RWKV_LOWERING_TILEPROGRAMS_HOMOGENEOUS_H

#include "dialect/Tile/TileDialect.h"
#include "llvm/ADT/DenseSet.h"

namespace rwkv::programs {

/// Arguments of `apply` that are such, and what is made of them.
llvm::DenseSet<mlir::Value> findHomogeneous(tile::PipelineOp pipeline);

} // namespace rwkv::programs

#endif // RWKV_LOWERING_TILEPROGRAMS_HOMOGENEOUS_H
