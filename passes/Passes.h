// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_PASSES_PASSES_H
#define RWKV_PASSES_PASSES_H

#include "dialect/Rwkv/RwkvDialect.h"
#include "dialect/Tile/TileDialect.h"
#include "mlir/Pass/Pass.h"

namespace rwkv {
#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"
} // namespace rwkv

#endif // RWKV_PASSES_PASSES_H
