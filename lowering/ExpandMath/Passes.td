// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_LOWERING_EXPANDMATH_PASSES_TD
#define RWKV_LOWERING_EXPANDMATH_PASSES_TD

include "mlir/Pass/PassBase.td"

def TileExpandMathPass : Pass<"tile-expand-math"> {
  let summary = "Expand math functions of kernels into arithmetic";
  let description = [{
    In every `tile.kernel`, `math.exp`, `exp2`, `log`, `log2`, `log1p`, `tanh` and `rsqrt` of f32 and f64, scalars and
    tiles, become `arith` ops and those of `math` that are single instructions (`fma`, `sqrt`, `absf`, `copysign`):
    kernels need no library. There are no branches. Numeric effect: f32 within 2 ulp, f64 within 4 ulp, denormals and
    infinities included.

    Before: `%y = math.rsqrt %x : tensor<4xf32>`
    After: `%s = math.sqrt %x : tensor<4xf32>`, `%y = arith.divf %one, %s : tensor<4xf32>`
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

#endif // RWKV_LOWERING_EXPANDMATH_PASSES_TD
