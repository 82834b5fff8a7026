// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Two states in one region: a slow one that collects everything, and a fast one that holds what the slow one gets wrong.
// The fast state's input is read from the slow state after its update, so the order of the ops matters.
//
//   rwkv-run call two_states.mlir two_states q.npy k.npy v.npy g.npy w.npy m.npy slow.npy fast.npy -o out
//
//   q, k         [B, T, H, K]
//   v            [B, T, H, V]   values, and the output
//   g            [B, T, H]      log decay of the slow state
//   w            [B, T, H, K]   log decay of each key of the fast state
//   m            [B, T, H]      weight of the slow state in the output
//   slow, fast   [B, H, K, V]   states before the first token; results 1 and 2 are those after the last one
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @two_states(%q: !Key, %k: !Key, %v: !Value, %g: !Gate, %w: !Key, %m: !Gate, %slow0: !State, %fast0: !State)
    -> (!Value, !State, !State) {
  %o, %slow, %fast = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %gt = %g : !Gate, %wt = %w : !Key, %mt = %m : !Gate)
      init(%A0 = %slow0 : !State, %B0 = %fast0 : !State) -> (!Value, !State, !State) {
    %A1 = rwkv.decay %A0, %gt on "all" : !S
    %A2 = rwkv.write %A1[%kt], %vt : !S
    %y  = rwkv.read  %A2[%kt] : !S
    %e  = arith.subf %vt, %y : !v                      // the slow state's error
    %B1 = rwkv.decay %B0, %wt on "key0" : !S
    %B2 = rwkv.write %B1[%kt], %e : !S
    %oa = rwkv.read  %A2[%qt] : !S
    %ob = rwkv.read  %B2[%qt] : !S
    %mv = rwkv.broadcast %mt : f32 -> !v
    %om = arith.mulf %mv, %oa : !v
    %ot = arith.addf %om, %ob : !v
    rwkv.yield %ot, %A2, %B2 : !v, !S, !S              // the k-th state yielded descends from the k-th init
  }
  return %o, %slow, %fast : !Value, !State, !State
}
