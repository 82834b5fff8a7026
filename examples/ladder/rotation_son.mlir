// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A state that SO(K) acts on: every token rotates it in the plane of two vectors a and b. Lengths are kept exactly,
// whatever the operands are.
//
//   S <- exp(theta G) S + k v^T,  G = b a^T - a b^T        o = S^T q
//
// G turns its plane by theta w, with w^2 = |a|^2 |b|^2 - (a . b)^2. The operand is t = tan(theta w / 2) / w instead of
// theta (w = 1 for orthonormal a and b): exp(theta G) = (1 - t G)^-1 (1 + t G), which needs neither sines nor cosines,
//
//   exp(theta G) = 1 + c G + c t G^2,  c = 2 t / (1 + t^2 w^2)
//   G S = b y_a^T - a y_b^T,  G^2 S = b (m y_a - |a|^2 y_b)^T - a (|b|^2 y_a - m y_b)^T,  y_x = S^T x,  m = a . b
//
//   rwkv-run call rotation_son.mlir rotation_son q.npy k.npy v.npy a.npy b.npy t.npy s0.npy -o out
//
//   q, k   [B, T, H, K]   queries and keys
//   v      [B, T, H, V]   values, and the output o
//   a, b   [B, T, H, K]   they span the plane; a turns towards b
//   t      [B, T, H]      tangent of half of the angle, over w
//   s0     [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!k = tensor<?xf32>
!v = tensor<?xf32>

func.func @rotation_son(%q: !Key, %k: !Key, %v: !Value, %a: !Key, %b: !Key, %t: !Gate, %s0: !State)
    -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %at = %a : !Key, %bt = %b : !Key, %tt = %t : !Gate)
      init(%S = %s0 : !State) -> (!Value, !State) {
    %aa = rwkv.dot %at, %at : !k -> f32
    %bb = rwkv.dot %bt, %bt : !k -> f32
    %m  = rwkv.dot %at, %bt : !k -> f32
    %ab = arith.mulf %aa, %bb : f32
    %mm = arith.mulf %m, %m : f32
    %ww = arith.subf %ab, %mm : f32
    %t2 = arith.mulf %tt, %tt : f32
    %one = rwkv.fill 1.0 : f32
    %tw = arith.mulf %t2, %ww : f32
    %d  = arith.addf %one, %tw : f32
    %tt2 = arith.addf %tt, %tt : f32
    %c  = arith.divf %tt2, %d : f32
    %ct = arith.mulf %c, %tt : f32
    // b gets (c + ct m) y_a - ct |a|^2 y_b, a gets -ct |b|^2 y_a + (ct m - c) y_b
    %cm = arith.mulf %ct, %m : f32
    %fba = arith.addf %c, %cm : f32
    %ca = arith.mulf %ct, %aa : f32
    %fbb = arith.negf %ca : f32
    %cb = arith.mulf %ct, %bb : f32
    %faa = arith.negf %cb : f32
    %fab = arith.subf %cm, %c : f32
    %ya = rwkv.read  %S[%at] : !S
    %yb = rwkv.read  %S[%bt] : !S
    %S1 = rwkv.write %S[%bt], %ya scale %fba : !S
    %S2 = rwkv.write %S1[%bt], %yb scale %fbb : !S
    %S3 = rwkv.write %S2[%at], %ya scale %faa : !S
    %S4 = rwkv.write %S3[%at], %yb scale %fab : !S
    %S5 = rwkv.write %S4[%kt], %vt : !S
    %ot = rwkv.read  %S5[%qt] : !S
    rwkv.yield %ot, %S5 : !v, !S
  }
  return %o, %s : !Value, !State
}
