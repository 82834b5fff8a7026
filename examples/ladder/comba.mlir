// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Comba (arXiv:2506.02475): a delta rule whose feedback has a key p of its own, beside the key k that is written. The
// feedback is taken from the state before it decays: the transition is a scalar plus a matrix of rank one.
//
//   S <- e^g S + beta k (v - S^T p)^T        o = S^T q
//
//   rwkv-run call comba.mlir comba q.npy k.npy p.npy v.npy g.npy beta.npy s0.npy -o out
//
//   q, k   [B, T, H, K]   queries (the paper's output feedback, q - d k, already in them) and keys
//   p      [B, T, H, K]   feedback keys, in the paper k times a number of the head; p . k >= 0 keeps the state bounded
//   v      [B, T, H, V]   values, and the output o
//   g      [B, T, H]      natural logarithm of the decay, <= 0
//   beta   [B, T, H]      how much is written
//   s0     [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @comba(%q: !Key, %k: !Key, %p: !Key, %v: !Value, %g: !Gate, %beta: !Gate, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %pt = %p : !Key, %vt = %v : !Value, %gt = %g : !Gate, %bt = %beta : !Gate)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %y  = rwkv.read  %S0[%pt] : !S
    %e  = arith.subf %vt, %y : !v
    %S1 = rwkv.decay %S0, %gt on "all" : !S
    %S2 = rwkv.write %S1[%kt], %e scale %bt : !S
    %ot = rwkv.read  %S2[%qt] : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %s : !Value, !State
}
