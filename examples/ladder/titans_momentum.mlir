// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A memory that learns by gradient descent with momentum and weight decay, as in Titans (arXiv:2501.00663) but with the
// gradient taken at the token instead of at the start of a chunk. M is the memory, P its momentum:
//
//   P <- eta P + theta k (v - M^T k)^T        M <- (1 - alpha) M + P        o = M^T q
//
// Both are slots of one state with a slot axis of size 2, [2, K, V]. `rwkv.momentum` is short for a matrix on that
// axis, a write to P, and another matrix (see its description).
//
//   rwkv-run call titans_momentum.mlir titans_momentum q.npy k.npy v.npy theta.npy eta.npy alpha.npy s0.npy -o out
//
//   q, k     [B, T, H, K]      queries and keys; k of length 1
//   v        [B, T, H, V]      values, and the output o
//   theta    [B, T, H]         step size
//   eta      [B, T, H]         how much of the momentum is kept, 0 to 1
//   alpha    [B, T, H]         how much of the memory is forgotten, 0 to 1
//   s0       [B, H, 2, K, V]   M and P before the first token; those after the last one are the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x2x?x?xf32>
!S = !rwkv.state<2x?|?xf32>
!v = tensor<?xf32>

func.func @titans_momentum(%q: !Key, %k: !Key, %v: !Value, %theta: !Gate, %eta: !Gate, %alpha: !Gate, %s0: !State)
    -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %step = %theta : !Gate, %kept = %eta : !Gate,
           %lost = %alpha : !Gate)
      init(%S = %s0 : !State) -> (!Value, !State) {
    %m  = arith.constant dense<[1.0, 0.0]> : tensor<2xf32>  // the slot of the memory
    %y  = rwkv.read %S[%m, %kt] : !S                        // what the memory holds for k
    %e  = arith.subf %vt, %y : !v
    %S1 = rwkv.momentum %S[%kt], %e scale %step eta %kept alpha %lost : !S
    %ot = rwkv.read %S1[%m, %qt] : !S
    rwkv.yield %ot, %S1 : !v, !S
  }
  return %o, %s : !Value, !State
}
