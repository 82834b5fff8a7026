// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The delta rule on a state whose key channels come in pairs that a complex number multiplies: a rotation and a decay,
// as in the linear recurrent unit (arXiv:2303.06349). The number z = x + i y is the 2 x 2 matrix (x, -y; y, x).
//
//   S_p <- z_p S_p for each pair p of rows        S <- S + beta k (v - S^T k)^T        o = S^T q
//
//   rwkv-run call complex_delta.mlir complex_delta q.npy k.npy v.npy beta.npy R.npy s0.npy -o out
//
//   q, k   [B, T, H, K]           queries and keys; k of length 1
//   v      [B, T, H, V]           values, and the output o
//   beta   [B, T, H]              how much of what k recalls is replaced
//   R      [B, T, H, K/2, 2, 2]   the numbers as matrices; |z| <= 1
//   s0     [B, H, K, V]           state before the first token, rows 2 p and 2 p + 1 the real and the imaginary
//                                 part; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!Pairs = tensor<?x?x?x?x2x2xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!r = tensor<?x2x2xf32>
!v = tensor<?xf32>

func.func @complex_delta(%q: !Key, %k: !Key, %v: !Value, %beta: !Gate, %R: !Pairs, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %bt = %beta : !Gate, %Rt = %R : !Pairs)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.transform %S0, %Rt on "key0" : !S, !r
    %y  = rwkv.read  %S1[%kt] : !S
    %e  = arith.subf %vt, %y : !v
    %S2 = rwkv.write %S1[%kt], %e scale %bt : !S
    %ot = rwkv.read  %S2[%qt] : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %s : !Value, !State
}
