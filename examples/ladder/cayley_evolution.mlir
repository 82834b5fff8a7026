// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The state evolves by the Cayley transform of a generator A of rank 2, the midpoint rule with step s. For a skew A it
// is exactly orthogonal (rotation_son.mlir). With X_ij = a_i . b_j, a 2 x 2 matrix:
//
//   A = b0 a0^T + b1 a1^T        (1 - s A / 2)^-1 (1 + s A / 2) = 1 + s B (1 - s X / 2)^-1 (a0 a1)^T,  B = (b0 b1)
//
//   S <- diag(e^g) S        S <- (1 - s A / 2)^-1 (1 + s A / 2) S + k v^T        o = S^T q
//
//   rwkv-run call cayley_evolution.mlir cayley_evolution q.npy k.npy v.npy g.npy a0.npy a1.npy b0.npy b1.npy s.npy \
//       s0.npy -o out
//
//   q, k     [B, T, H, K]   queries and keys
//   v        [B, T, H, V]   values, and the output o
//   g        [B, T, H, K]   natural logarithm of the decay, <= 0
//   a0, a1   [B, T, H, K]   what the generator reads
//   b0, b1   [B, T, H, K]   where it writes that
//   s        [B, T, H]      length of the step; a pole where 2 / s is an eigenvalue of X: |s| |a| |b| < 1 is safe
//   s0       [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!k = tensor<?xf32>
!v = tensor<?xf32>

func.func @cayley_evolution(%q: !Key, %k: !Key, %v: !Value, %g: !Key, %a0: !Key, %a1: !Key, %b0: !Key, %b1: !Key,
                            %s: !Gate, %s0: !State) -> (!Value, !State) {
  %o, %sn = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %gt = %g : !Key, %c0 = %a0 : !Key, %c1 = %a1 : !Key,
           %d0 = %b0 : !Key, %d1 = %b1 : !Key, %st = %s : !Gate)
      init(%S = %s0 : !State) -> (!Value, !State) {
    // Z = s X / 2
    %half = rwkv.fill 0.5 : f32
    %h   = arith.mulf %half, %st : f32
    %x00 = rwkv.dot %c0, %d0 : !k -> f32
    %x01 = rwkv.dot %c0, %d1 : !k -> f32
    %x10 = rwkv.dot %c1, %d0 : !k -> f32
    %x11 = rwkv.dot %c1, %d1 : !k -> f32
    %z00 = arith.mulf %h, %x00 : f32
    %z01 = arith.mulf %h, %x01 : f32
    %z10 = arith.mulf %h, %x10 : f32
    %z11 = arith.mulf %h, %x11 : f32
    // s (1 - Z)^-1 = s / det (1 - Z) * (1 - z11, z01; z10, 1 - z00)
    %one = rwkv.fill 1.0 : f32
    %m00 = arith.subf %one, %z00 : f32
    %m11 = arith.subf %one, %z11 : f32
    %md  = arith.mulf %m00, %m11 : f32
    %zd  = arith.mulf %z01, %z10 : f32
    %det = arith.subf %md, %zd : f32
    %r   = arith.divf %st, %det : f32
    %f00 = arith.mulf %r, %m11 : f32
    %f01 = arith.mulf %r, %z01 : f32
    %f10 = arith.mulf %r, %z10 : f32
    %f11 = arith.mulf %r, %m00 : f32
    // The columns of s B (1 - Z)^-1 become the keys of the writes: the matrix acts on the keys, not on the values.
    %k00 = rwkv.broadcast %f00 : f32 -> !k
    %k01 = rwkv.broadcast %f01 : f32 -> !k
    %k10 = rwkv.broadcast %f10 : f32 -> !k
    %k11 = rwkv.broadcast %f11 : f32 -> !k
    %p00 = arith.mulf %k00, %d0 : !k
    %p10 = arith.mulf %k10, %d1 : !k
    %p01 = arith.mulf %k01, %d0 : !k
    %p11 = arith.mulf %k11, %d1 : !k
    %e0  = arith.addf %p00, %p10 : !k
    %e1  = arith.addf %p01, %p11 : !k
    %S0  = rwkv.decay %S, %gt on "key0" : !S
    %y0  = rwkv.read  %S0[%c0] : !S
    %y1  = rwkv.read  %S0[%c1] : !S
    %S1  = rwkv.write %S0[%e0], %y0 : !S
    %S2  = rwkv.write %S1[%e1], %y1 : !S
    %S3  = rwkv.write %S2[%kt], %vt : !S
    %ot  = rwkv.read  %S3[%qt] : !S
    rwkv.yield %ot, %S3 : !v, !S
  }
  return %o, %sn : !Value, !State
}
