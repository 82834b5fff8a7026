// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "dialect/Rwkv/rungs/Rung.td.inc"

def Rwkv_Wkv4Op : Rwkv_RungOp<"wkv4", ["k", "v"], ["w", "u"]> {
  let summary = "RWKV-4 (arXiv:2305.13048): o = (num + e^(u + k) v) / (den + e^(u + k)) ; num <- e^w num + e^k v ; den <- e^w den + e^k";
  let description = [{
    Every channel on its own. `k, v` and the output are `[B, T, H, V]`; `w` (w <= 0, the natural logarithm of the decay) and `u`
    are `[H, V]`; the states num, den, m are `[B, H, V]`. Sums are kept relative to e^m, m being the largest exponent so far
    (appendix D of the paper), so that no exponential overflows: the sums are num e^m and den e^m. An empty past is num = den =
    0 and m = -infinity or any very negative number.

    Example:
    ```mlir
    func.func @wkv4(%k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>,
                    %num: tensor<?x2x8xf32>, %den: tensor<?x2x8xf32>, %m: tensor<?x2x8xf32>)
        -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>) {
      %o:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m)
        : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8xf32>,
           tensor<?x2x8xf32>, tensor<?x2x8xf32>)
        -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
      return %o#0, %o#1, %o#2, %o#3 : tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>
    }
    ```
  }];
}
