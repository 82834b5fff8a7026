// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The recurrence of RWKV-6 (arXiv:2404.05892): RWKV-5 with decays that come from the token.
//
//   o = (S + diag(u) k v^T)^T r        S <- diag(e^w) S + k v^T
//
//   rwkv-run call rwkv6.mlir wkv6 r.npy k.npy v.npy w.npy u.npy s0.npy -o out
//
//   r, k   [B, T, H, K]   receptance (the query) and keys
//   v      [B, T, H, V]   values, and the output o
//   w      [B, T, H, K]   natural logarithm of the decay, <= 0
//   u      [H, K]         the bonus: the same for all tokens, hence const
//   s0     [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Const = tensor<?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!k = tensor<?xf32>
!v = tensor<?xf32>

func.func @wkv6(%r: !Key, %k: !Key, %v: !Value, %w: !Key, %u: !Const, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence over(%rt = %r : !Key, %kt = %k : !Key, %vt = %v : !Value, %wt = %w : !Key)
      const(%uh = %u : !Const) init(%S0 = %s0 : !State) -> (!Value, !State) {
    %uk = arith.mulf %uh, %kt : !k
    %P  = rwkv.write %S0[%uk], %vt : !S                // read but never yielded: a peek
    %ot = rwkv.read  %P[%rt] : !S
    %S1 = rwkv.decay %S0, %wt on "key0" : !S
    %S2 = rwkv.write %S1[%kt], %vt : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %s : !Value, !State
}
