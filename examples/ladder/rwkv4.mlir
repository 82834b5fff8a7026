// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The recurrence of RWKV-4 (arXiv:2305.13048): per channel, an average of the values with weights e^k that fade. The
// current token counts with a weight of its own, through the bonus u.
//
//   o = (num + e^(u+k) v) / (den + e^(u+k))        num <- e^w num + e^k v        den <- e^w den + e^k
//
// e^k overflows, so both sums are kept as multiples of e^m, m the largest exponent so far: num and den below are the
// quotients, which are of the size of v and of 1.
//
//   rwkv-run call rwkv4.mlir wkv4 k.npy v.npy w.npy u.npy num.npy den.npy m.npy -o out
//
//   k, v          [B, T, H, V]   keys and values, and the output o; heads have no meaning here: H = 1 or any split of D
//   w             [H, V]         natural logarithm of the decay, <= 0
//   u             [H, V]         the bonus
//   num, den, m   [B, H, V]      sums and their exponent before the first token: 0, 0 and -1e38. Results 1, 2 and 3 are
//                                those after the last one
!X     = tensor<?x?x?x?xf32>
!Const = tensor<?x?xf32>
!State = tensor<?x?x?xf32>
!S = !rwkv.state<|?xf32>
!v = tensor<?xf32>

func.func @wkv4(%k: !X, %v: !X, %w: !Const, %u: !Const, %num: !State, %den: !State, %m: !State)
    -> (!X, !State, !State, !State) {
  %y:4 = rwkv.recurrence over(%kt = %k : !X, %vt = %v : !X) const(%wh = %w : !Const, %uh = %u : !Const)
      init(%N0 = %num : !State, %D0 = %den : !State, %M0 = %m : !State) -> (!X, !State, !State, !State) {
    %m0 = rwkv.read %M0[] : !S                         // a state without key axes is read whole
    // The output sees the past and the current token, both relative to the larger exponent.
    %uk = arith.addf %uh, %kt : !v
    %mo = arith.maximumf %m0, %uk : !v
    %po = arith.subf %m0, %mo : !v
    %pe = math.exp %po : !v
    %co = arith.subf %uk, %mo : !v
    %ce = math.exp %co : !v
    %n0 = rwkv.read %N0[] : !S
    %d0 = rwkv.read %D0[] : !S
    %pn = arith.mulf %pe, %n0 : !v
    %cn = arith.mulf %ce, %vt : !v
    %on = arith.addf %pn, %cn : !v
    %pd = arith.mulf %pe, %d0 : !v
    %od = arith.addf %pd, %ce : !v
    %ot = arith.divf %on, %od : !v
    // The update: the exponent first, then the sums relative to it.
    %M1 = rwkv.maximum %M0, %wh, %kt : !S              // max(m + w, k)
    %m1 = rwkv.read %M1[] : !S
    %mw = arith.addf %m0, %wh : !v
    %g  = arith.subf %mw, %m1 : !v                     // the decay, relative: <= 0
    %ke = arith.subf %kt, %m1 : !v
    %ek = math.exp %ke : !v
    %kv = arith.mulf %ek, %vt : !v
    %N1 = rwkv.decay %N0, %g on "value" : !S
    %N2 = rwkv.write %N1[], %kv : !S
    %D1 = rwkv.decay %D0, %g on "value" : !S
    %D2 = rwkv.write %D1[], %ek : !S
    rwkv.yield %ot, %N2, %D2, %M1 : !v, !S, !S, !S
  }
  return %y#0, %y#1, %y#2, %y#3 : !X, !State, !State, !State
}
