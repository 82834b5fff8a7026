// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gated DeltaProduct (arXiv:2502.10297) with three steps per token: the transition is a product of three Householder-
// like matrices, which reaches rotations that a single delta rule cannot.
//
//   S <- e^g S        for i = 1, 2, 3: S <- S + b_i k_i (v_i - S^T k_i)^T        o = S^T q
//
//   rwkv-run call delta_product.mlir delta_product q.npy k1.npy k2.npy k3.npy v1.npy v2.npy v3.npy \
//       b1.npy b2.npy b3.npy g.npy s0.npy -o out
//
//   q            [B, T, H, K]   queries
//   k1, k2, k3   [B, T, H, K]   keys of the steps, of length 1
//   v1, v2, v3   [B, T, H, V]   their values; the output o
//   b1, b2, b3   [B, T, H]      how much of what the key recalls is replaced, up to 2: a reflection
//   g            [B, T, H]      natural logarithm of the decay, <= 0
//   s0           [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @delta_product(%q: !Key, %k1: !Key, %k2: !Key, %k3: !Key, %v1: !Value, %v2: !Value, %v3: !Value,
                         %b1: !Gate, %b2: !Gate, %b3: !Gate, %g: !Gate, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%qt = %q : !Key, %x1 = %k1 : !Key, %x2 = %k2 : !Key, %x3 = %k3 : !Key,
           %z1 = %v1 : !Value, %z2 = %v2 : !Value, %z3 = %v3 : !Value,
           %c1 = %b1 : !Gate, %c2 = %b2 : !Gate, %c3 = %b3 : !Gate, %gt = %g : !Gate)
      init(%S = %s0 : !State) -> (!Value, !State) {
    %S0 = rwkv.decay %S, %gt on "all" : !S
    %y1 = rwkv.read  %S0[%x1] : !S
    %e1 = arith.subf %z1, %y1 : !v
    %S1 = rwkv.write %S0[%x1], %e1 scale %c1 : !S
    %y2 = rwkv.read  %S1[%x2] : !S                     // each step sees the state that the one before it left
    %e2 = arith.subf %z2, %y2 : !v
    %S2 = rwkv.write %S1[%x2], %e2 scale %c2 : !S
    %y3 = rwkv.read  %S2[%x3] : !S
    %e3 = arith.subf %z3, %y3 : !v
    %S3 = rwkv.write %S2[%x3], %e3 scale %c3 : !S
    %ot = rwkv.read  %S3[%qt] : !S
    rwkv.yield %ot, %S3 : !v, !S
  }
  return %o, %s : !Value, !State
}
