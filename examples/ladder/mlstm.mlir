// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mLSTM (arXiv:2405.04517): a matrix memory C and a normaliser n with an exponential input gate. Both are kept as
// multiples of e^m, m the largest exponent so far, so that e^i cannot overflow.
//
//   m' = max(f + m, i)        C <- e^(f+m-m') C + e^(i-m') k v^T        n <- e^(f+m-m') n + e^(i-m') k
//   o = C^T q / max(|n . q|, e^-m')
//
//   rwkv-run call mlstm.mlir mlstm q.npy k.npy v.npy f.npy i.npy C.npy n.npy m.npy -o out
//
//   q, k   [B, T, H, K]   queries and keys (one of them divided by sqrt(K))
//   v      [B, T, H, V]   values, and the output o
//   f      [B, T, H]      logarithm of the forget gate, <= 0
//   i      [B, T, H]      logarithm of the input gate
//   C      [B, H, K, V]   memory before the first token: zeros. Results 1, 2 and 3 are those after the last one
//   n      [B, H, K, 1]   normaliser: a memory for the value 1, with the keys of C
//   m      [B, H, 1]      exponent that both share: zeros
!Key    = tensor<?x?x?x?xf32>
!Value  = tensor<?x?x?x?xf32>
!Gate   = tensor<?x?x?xf32>
!StateC = tensor<?x?x?x?xf32>
!StateN = tensor<?x?x?x1xf32>
!StateM = tensor<?x?x1xf32>
!C = !rwkv.state<?|?xf32>
!N = !rwkv.state<?|1xf32>
!M = !rwkv.state<|1xf32>
!v = tensor<?xf32>
!one = tensor<1xf32>

func.func @mlstm(%q: !Key, %k: !Key, %v: !Value, %f: !Gate, %i: !Gate, %C: !StateC, %n: !StateN, %m: !StateM)
    -> (!Value, !StateC, !StateN, !StateM) {
  %y:4 = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %ft = %f : !Gate, %it = %i : !Gate)
      init(%C0 = %C : !StateC, %N0 = %n : !StateN, %M0 = %m : !StateM) -> (!Value, !StateC, !StateN, !StateM) {
    %mv = rwkv.read %M0[] : !M
    %m0 = rwkv.sum %mv over 0 : !one -> f32
    %fv = rwkv.broadcast %ft : f32 -> !one
    %iv = rwkv.broadcast %it : f32 -> !one
    %M1 = rwkv.maximum %M0, %fv, %iv : !M              // max(m + f, i)
    %mn = rwkv.read %M1[] : !M
    %m1 = rwkv.sum %mn over 0 : !one -> f32
    %fm = arith.addf %ft, %m0 : f32
    %g  = arith.subf %fm, %m1 : f32                    // the forget gate relative to the new exponent: <= 0
    %id = arith.subf %it, %m1 : f32
    %ie = math.exp %id : f32
    %C1 = rwkv.decay %C0, %g on "all" : !C
    %C2 = rwkv.write %C1[%kt], %vt scale %ie : !C
    %u  = rwkv.fill 1.0 : !one
    %N1 = rwkv.decay %N0, %g on "all" : !N
    %N2 = rwkv.write %N1[%kt], %u scale %ie : !N
    %r  = rwkv.read %C2[%qt] : !C
    %nq = rwkv.read %N2[%qt] : !N
    %s  = rwkv.sum %nq over 0 : !one -> f32
    %sa = math.absf %s : f32
    %nm = arith.negf %m1 : f32
    %em = math.exp %nm : f32                           // what 1 is, relative to the new exponent
    %d  = arith.maximumf %sa, %em : f32
    %dv = rwkv.broadcast %d : f32 -> !v
    %ot = arith.divf %r, %dv : !v
    rwkv.yield %ot, %C2, %N2, %M1 : !v, !C, !N, !M
  }
  return %y#0, %y#1, %y#2, %y#3 : !Value, !StateC, !StateN, !StateM
}
