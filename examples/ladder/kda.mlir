// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kimi Delta Attention (arXiv:2510.26692): gated DeltaNet with a decay per key channel.
//
//   S <- diag(e^g) S        S <- S + beta k (v - S^T k)^T        o = S^T q
//
//   rwkv-run call kda.mlir kda q.npy k.npy v.npy g.npy beta.npy s0.npy -o out
//
//   q, k   [B, T, H, K]   queries and keys; k of length 1 keeps the state bounded for beta up to 2
//   v      [B, T, H, V]   values, and the output o
//   g      [B, T, H, K]   natural logarithm of the decay, <= 0
//   beta   [B, T, H]      how much of what k recalls is replaced
//   s0     [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @kda(%q: !Key, %k: !Key, %v: !Value, %g: !Key, %beta: !Gate, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %gt = %g : !Key, %bt = %beta : !Gate)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.decay %S0, %gt on "key0" : !S
    %y  = rwkv.read  %S1[%kt] : !S
    %e  = arith.subf %vt, %y : !v
    %S2 = rwkv.write %S1[%kt], %e scale %bt : !S
    %ot = rwkv.read  %S2[%qt] : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %s : !Value, !State
}
