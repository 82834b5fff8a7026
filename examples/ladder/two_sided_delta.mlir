// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The delta rule on a state that decays along both of its axes: a gate per key channel and one per value channel. Both
// come before the read: a decay of the values between a read and the write that it feeds would leave no chunked form.
//
//   S <- diag(e^g) S diag(e^h)        S <- S + beta k (v - S^T k)^T        o = S^T q
//
//   rwkv-run call two_sided_delta.mlir two_sided_delta q.npy k.npy v.npy beta.npy g.npy h.npy s0.npy -o out
//
//   q, k   [B, T, H, K]   queries and keys; k of length 1
//   v      [B, T, H, V]   values, and the output o
//   beta   [B, T, H]      how much of what k recalls is replaced
//   g      [B, T, H, K]   natural logarithm of the decay of each key channel, <= 0
//   h      [B, T, H, V]   natural logarithm of the decay of each value channel, <= 0
//   s0     [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @two_sided_delta(%q: !Key, %k: !Key, %v: !Value, %beta: !Gate, %g: !Key, %h: !Value, %s0: !State)
    -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %bt = %beta : !Gate, %gt = %g : !Key, %ht = %h : !Value)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.decay %S0, %gt on "key0" : !S
    %S2 = rwkv.decay %S1, %ht on "value" : !S
    %y  = rwkv.read  %S2[%kt] : !S
    %e  = arith.subf %vt, %y : !v
    %S3 = rwkv.write %S2[%kt], %e scale %bt : !S
    %ot = rwkv.read  %S3[%qt] : !S
    rwkv.yield %ot, %S3 : !v, !S
  }
  return %o, %s : !Value, !State
}
