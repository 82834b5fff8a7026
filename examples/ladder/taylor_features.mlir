// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The layer of taylor.mlir, with the ops for features of keys: 1, k and k (x) k are the features of the Taylor series
// of e^(q . k) up to its second power, each in a state of its own. Values are written to three states and read from them
// with the query; so is the value 1, which gives the sum of scores that the output is divided by.
//
//   S <- S + phi(k) v^T     N <- N + phi(k)     o = <phi(q), S> / <phi(q), N>
//   phi(q) . phi(k) = 1 + q . k + (q . k)^2 / 2
//
//   rwkv-run call taylor_features.mlir taylor_features q.npy k.npy v.npy A.npy B.npy C.npy L.npy M.npy N.npy -o out
//
//   q, k       [B, T, H, K]                    queries and keys (both divided by the fourth root of K)
//   v          [B, T, H, V]                    values, and the output o
//   A, B, C    [B, H, V], [B, H, K, V], [B, H, K, K, V]
//   L, M, N    [B, H, 1], [B, H, K, 1], [B, H, K, K, 1]
//              states before the first token: zeros. Results 1 to 6 are those after the last one
!Key    = tensor<?x?x?x?xf32>
!Value  = tensor<?x?x?x?xf32>
!StateA = tensor<?x?x?xf32>
!StateB = tensor<?x?x?x?xf32>
!StateC = tensor<?x?x?x?x?xf32>
!StateL = tensor<?x?x1xf32>
!StateM = tensor<?x?x?x1xf32>
!StateN = tensor<?x?x?x?x1xf32>
!A = !rwkv.state<|?xf32>
!B = !rwkv.state<?|?xf32>
!C = !rwkv.state<?x?|?xf32>
!L = !rwkv.state<|1xf32>
!M = !rwkv.state<?|1xf32>
!N = !rwkv.state<?x?|1xf32>
!v = tensor<?xf32>
!one = tensor<1xf32>

func.func @taylor_features(%q: !Key, %k: !Key, %v: !Value, %A: !StateA, %B: !StateB, %C: !StateC, %L: !StateL,
                           %M: !StateM, %N: !StateN)
    -> (!Value, !StateA, !StateB, !StateC, !StateL, !StateM, !StateN) {
  %y:7 = rwkv.recurrence over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value)
      init(%A0 = %A : !StateA, %B0 = %B : !StateB, %C0 = %C : !StateC, %L0 = %L : !StateL, %M0 = %M : !StateM,
           %N0 = %N : !StateN) -> (!Value, !StateA, !StateB, !StateC, !StateL, !StateM, !StateN) {
    %one = rwkv.fill 1.0 : !one
    %S:3 = rwkv.feature_write taylor %A0, %B0, %C0[%kt], %vt : !C
    %W:3 = rwkv.feature_write taylor %L0, %M0, %N0[%kt], %one : !N
    %s  = rwkv.feature_read taylor %S#0, %S#1, %S#2[%qt] : !C
    %w  = rwkv.feature_read taylor %W#0, %W#1, %W#2[%qt] : !N
    %w0 = rwkv.sum %w over 0 : !one -> f32
    %wv = rwkv.broadcast %w0 : f32 -> !v
    %ot = arith.divf %s, %wv : !v
    rwkv.yield %ot, %S#0, %S#1, %S#2, %W#0, %W#1, %W#2 : !v, !A, !B, !C, !L, !M, !N
  }
  return %y#0, %y#1, %y#2, %y#3, %y#4, %y#5, %y#6 : !Value, !StateA, !StateB, !StateC, !StateL, !StateM, !StateN
}
