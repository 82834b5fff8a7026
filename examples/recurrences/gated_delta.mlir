// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The gated delta rule (arXiv:2412.06464), written out. All sizes are open: they are solved from the arrays of a call,
// and every combination is compiled once.
//
//   rwkv-run call gated_delta.mlir gated_delta q.npy k.npy v.npy g.npy beta.npy s0.npy -o out
//
//   q, k   [B, T, H, K]   keys; k of length 1 keeps the state bounded for beta up to 2
//   v      [B, T, H, V]   values, and the output o
//   g      [B, T, H]      natural logarithm of the decay, <= 0
//   beta   [B, T, H]      how much of what k recalls is replaced
//   s0     [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?xf32>

// Inside the region there is one token of one head: vectors, scalars, and a state that only rwkv ops take.
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @gated_delta(%q: !Key, %k: !Key, %v: !Value, %g: !Gate, %beta: !Gate, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %gt = %g : !Gate, %bt = %beta : !Gate)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %S1 = rwkv.decay %S0, %gt on "all" : !S            // S <- e^g S
    %y  = rwkv.read  %S1[%kt] : !S                     // what the state holds for k
    %e  = arith.subf %vt, %y : !v                      // what it should hold instead
    %S2 = rwkv.write %S1[%kt], %e scale %bt : !S       // S <- S + beta k e^T
    %ot = rwkv.read  %S2[%qt] : !S
    rwkv.yield %ot, %S2 : !v, !S
  }
  return %o, %s : !Value, !State
}
