// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// DeltaNet (arXiv:2406.06484): the delta rule. What the state holds for k is moved towards v, by the fraction beta.
//
//   S <- S + beta k (v - S^T k)^T        o = S^T q
//
//   rwkv-run call deltanet.mlir deltanet q.npy k.npy v.npy beta.npy s0.npy -o out
//
//   q, k   [B, T, H, K]   queries and keys; k of length 1 keeps the state bounded for beta up to 2
//   v      [B, T, H, V]   values, and the output o
//   beta   [B, T, H]      how much of what k recalls is replaced
//   s0     [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @deltanet(%q: !Key, %k: !Key, %v: !Value, %beta: !Gate, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %bt = %beta : !Gate)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %y  = rwkv.read  %S0[%kt] : !S                     // what the state holds for k
    %e  = arith.subf %vt, %y : !v                      // what is missing
    %S1 = rwkv.write %S0[%kt], %e scale %bt : !S
    %ot = rwkv.read  %S1[%qt] : !S
    rwkv.yield %ot, %S1 : !v, !S
  }
  return %o, %s : !Value, !State
}
