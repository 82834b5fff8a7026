// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "dialect/Rwkv/rungs/Rung.td.inc"

def Rwkv_Wkv7Op : Rwkv_RungOp<"wkv7", ["r", "w", "k", "v", "a", "b"], []> {
  let summary = "RWKV-7 (arXiv:2503.14456): y = a^T S ; S <- diag(e^w) S + b y + k v ; o = r^T S";
  let description = [{
    `r, w, k, a, b` are `[B, T, H, K]`, `v` and the output `[B, T, H, V]`, the state `[B, H, K, V]`. `w` is the natural
    logarithm of the decay, w <= 0; `a` is the removal key (minus the normalised key in RWKV-7), `b` the replacement key.
    The state is read with `a` before, with `r` after the update.

    Example:
    ```mlir
    func.func @wkv7(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>,
                    %a: tensor<?x?x2x8xf32>, %b: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>)
        -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>) {
      %o, %s = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init(%s0)
        : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>,
           tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
      return %o, %s : tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>
    }
    ```
  }];
}
