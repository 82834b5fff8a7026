// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_LOWERING_PASSES_H
#define RWKV_LOWERING_PASSES_H

#include "dialect/Rwkv/RwkvDialect.h"
#include "dialect/Tile/TileDialect.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace rwkv {
#define GEN_PASS_DECL
#include "lowering/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "lowering/Passes.h.inc"

/// From functions on vectors to the llvm dialect.
void addLLVMConversion(mlir::OpPassManager &manager);
} // namespace rwkv

#endif // RWKV_LOWERING_PASSES_H
