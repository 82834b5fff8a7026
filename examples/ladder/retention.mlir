// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Retention, the layer of RetNet (arXiv:2307.08621): linear attention whose heads forget at a pace of their own, the
// same for all tokens.
//
//   S <- gamma S + k v^T        o = S^T q
//
//   rwkv-run call retention.mlir retention q.npy k.npy v.npy g.npy s0.npy -o out
//
//   q, k   [B, T, H, K]   queries and keys
//   v      [B, T, H, V]   values, and the output o
//   g      [H]            natural logarithm of gamma, <= 0; it does not change with time, hence const
//   s0     [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @retention(%q: !Key, %k: !Key, %v: !Value, %g: !Gate, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value) const(%gh = %g : !Gate)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.decay %S0, %gh on "all" : !S
    %S2 = rwkv.write %S1[%kt], %vt : !S
    %ot = rwkv.read  %S2[%qt] : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %s : !Value, !State
}
