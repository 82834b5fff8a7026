// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The gated Oja rule: the delta rule with the roles of keys and values exchanged. What the state predicts for the value
// is taken off the key.
//
//   S <- S diag(e^g)        c = beta (k - S v)        S <- S + c v^T        S in R^(K x V)
//
// S v contracts the value axis, and rwkv.read contracts keys: so the state is held the other way round, Z = S^T, with
// the values as its keys.
//
//   rwkv-run call oja.mlir oja q.npy k.npy v.npy g.npy beta.npy z0.npy -o out              o = S q: a key for a value
//   rwkv-run call oja.mlir gated_oja q.npy k.npy v.npy g.npy beta.npy z0.npy s0.npy -o out o = S^T q: a value for a key
//
//   q      [B, T, H, V]   queries of @oja: values whose key is asked for
//   q      [B, T, H, K]   queries of @gated_oja, the published read-out
//   k      [B, T, H, K]   keys; the output of @oja has their shape
//   v      [B, T, H, V]   values, of length 1; the output of @gated_oja has their shape
//   g      [B, T, H, V]   natural logarithm of the decay of each value channel, <= 0
//   beta   [B, T, H]      how much of the error is written
//   z0     [B, H, V, K]   state before the first token, transposed; the one after the last token is the second result
//   s0     [B, H, K, V]   of @gated_oja: the same state, not transposed; the third result
!Key    = tensor<?x?x?x?xf32>
!Value  = tensor<?x?x?x?xf32>
!Gate   = tensor<?x?x?xf32>
!StateZ = tensor<?x?x?x?xf32>
!StateS = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!k = tensor<?xf32>
!v = tensor<?xf32>

func.func @oja(%q: !Value, %k: !Key, %v: !Value, %g: !Value, %beta: !Gate, %z0: !StateZ) -> (!Key, !StateZ) {
  %o, %z = rwkv.recurrence
      over(%qt = %q : !Value, %kt = %k : !Key, %vt = %v : !Value, %gt = %g : !Value, %bt = %beta : !Gate)
      init(%Z0 = %z0 : !StateZ) -> (!Key, !StateZ) {
    %Z1 = rwkv.decay %Z0, %gt on "key0" : !S
    %y  = rwkv.read  %Z1[%vt] : !S                     // S v
    %e  = arith.subf %kt, %y : !k
    %Z2 = rwkv.write %Z1[%vt], %e scale %bt : !S
    %ot = rwkv.read  %Z2[%qt] : !S
    rwkv.yield %ot, %Z2 : !k, !S
  }
  return %o, %z : !Key, !StateZ
}

// The published read-out contracts the other axis. A second state holds the same matrix as S; the key that is written
// to it comes from a read of the first one.
func.func @gated_oja(%q: !Key, %k: !Key, %v: !Value, %g: !Value, %beta: !Gate, %z0: !StateZ, %s0: !StateS)
    -> (!Value, !StateZ, !StateS) {
  %o, %z, %s = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %gt = %g : !Value, %bt = %beta : !Gate)
      init(%Z0 = %z0 : !StateZ, %S0 = %s0 : !StateS) -> (!Value, !StateZ, !StateS) {
    %Z1 = rwkv.decay %Z0, %gt on "key0" : !S
    %y  = rwkv.read  %Z1[%vt] : !S
    %e  = arith.subf %kt, %y : !k
    %bk = rwkv.broadcast %bt : f32 -> !k
    %c  = arith.mulf %bk, %e : !k
    %Z2 = rwkv.write %Z1[%vt], %c : !S
    %S1 = rwkv.decay %S0, %gt on "value" : !S
    %S2 = rwkv.write %S1[%c], %vt : !S
    %ot = rwkv.read  %S2[%qt] : !S
    rwkv.yield %ot, %Z2, %S2 : !v, !S, !S
  }
  return %o, %z, %s : !Value, !StateZ, !StateS
}
