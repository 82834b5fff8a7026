// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Math functions as arithmetic that needs no library.
#ifndef RWKV_LOWERING_EXPANDMATH_EXPANDMATH_H
#define RWKV_LOWERING_EXPANDMATH_EXPANDMATH_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class RewritePatternSet;
} // namespace mlir

namespace rwkv {
#define GEN_PASS_DECL
#include "lowering/ExpandMath/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "lowering/ExpandMath/Passes.h.inc"

/// Patterns of tile-expand-math: they match on f32, f64 and shaped types of them, and make no op that they match.
/// `nativeExp2`: exp and exp2 of f32 that may be approximate become exp2, which the machine has.
void populateExpandMathPatterns(mlir::RewritePatternSet &patterns, bool nativeExp2 = false);
} // namespace rwkv

#endif // RWKV_LOWERING_EXPANDMATH_EXPANDMATH_H
