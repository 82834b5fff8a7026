// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The state evolves by the resolvent of a generator that is a diagonal plus a rank of 2, the implicit Euler rule with
// step s, which is stable for any decay however fast.
//
//   A = b0 a0^T + b1 a1^T        S <- (1 - s (diag(d) + A))^-1 S + k v^T        o = S^T q
//
// `rwkv.evolve` is short for two reads, a decay and two writes (see its description): the inverse is a diagonal plus a
// matrix of rank 2.
//
//   rwkv-run call resolvent_diagonal.mlir resolvent_diagonal q.npy k.npy v.npy a0.npy a1.npy b0.npy b1.npy s.npy \
//       d.npy s0.npy -o out
//
//   q, k     [B, T, H, K]   queries and keys
//   v        [B, T, H, V]   values, and the output o
//   a0, a1   [B, T, H, K]   what the generator reads
//   b0, b1   [B, T, H, K]   where it writes that
//   s        [B, T, H]      length of the step, >= 0; a pole where 1 / s is an eigenvalue: s |a| |b| < 1/2 is safe
//   d        [H, K]         rates of decay per unit of time, <= 0
//   s0       [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!Rate  = tensor<?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @resolvent_diagonal(%q: !Key, %k: !Key, %v: !Value, %a0: !Key, %a1: !Key, %b0: !Key, %b1: !Key, %s: !Gate,
                              %d: !Rate, %s0: !State) -> (!Value, !State) {
  %o, %sn = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %r0 = %a0 : !Key, %r1 = %a1 : !Key, %w0 = %b0 : !Key,
           %w1 = %b1 : !Key, %st = %s : !Gate)
      const(%dh = %d : !Rate)
      init(%S = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.evolve resolvent %S, %st reads [%r0, %r1] writes [%w0, %w1] diagonal %dh : !S
    %S2 = rwkv.write %S1[%kt], %vt : !S
    %ot = rwkv.read  %S2[%qt] : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %sn : !Value, !State
}
