// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Key channels in fours that a unit quaternion multiplies from the left: rotations that do not commute, so that the
// order of tokens matters even without decay. The quaternion a + b i + c j + d k is the matrix
//
//   ( a -b -c -d )
//   ( b  a -d  c )
//   ( c  d  a -b )
//   ( d -c  b  a )
//
//   S_p <- u_p S_p for each four p of rows        S <- S + k v^T        o = S^T q
//
//   rwkv-run call quaternion.mlir quaternion q.npy k.npy v.npy R.npy s0.npy -o out
//
//   q, k   [B, T, H, K]           queries and keys
//   v      [B, T, H, V]           values, and the output o
//   R      [B, T, H, K/4, 4, 4]   the quaternions as matrices, in f32 whatever the others are: that they keep lengths
//                                 is asserted, and checked
//   s0     [B, H, K, V]           state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Fours = tensor<?x?x?x?x4x4xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!r = tensor<?x4x4xf32>
!v = tensor<?xf32>

func.func @quaternion(%q: !Key, %k: !Key, %v: !Value, %R: !Fours, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %Rt = %R : !Fours)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.transform %S0, %Rt on "key0" orthogonal : !S, !r
    %S2 = rwkv.write %S1[%kt], %vt : !S
    %ot = rwkv.read  %S2[%qt] : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %s : !Value, !State
}
