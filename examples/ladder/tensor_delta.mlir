// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The delta rule on a state with two key axes (tensor_state.mlir): what the state holds for the pair a, b is replaced.
//
//   S_mn <- e^(f_m + g_n) S_mn        y = sum of a_m b_n S_mn        S_mn <- S_mn + beta a_m b_n (v - y)
//   o = sum of c_m d_n S_mn
//
//   rwkv-run call tensor_delta.mlir tensor_delta a.npy b.npy c.npy d.npy v.npy f.npy g.npy beta.npy s0.npy -o out
//
//   a, b   [B, T, H, M], [B, T, H, N]   the pair of keys that is written, each of length 1
//   c, d   the same shapes              the pair that is read
//   v      [B, T, H, V]                 values, and the output o
//   f, g   [B, T, H, M], [B, T, H, N]   natural logarithms of the decays, <= 0
//   beta   [B, T, H]                    how much of what the pair recalls is replaced
//   s0     [B, H, M, N, V]              state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?x?xf32>
!S = !rwkv.state<?x?|?xf32>
!v = tensor<?xf32>

func.func @tensor_delta(%a: !Key, %b: !Key, %c: !Key, %d: !Key, %v: !Value, %f: !Key, %g: !Key, %beta: !Gate,
                        %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%at = %a : !Key, %bt = %b : !Key, %ct = %c : !Key, %dt = %d : !Key, %vt = %v : !Value,
           %ft = %f : !Key, %gt = %g : !Key, %rt = %beta : !Gate)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.decay %S0, %ft on "key0" : !S
    %S2 = rwkv.decay %S1, %gt on "key1" : !S
    %y  = rwkv.read  %S2[%at, %bt] : !S
    %e  = arith.subf %vt, %y : !v
    %S3 = rwkv.write %S2[%at, %bt], %e scale %rt : !S
    %ot = rwkv.read  %S3[%ct, %dt] : !S
    rwkv.yield %ot, %S3 : !v, !S
  }
  return %o, %s : !Value, !State
}
