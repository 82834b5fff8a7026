// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// TTT-linear (arXiv:2407.04620): a linear model W, trained while it reads. Each token is one gradient step on how well
// W maps k to v, taken at the model W0 as it was before the last token whose number is a multiple of 16, so that 16
// gradients are taken at once. The model has a layer norm, so the gradient is no linear function of W0:
//
//   z = W0^T k        x = (z - mean z) / sqrt(var z + eps)        y = gamma x + beta
//   u = gamma (y - v) 2 / V                                        the gradient of mean |y - v|^2 by x
//   e = (u - mean u - x mean(u x)) / sqrt(var z + eps)             and by z
//   W <- W - eta k e^T        o = W^T q
//
//   rwkv-run call ttt_linear.mlir ttt_linear q.npy k.npy v.npy eta.npy gamma.npy beta.npy W.npy W0.npy n.npy -o out
//
//   q, k         [B, T, H, K]   queries and keys
//   v            [B, T, H, V]   what W learns to give for k, and the output o
//   eta          [B, T, H]      step size
//   gamma, beta  [H, V]         scale and bias of the layer norm
//   W            [B, H, K, V]   the model before the first token. Results 1, 2 and 3 are the states after the last one
//   W0           [B, H, K, V]   the model at which gradients are taken: anything, where n = 0
//   n            [B, H, 1]      how many tokens ago it was taken: zeros
!Key    = tensor<?x?x?x?xf32>
!Value  = tensor<?x?x?x?xf32>
!Gate   = tensor<?x?x?xf32>
!Norm   = tensor<?x?xf32>
!State  = tensor<?x?x?x?xf32>
!StateN = tensor<?x?x1xf32>
!S = !rwkv.state<?|?xf32>
!N = !rwkv.state<|1xf32>
!v = tensor<?xf32>

func.func @ttt_linear(%q: !Key, %k: !Key, %v: !Value, %eta: !Gate, %gamma: !Norm, %beta: !Norm,
                      %W: !State, %W0: !State, %n: !StateN) -> (!Value, !State, !State, !StateN) {
  %y:4 = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %step = %eta : !Gate)
      const(%ga = %gamma : !Norm, %be = %beta : !Norm)
      init(%S = %W : !State, %B = %W0 : !State, %c = %n : !StateN) -> (!Value, !State, !State, !StateN) {
    %B1 = rwkv.hold %B, %S at %c : !S
    %c1 = rwkv.count %c every 16 : !N

    %z  = rwkv.read %B1[%kt] : !S
    %ones = rwkv.fill 1.0 : !v
    %n0 = rwkv.dot %ones, %ones : !v -> f32            // V
    %s0 = rwkv.dot %z, %ones : !v -> f32
    %m0 = arith.divf %s0, %n0 : f32
    %mv = rwkv.broadcast %m0 : f32 -> !v
    %zc = arith.subf %z, %mv : !v
    %sq = arith.mulf %zc, %zc : !v
    %s1 = rwkv.sum %sq over 0 : !v -> f32
    %var = arith.divf %s1, %n0 : f32
    %eps = arith.constant 1.0e-6 : f32
    %ve = arith.addf %var, %eps : f32
    %rs = math.rsqrt %ve : f32
    %rv = rwkv.broadcast %rs : f32 -> !v
    %x  = arith.mulf %zc, %rv : !v

    %gx = arith.mulf %ga, %x : !v
    %yt = arith.addf %gx, %be : !v
    %d  = arith.subf %yt, %vt : !v
    %gd = arith.mulf %ga, %d : !v
    %two = arith.constant 2.0 : f32
    %f  = arith.divf %two, %n0 : f32
    %fv = rwkv.broadcast %f : f32 -> !v
    %u  = arith.mulf %gd, %fv : !v
    %s2 = rwkv.sum %u over 0 : !v -> f32
    %m2 = arith.divf %s2, %n0 : f32
    %mu = rwkv.broadcast %m2 : f32 -> !v
    %ux = arith.mulf %u, %x : !v
    %s3 = rwkv.sum %ux over 0 : !v -> f32
    %m3 = arith.divf %s3, %n0 : f32
    %mx = rwkv.broadcast %m3 : f32 -> !v
    %xm = arith.mulf %x, %mx : !v
    %e0 = arith.subf %u, %mu : !v
    %e1 = arith.subf %e0, %xm : !v
    %e  = arith.mulf %e1, %rv : !v

    %down = arith.negf %step : f32
    %S1 = rwkv.write %S[%kt], %e scale %down : !S
    %ot = rwkv.read  %S1[%qt] : !S
    rwkv.yield %ot, %S1, %B1, %c1 : !v, !S, !S, !N
  }
  return %y#0, %y#1, %y#2, %y#3 : !Value, !State, !State, !StateN
}
