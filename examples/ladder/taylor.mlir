// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention with the second-order Taylor series of its score, e^x near 1 + x + x^2 / 2 with x = q . k (Based,
// arXiv:2402.18668). The three terms are inner products of 1, k and k (x) k: a state without a key, one with a key, one
// with two. The polynomial is at least 1/2, so the sum of the scores, by which the output is divided, is positive. The
// sums of scores are states of the same keys with the value 1.
//
//   A <- A + v          B <- B + k v^T        C <- C + k (x) k (x) v
//   L <- L + 1          M <- M + k            N <- N + k (x) k
//   o = (A + B^T q + 1/2 C(q, q)) / (L + M . q + 1/2 N(q, q))
//
//   rwkv-run call taylor.mlir taylor q.npy k.npy v.npy A.npy B.npy C.npy L.npy M.npy N.npy -o out
//
//   q, k   [B, T, H, K]      queries and keys (both divided by the fourth root of K)
//   v      [B, T, H, V]      values, and the output o
//   A      [B, H, V]         states before the first token: zeros. Results 1 to 6 are those after the last one
//   B      [B, H, K, V]
//   C      [B, H, K, K, V]
//   L      [B, H, 1]
//   M      [B, H, K, 1]
//   N      [B, H, K, K, 1]
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

func.func @taylor(%q: !Key, %k: !Key, %v: !Value, %A: !StateA, %B: !StateB, %C: !StateC, %L: !StateL, %M: !StateM,
                  %N: !StateN) -> (!Value, !StateA, !StateB, !StateC, !StateL, !StateM, !StateN) {
  %y:7 = rwkv.recurrence over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value)
      init(%A0 = %A : !StateA, %B0 = %B : !StateB, %C0 = %C : !StateC, %L0 = %L : !StateL, %M0 = %M : !StateM,
           %N0 = %N : !StateN) -> (!Value, !StateA, !StateB, !StateC, !StateL, !StateM, !StateN) {
    %one = rwkv.fill 1.0 : !one
    %A1 = rwkv.write %A0[], %vt : !A
    %B1 = rwkv.write %B0[%kt], %vt : !B
    %C1 = rwkv.write %C0[%kt, %kt], %vt : !C
    %L1 = rwkv.write %L0[], %one : !L
    %M1 = rwkv.write %M0[%kt], %one : !M
    %N1 = rwkv.write %N0[%kt, %kt], %one : !N

    %a  = rwkv.read %A1[] : !A
    %b  = rwkv.read %B1[%qt] : !B
    %c  = rwkv.read %C1[%qt, %qt] : !C
    %hv = rwkv.fill 0.5 : !v
    %ch = arith.mulf %c, %hv : !v
    %ab = arith.addf %a, %b : !v
    %s  = arith.addf %ab, %ch : !v

    %l  = rwkv.read %L1[] : !L
    %m  = rwkv.read %M1[%qt] : !M
    %n  = rwkv.read %N1[%qt, %qt] : !N
    %h1 = rwkv.fill 0.5 : !one
    %nh = arith.mulf %n, %h1 : !one
    %lm = arith.addf %l, %m : !one
    %w  = arith.addf %lm, %nh : !one
    %w0 = rwkv.sum %w over 0 : !one -> f32
    %wv = rwkv.broadcast %w0 : f32 -> !v
    %ot = arith.divf %s, %wv : !v
    rwkv.yield %ot, %A1, %B1, %C1, %L1, %M1, %N1 : !v, !A, !B, !C, !L, !M, !N
  }
  return %y#0, %y#1, %y#2, %y#3, %y#4, %y#5, %y#6 : !Value, !StateA, !StateB, !StateC, !StateL, !StateM, !StateN
}
