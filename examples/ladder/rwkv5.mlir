// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The recurrence of RWKV-5 (arXiv:2404.05892): matrix states, a constant decay per key channel. The output reads the
// state before the token and adds the token with a weight of its own, the bonus u.
//
//   o = (S + diag(u) k v^T)^T r        S <- diag(e^w) S + k v^T
//
//   rwkv-run call rwkv5.mlir wkv5 r.npy k.npy v.npy w.npy u.npy s0.npy -o out
//
//   r, k   [B, T, H, K]   receptance (the query) and keys
//   v      [B, T, H, V]   values, and the output o
//   w      [H, K]         natural logarithm of the decay, <= 0
//   u      [H, K]         the bonus
//   s0     [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Const = tensor<?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!k = tensor<?xf32>
!v = tensor<?xf32>

func.func @wkv5(%r: !Key, %k: !Key, %v: !Value, %w: !Const, %u: !Const, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence over(%rt = %r : !Key, %kt = %k : !Key, %vt = %v : !Value)
      const(%wh = %w : !Const, %uh = %u : !Const) init(%S0 = %s0 : !State) -> (!Value, !State) {
    %uk = arith.mulf %uh, %kt : !k
    %P  = rwkv.write %S0[%uk], %vt : !S                // read but never yielded: a peek
    %ot = rwkv.read  %P[%rt] : !S
    %S1 = rwkv.decay %S0, %wh on "key0" : !S
    %S2 = rwkv.write %S1[%kt], %vt : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %s : !Value, !State
}
