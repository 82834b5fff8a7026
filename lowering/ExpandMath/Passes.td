// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_LOWERING_EXPANDMATH_PASSES_TD
#define RWKV_LOWERING_EXPANDMATH_PASSES_TD

include "mlir/Pass/PassBase.td"

def TileExpandMathPass : Pass<"tile-expand-math"> {
  let summary = "Expand math functions of kernels into arithmetic";
  let description = [{
    In every `tile.kernel`, the functions of `math` on f32 and f64, scalars and tiles, become `arith` ops and those of `math`
    that are single instructions (`fma`, `sqrt`, `absf`, `copysign`, `trunc`): kernels need no library. With `native-exp2`,
    `math.exp` and `exp2` of f32 that allow an approximate function (`fastmath<afn>`) become `math.exp2`, which the machine has.
    There are no branches. Numeric effect: f32 within 2 ulp, f64 within 4 ulp (`tan`, `asin`, `atan2`, `sinh`, `cosh`, `asinh`,
    `acosh`, `atanh`: twice that; `erfc`: three times), denormals and infinities included. `sin`, `cos` and `tan` of angles above 2^20 (f32) or 2^48 (f64), where
    neighbouring numbers hardly tell a phase, are NaN. `arith.remf`, `math.ipowi` and `sincos` have no expansion.

    Before: `%y = math.rsqrt %x : tensor<4xf32>`
    After: `%s = math.sqrt %x : tensor<4xf32>`, `%y = arith.divf %one, %s : tensor<4xf32>`
  }];
  let options = [Option<"nativeExp2", "native-exp2", "bool", "false",
                        "The machine has an instruction for exp2: exp and exp2 that may be approximate (fastmath afn) use it">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

#endif // RWKV_LOWERING_EXPANDMATH_PASSES_TD
