// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Two delta rule states of which one leaks into the other: slots of one state [2, K, V], mixed by a 2 x 2 matrix per
// token. With the states of two heads or of two layers as slots, this lets them exchange what they remember.
//
//   (S; L) <- R (S; L)        S <- e^g S, L <- e^g L
//   S <- S + beta k (v - S^T k)^T        L <- L + beta_l k_l (v_l - L^T k_l)^T        o = S^T q
//
//   rwkv-run call slot_mix.mlir slot_mix q.npy k.npy v.npy beta.npy kl.npy vl.npy betal.npy g.npy R.npy first.npy \
//       second.npy s0.npy -o out
//
//   q, k, kl        [B, T, H, K]         queries of the first slot, keys of both; keys of length 1
//   v, vl           [B, T, H, V]         values of both slots, and the output o
//   beta, betal     [B, T, H]            how much of what the key recalls is replaced
//   g               [B, T, H]            natural logarithm of the decay, <= 0
//   R               [B, T, H, 1, 2, 2]   the mixture, (1, x; 0, 1) adds x times the second slot to the first
//   first, second   [H, 2]               (1, 0) and (0, 1) for every head: keys of the slot axis
//   s0              [B, H, 2, K, V]      both slots before the first token; the second result: after the last one
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!Slots = tensor<?x?x?x1x2x2xf32>
!Slot  = tensor<?x2xf32>
!State = tensor<?x?x2x?x?xf32>
!S = !rwkv.state<2x?|?xf32>
!r = tensor<1x2x2xf32>
!v = tensor<?xf32>

func.func @slot_mix(%q: !Key, %k: !Key, %v: !Value, %beta: !Gate, %kl: !Key, %vl: !Value, %betal: !Gate, %g: !Gate,
                    %R: !Slots, %first: !Slot, %second: !Slot, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%qt = %q : !Key, %k0 = %k : !Key, %v0 = %v : !Value, %b0 = %beta : !Gate,
           %k1 = %kl : !Key, %v1 = %vl : !Value, %b1 = %betal : !Gate, %gt = %g : !Gate, %Rt = %R : !Slots)
      const(%e0 = %first : !Slot, %e1 = %second : !Slot)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.transform %S0, %Rt on "key0" : !S, !r
    %S2 = rwkv.decay %S1, %gt on "all" : !S
    %y0 = rwkv.read  %S2[%e0, %k0] : !S
    %d0 = arith.subf %v0, %y0 : !v
    %S3 = rwkv.write %S2[%e0, %k0], %d0 scale %b0 : !S
    %y1 = rwkv.read  %S3[%e1, %k1] : !S
    %d1 = arith.subf %v1, %y1 : !v
    %S4 = rwkv.write %S3[%e1, %k1], %d1 scale %b1 : !S
    %ot = rwkv.read  %S4[%e0, %qt] : !S
    rwkv.yield %ot, %S4 : !v, !S
  }
  return %o, %s : !Value, !State
}
