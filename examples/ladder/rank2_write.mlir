// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Two outer products per token, and two reads: one of the state before the token, one of the state after it. The second
// pair may be the token before (a trapezoidal rule) or a second input of the head (several inputs and outputs per
// state).
//
//   before = S^T p        S <- diag(e^g) S + k1 v1^T + k2 v2^T        after = S^T q
//
//   rwkv-run call rank2_write.mlir rank2_write p.npy q.npy k1.npy v1.npy k2.npy v2.npy g.npy s0.npy -o out
//
//   p, q             [B, T, H, K]   queries
//   k1, k2, v1, v2   [B, T, H, K], [B, T, H, V]   keys and values; both outputs have the shape of the values
//   g                [B, T, H, K]   natural logarithm of the decay, <= 0
//   s0               [B, H, K, V]   state before the first token; the state after the last one is the third result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @rank2_write(%p: !Key, %q: !Key, %k1: !Key, %v1: !Value, %k2: !Key, %v2: !Value, %g: !Key, %s0: !State)
    -> (!Value, !Value, !State) {
  %before, %after, %s = rwkv.recurrence
      over(%pt = %p : !Key, %qt = %q : !Key, %x1 = %k1 : !Key, %z1 = %v1 : !Value, %x2 = %k2 : !Key, %z2 = %v2 : !Value,
           %gt = %g : !Key) init(%S0 = %s0 : !State) -> (!Value, !Value, !State) {
    %op = rwkv.read  %S0[%pt] : !S
    %S1 = rwkv.decay %S0, %gt on "key0" : !S
    %S2 = rwkv.write %S1[%x1], %z1 : !S
    %S3 = rwkv.write %S2[%x2], %z2 : !S
    %oq = rwkv.read  %S3[%qt] : !S
    rwkv.yield %op, %oq, %S3 : !v, !v, !S
  }
  return %before, %after, %s : !Value, !Value, !State
}
