// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Mamba-2 (arXiv:2405.21060): one decay per head and token, e^(-dt e^A), from a step size dt that also scales the
// input. Without D, and with dt in the inputs, this is linear attention with a scalar gate.
//
//   dt = softplus(z + bias)        S <- e^(-dt e^A) S + dt B x^T        y = S^T C + D x
//
//   rwkv-run call mamba2.mlir mamba2 x.npy z.npy B.npy C.npy A.npy bias.npy D.npy s0.npy -o out
//
//   x            [B, T, H, V]   inputs, and the output y
//   z            [B, T, H]      step size before its bias and softplus
//   B, C         [B, T, G, K]   keys and queries; heads share them in G groups, G divides H
//   A, bias, D   [H]            constants of a head: logarithm of the rate, bias of the step size, weight of the skip
//   s0           [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!Const = tensor<?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @mamba2(%x: !Value, %z: !Gate, %B: !Key, %C: !Key, %A: !Const, %bias: !Const, %D: !Const, %s0: !State)
    -> (!Value, !State) {
  %y, %s = rwkv.recurrence over(%xt = %x : !Value, %zt = %z : !Gate, %Bt = %B : !Key, %Ct = %C : !Key)
      const(%Ah = %A : !Const, %bh = %bias : !Const, %Dh = %D : !Const)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %zb = arith.addf %zt, %bh : f32
    %dt = rwkv.softplus %zb : f32
    %ea = math.exp %Ah : f32
    %na = arith.negf %ea : f32
    %g  = arith.mulf %dt, %na : f32                    // logarithm of the decay, <= 0 whatever the inputs are
    %S1 = rwkv.decay %S0, %g on "all" : !S
    %S2 = rwkv.write %S1[%Bt], %xt scale %dt : !S
    %r  = rwkv.read  %S2[%Ct] : !S
    %Dv = rwkv.broadcast %Dh : f32 -> !v
    %sk = arith.mulf %Dv, %xt : !v
    %yt = arith.addf %r, %sk : !v
    rwkv.yield %yt, %S2 : !v, !S
  }
  return %y, %s : !Value, !State
}
