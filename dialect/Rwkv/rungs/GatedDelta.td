// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "dialect/Rwkv/rungs/Rung.td.inc"

def Rwkv_GatedDeltaOp : Rwkv_RungOp<"gated_delta", ["q", "k", "v", "g", "beta"], []> {
  let summary = "Gated delta rule (arXiv:2412.06464): S <- e^g S ; S <- S + beta k (v - k^T S) ; o = q^T S";
  let description = [{
    `q, k` are `[B, T, H, K]`, `v` and the output `[B, T, H, V]`, `g` and `beta` `[B, T, H]`, the state `[B, H, K, V]`. `g` is
    the natural logarithm of the decay, g <= 0; `beta` is in (0, 2).

    Example:
    ```mlir
    func.func @gated_delta(%q: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>,
                           %g: tensor<?x?x2xf32>, %beta: tensor<?x?x2xf32>, %s0: tensor<?x2x8x8xf32>)
        -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>) {
      %o, %s = rwkv.gated_delta over(%q, %k, %v, %g, %beta) init(%s0)
        : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>,
           tensor<?x2x8x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
      return %o, %s : tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>
    }
    ```
  }];
}
