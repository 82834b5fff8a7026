// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Linear attention (arXiv:2006.16236): attention with the score f(q) . f(k), f(x) = elu(x) + 1, which is positive, so
// the output is a weighted mean of past values. N sums the weights: it is written 1 where S is written v.
//
//   f(x) = max(x, 0) + e^min(x, 0)
//   S <- S + f(k) v^T        N <- N + f(k)        o = S^T f(q) / (N . f(q))
//
//   rwkv-run call linear_attention.mlir linear_attention q.npy k.npy v.npy S.npy N.npy -o out
//
//   q, k   [B, T, H, K]   queries and keys
//   v      [B, T, H, V]   values, and the output o
//   S      [B, H, K, V]   state before the first token: zeros. Results 1 and 2 are the states after the last one
//   N      [B, H, K, 1]   sum of the keys: zeros
!Key    = tensor<?x?x?x?xf32>
!Value  = tensor<?x?x?x?xf32>
!State  = tensor<?x?x?x?xf32>
!StateN = tensor<?x?x?x1xf32>
!S = !rwkv.state<?|?xf32>
!N = !rwkv.state<?|1xf32>
!k = tensor<?xf32>
!v = tensor<?xf32>

func.func @linear_attention(%q: !Key, %k: !Key, %v: !Value, %S: !State, %N: !StateN) -> (!Value, !State, !StateN) {
  %y:3 = rwkv.recurrence over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value)
      init(%S0 = %S : !State, %N0 = %N : !StateN) -> (!Value, !State, !StateN) {
    %zero = rwkv.fill 0.0 : !k
    %q0 = arith.maximumf %qt, %zero : !k
    %q1 = arith.minimumf %qt, %zero : !k
    %q2 = math.exp %q1 : !k
    %fq = arith.addf %q0, %q2 : !k
    %k0 = arith.maximumf %kt, %zero : !k
    %k1 = arith.minimumf %kt, %zero : !k
    %k2 = math.exp %k1 : !k
    %fk = arith.addf %k0, %k2 : !k

    %one = rwkv.fill 1.0 : tensor<1xf32>
    %S1 = rwkv.write %S0[%fk], %vt : !S
    %N1 = rwkv.write %N0[%fk], %one : !N
    %ot = rwkv.normalizer %S1 by %N1[%fq] : !S
    rwkv.yield %ot, %S1, %N1 : !v, !S, !N
  }
  return %y#0, %y#1, %y#2 : !Value, !State, !StateN
}
