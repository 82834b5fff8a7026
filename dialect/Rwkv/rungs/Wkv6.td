// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "dialect/Rwkv/rungs/Rung.td.inc"

def Rwkv_Wkv6Op : Rwkv_RungOp<"wkv6", ["r", "w", "k", "v"], ["u"]> {
  let summary = "RWKV-6 (arXiv:2404.05892): o = r^T (S + diag(u) k v) ; S <- diag(e^w) S + k v";
  let description = [{
    `r, w, k` are `[B, T, H, K]`, `v` and the output `[B, T, H, V]`, the state `[B, H, K, V]`; `u` is `[H, K]`. `w` is the
    natural logarithm of the decay, w <= 0; `u` is the bonus of the current token, which does not enter the state.

    Example:
    ```mlir
    func.func @wkv6(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>,
                    %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>)
        -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>) {
      %o, %s = rwkv.wkv6 over(%r, %w, %k, %v) const(%u) init(%s0)
        : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>,
           tensor<2x8xf32>, tensor<?x2x8x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
      return %o, %s : tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>
    }
    ```
  }];
}
