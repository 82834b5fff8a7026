// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The state evolves by the exponential of a generator A of rank 2: the exact flow of dS/dt = A S over a time s. With
// X_ij = a_i . b_j, a 2 x 2 matrix, it costs two reads and four writes:
//
//   A = b0 a0^T + b1 a1^T        e^(s A) = 1 + s B phi(s X) (a0 a1)^T,  B = (b0 b1),  phi(z) = (e^z - 1) / z
//
//   S <- diag(e^g) S        S <- e^(s A) S + k v^T        o = S^T q
//
// phi has no singularity, and its series 1 + z/2! + z^2/3! + .. needs no inverse of X. By Cayley and Hamilton a power
// of a 2 x 2 matrix Z is a combination p + q Z, and (p + q Z) Z = -det q + (p + trace q) Z: two numbers per term.
//
//   rwkv-run call exp_evolution.mlir exp_evolution q.npy k.npy v.npy g.npy a0.npy a1.npy b0.npy b1.npy s.npy s0.npy \
//       -o out
//
//   q, k     [B, T, H, K]   queries and keys
//   v        [B, T, H, V]   values, and the output o
//   g        [B, T, H, K]   natural logarithm of the decay, <= 0
//   a0, a1   [B, T, H, K]   what the generator reads
//   b0, b1   [B, T, H, K]   where it writes that
//   s        [B, T, H]      time; with |s| |a| |b| <= 1/2 eigenvalues of s X are below 1, and eleven terms leave 2e-9
//   s0       [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!k = tensor<?xf32>
!v = tensor<?xf32>

func.func @exp_evolution(%q: !Key, %k: !Key, %v: !Value, %g: !Key, %a0: !Key, %a1: !Key, %b0: !Key, %b1: !Key,
                         %s: !Gate, %s0: !State) -> (!Value, !State) {
  %o, %sn = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %gt = %g : !Key, %r0 = %a0 : !Key, %r1 = %a1 : !Key,
           %d0 = %b0 : !Key, %d1 = %b1 : !Key, %st = %s : !Gate)
      init(%S = %s0 : !State) -> (!Value, !State) {
    // Z = s X, its trace t and the negative of its determinant n
    %x00 = rwkv.dot %r0, %d0 : !k -> f32
    %x01 = rwkv.dot %r0, %d1 : !k -> f32
    %x10 = rwkv.dot %r1, %d0 : !k -> f32
    %x11 = rwkv.dot %r1, %d1 : !k -> f32
    %z00 = arith.mulf %st, %x00 : f32
    %z01 = arith.mulf %st, %x01 : f32
    %z10 = arith.mulf %st, %x10 : f32
    %z11 = arith.mulf %st, %x11 : f32
    %t   = arith.addf %z00, %z11 : f32
    %zd  = arith.mulf %z00, %z11 : f32
    %zc  = arith.mulf %z01, %z10 : f32
    %n   = arith.subf %zc, %zd : f32
    // Horner's rule from the last term on: (p, q) <- (1 / (i + 1)! + n q, p + t q)
    %c0  = arith.constant 1.000000000e+00 : f32
    %c1  = arith.constant 5.000000000e-01 : f32
    %c2  = arith.constant 1.666666667e-01 : f32
    %c3  = arith.constant 4.166666667e-02 : f32
    %c4  = arith.constant 8.333333333e-03 : f32
    %c5  = arith.constant 1.388888889e-03 : f32
    %c6  = arith.constant 1.984126984e-04 : f32
    %c7  = arith.constant 2.480158730e-05 : f32
    %c8  = arith.constant 2.755731922e-06 : f32
    %c9  = arith.constant 2.755731922e-07 : f32
    %c10 = arith.constant 2.505210839e-08 : f32
    %p8  = math.fma %n, %c10, %c8 : f32
    %q8  = math.fma %t, %c10, %c9 : f32
    %p7  = math.fma %n, %q8, %c7 : f32
    %q7  = math.fma %t, %q8, %p8 : f32
    %p6  = math.fma %n, %q7, %c6 : f32
    %q6  = math.fma %t, %q7, %p7 : f32
    %p5  = math.fma %n, %q6, %c5 : f32
    %q5  = math.fma %t, %q6, %p6 : f32
    %p4  = math.fma %n, %q5, %c4 : f32
    %q4  = math.fma %t, %q5, %p5 : f32
    %p3  = math.fma %n, %q4, %c3 : f32
    %q3  = math.fma %t, %q4, %p4 : f32
    %p2  = math.fma %n, %q3, %c2 : f32
    %q2  = math.fma %t, %q3, %p3 : f32
    %p1  = math.fma %n, %q2, %c1 : f32
    %q1  = math.fma %t, %q2, %p2 : f32
    %p0  = math.fma %n, %q1, %c0 : f32
    %q0  = math.fma %t, %q1, %p1 : f32
    // s phi(Z) = s p + s q Z
    %sp  = arith.mulf %st, %p0 : f32
    %sq  = arith.mulf %st, %q0 : f32
    %f00 = math.fma %sq, %z00, %sp : f32
    %f01 = arith.mulf %sq, %z01 : f32
    %f10 = arith.mulf %sq, %z10 : f32
    %f11 = math.fma %sq, %z11, %sp : f32
    // Both reads see the same state.
    %S0  = rwkv.decay %S, %gt on "key0" : !S
    %y0  = rwkv.read  %S0[%r0] : !S
    %y1  = rwkv.read  %S0[%r1] : !S
    %S1  = rwkv.write %S0[%d0], %y0 scale %f00 : !S
    %S2  = rwkv.write %S1[%d0], %y1 scale %f01 : !S
    %S3  = rwkv.write %S2[%d1], %y0 scale %f10 : !S
    %S4  = rwkv.write %S3[%d1], %y1 scale %f11 : !S
    %S5  = rwkv.write %S4[%kt], %vt : !S
    %ot  = rwkv.read  %S5[%qt] : !S
    rwkv.yield %ot, %S5 : !v, !S
  }
  return %o, %sn : !Value, !State
}
