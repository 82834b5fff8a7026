// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The state evolves by the exponential of a generator A of rank 2: the exact flow of dS/dt = A S over a time s.
//
//   A = b0 a0^T + b1 a1^T        S <- diag(e^g) S        S <- e^(s A) S + k v^T        o = S^T q
//
// `rwkv.evolve` is short for two reads and two writes (see its description): e^(s A) is 1 plus a matrix of rank 2.
//
//   rwkv-run call exp_evolution.mlir exp_evolution q.npy k.npy v.npy g.npy a0.npy a1.npy b0.npy b1.npy s.npy s0.npy \
//       -o out
//
//   q, k     [B, T, H, K]   queries and keys
//   v        [B, T, H, V]   values, and the output o
//   g        [B, T, H, K]   natural logarithm of the decay, <= 0
//   a0, a1   [B, T, H, K]   what the generator reads
//   b0, b1   [B, T, H, K]   where it writes that
//   s        [B, T, H]      time; any, while the norm of s A is at most 8
//   s0       [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @exp_evolution(%q: !Key, %k: !Key, %v: !Value, %g: !Key, %a0: !Key, %a1: !Key, %b0: !Key, %b1: !Key,
                         %s: !Gate, %s0: !State) -> (!Value, !State) {
  %o, %sn = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %gt = %g : !Key, %c0 = %a0 : !Key, %c1 = %a1 : !Key,
           %d0 = %b0 : !Key, %d1 = %b1 : !Key, %st = %s : !Gate)
      init(%S = %s0 : !State) -> (!Value, !State) {
    %S0 = rwkv.decay %S, %gt on "key0" : !S
    %S1 = rwkv.evolve exp %S0, %st reads [%c0, %c1] writes [%d0, %d1] : !S
    %S2 = rwkv.write %S1[%kt], %vt : !S
    %ot = rwkv.read  %S2[%qt] : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %sn : !Value, !State
}
