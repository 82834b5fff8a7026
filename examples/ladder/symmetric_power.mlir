// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention with the score (q . k)^2, as a recurrence: the square of an inner product is the inner product of k (x) k,
// so one key on both key axes of a state [K, K, V].
//
//   S_mn <- e^g S_mn + k_m k_n v        o = sum of q_m q_n S_mn = sum over past tokens of decay (q . k)^2 v
//
//   rwkv-run call symmetric_power.mlir symmetric_power q.npy k.npy v.npy g.npy s0.npy -o out
//
//   q, k   [B, T, H, K]      queries and keys
//   v      [B, T, H, V]      values, and the output o
//   g      [B, T, H]         natural logarithm of the decay, <= 0
//   s0     [B, H, K, K, V]   state before the first token, stored in full; the state after the last one is the second
//                            result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?x?xf32>
!S = !rwkv.state<?x?|?xf32>
!v = tensor<?xf32>

func.func @symmetric_power(%q: !Key, %k: !Key, %v: !Value, %g: !Gate, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %gt = %g : !Gate)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.decay %S0, %gt on "all" : !S
    %S2 = rwkv.write %S1[%kt, %kt], %vt : !S
    %ot = rwkv.read  %S2[%qt, %qt] : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %s : !Value, !State
}
