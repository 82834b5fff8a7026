// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Mamba-1 (arXiv:2312.00752): every element of the state has its own decay, e^(-dt_v e^A_kv). It is no product of a
// part for the key and a part for the value channel, so there is no form with matrix products; there is a scan.
//
//   dt = softplus(z + bias)        S_kv <- e^(-dt_v e^A_kv) S_kv + B_k dt_v x_v        y = S^T C + D x
//
//   rwkv-run call mamba1.mlir mamba1 x.npy z.npy B.npy C.npy A.npy bias.npy D.npy s0.npy -o out
//
//   x, z      [B, T, H, V]   inputs, and step sizes before their bias and softplus; channels may be split into any H
//   B, C      [B, T, 1, K]   keys and queries, the same for all channels (K is the paper's N)
//   A         [H, K, V]      logarithm of the rates
//   bias, D   [H, V]         bias of the step size, weight of the skip
//   s0        [B, H, K, V]   state before the first token; the state after the last one is the second result
!X     = tensor<?x?x?x?xf32>
!Key   = tensor<?x?x?x?xf32>
!Rate  = tensor<?x?x?xf32>
!Const = tensor<?x?xf32>
!State = tensor<?x?x?x?xf32>
!S  = !rwkv.state<?|?xf32>
!kv = tensor<?x?xf32>
!v  = tensor<?xf32>

func.func @mamba1(%x: !X, %z: !X, %B: !Key, %C: !Key, %A: !Rate, %bias: !Const, %D: !Const, %s0: !State)
    -> (!X, !State) {
  %y, %s = rwkv.recurrence over(%xt = %x : !X, %zt = %z : !X, %Bt = %B : !Key, %Ct = %C : !Key)
      const(%Ah = %A : !Rate, %bh = %bias : !Const, %Dh = %D : !Const)
      init(%S0 = %s0 : !State) -> (!X, !State) {
    %zb = arith.addf %zt, %bh : !v
    %dt = rwkv.softplus %zb : !v
    %dk = rwkv.broadcast %dt on [1] : !v -> !kv
    %ea = math.exp %Ah : !kv
    %na = arith.negf %ea : !kv
    %g  = arith.mulf %dk, %na : !kv
    %S1 = rwkv.decay %S0, %g on "each" : !S
    %dx = arith.mulf %dt, %xt : !v
    %S2 = rwkv.write %S1[%Bt], %dx : !S
    %r  = rwkv.read  %S2[%Ct] : !S
    %sk = arith.mulf %Dh, %xt : !v
    %yt = arith.addf %r, %sk : !v
    rwkv.yield %yt, %S2 : !v, !S
  }
  return %y, %s : !X, !State
}
