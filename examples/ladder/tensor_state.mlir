// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A state with two key axes, [M, N, V]: values are stored under pairs of keys, M N of them for the cost of M + N
// numbers per token. Each key axis decays on its own.
//
//   S_mn <- e^(f_m + g_n) S_mn + a_m b_n v        o = sum over m, n of c_m d_n S_mn
//
//   rwkv-run call tensor_state.mlir tensor_state a.npy b.npy c.npy d.npy v.npy f.npy g.npy s0.npy -o out
//
//   a, b   [B, T, H, M], [B, T, H, N]   the pair of keys that is written
//   c, d   the same shapes              the pair that is read
//   v      [B, T, H, V]                 values, and the output o
//   f, g   [B, T, H, M], [B, T, H, N]   natural logarithms of the decays, <= 0
//   s0     [B, H, M, N, V]              state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!State = tensor<?x?x?x?x?xf32>
!S = !rwkv.state<?x?|?xf32>
!v = tensor<?xf32>

func.func @tensor_state(%a: !Key, %b: !Key, %c: !Key, %d: !Key, %v: !Value, %f: !Key, %g: !Key, %s0: !State)
    -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%at = %a : !Key, %bt = %b : !Key, %ct = %c : !Key, %dt = %d : !Key, %vt = %v : !Value,
           %ft = %f : !Key, %gt = %g : !Key)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.decay %S0, %ft on "key0" : !S
    %S2 = rwkv.decay %S1, %gt on "key1" : !S
    %S3 = rwkv.write %S2[%at, %bt], %vt : !S           // one key per key axis
    %ot = rwkv.read  %S3[%ct, %dt] : !S
    rwkv.yield %ot, %S3 : !v, !S
  }
  return %o, %s : !Value, !State
}
