// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gated linear attention (arXiv:2312.06635): every key channel has its own decay, from the token. HGRN-2 is the case
// k = 1 - e^g.
//
//   S <- diag(e^g) S + k v^T        o = S^T q
//
//   rwkv-run call gla.mlir gla q.npy k.npy v.npy g.npy s0.npy -o out
//
//   q, k   [B, T, H, K]   queries and keys
//   v      [B, T, H, V]   values, and the output o
//   g      [B, T, H, K]   natural logarithm of the decay, <= 0
//   s0     [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @gla(%q: !Key, %k: !Key, %v: !Value, %g: !Key, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %gt = %g : !Key)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.decay %S0, %gt on "key0" : !S
    %S2 = rwkv.write %S1[%kt], %vt : !S
    %ot = rwkv.read  %S2[%qt] : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %s : !Value, !State
}
