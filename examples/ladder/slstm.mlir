// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The sLSTM cell (arXiv:2405.04517) with exponential input gate and stabiliser. Its states are vectors that are
// overwritten by nonlinear functions of themselves; such a recurrence runs token by token, there is no other schedule.
//
//   rwkv-run call slstm.mlir slstm z.npy i.npy f.npy o.npy Rz.npy Ri.npy Rf.npy Ro.npy h.npy c.npy n.npy m.npy -o out
//
//   z, i, f, o       [B, T, H, V]   the input's part of cell input, input gate, forget gate, output gate
//   Rz, Ri, Rf, Ro   [H, V, V]      recurrent weights of a head: out, in
//   h, c, n, m       [B, H, V]      hidden state, cell, normaliser, logarithm of the scale that c and n share; zeros at
//                                   the start (n is positive after the first token)
!X     = tensor<?x?x?x?xf32>
!R     = tensor<?x?x?xf32>
!State = tensor<?x?x?xf32>
!S = !rwkv.state<|?xf32>
!m = tensor<?x?xf32>
!v = tensor<?xf32>

func.func @slstm(%z: !X, %i: !X, %f: !X, %o: !X, %Rz: !R, %Ri: !R, %Rf: !R, %Ro: !R,
                 %h: !State, %c: !State, %n: !State, %m: !State) -> (!X, !State, !State, !State, !State) {
  %y:5 = rwkv.recurrence
      over(%zt = %z : !X, %it = %i : !X, %ft = %f : !X, %ot = %o : !X)
      const(%Az = %Rz : !R, %Ai = %Ri : !R, %Af = %Rf : !R, %Ao = %Ro : !R)
      init(%H0 = %h : !State, %C0 = %c : !State, %N0 = %n : !State, %M0 = %m : !State)
      -> (!X, !State, !State, !State, !State) {
    %h0 = rwkv.read %H0[] : !S                         // a state without key axes is read whole
    %c0 = rwkv.read %C0[] : !S
    %n0 = rwkv.read %N0[] : !S
    %m0 = rwkv.read %M0[] : !S
    // what goes into the gates: the input's part and the hidden state's
    %zh = rwkv.matvec %Az, %h0 : !m, !v -> !v
    %ih = rwkv.matvec %Ai, %h0 : !m, !v -> !v
    %fh = rwkv.matvec %Af, %h0 : !m, !v -> !v
    %oh = rwkv.matvec %Ao, %h0 : !m, !v -> !v
    %za = arith.addf %zt, %zh : !v
    %ia = arith.addf %it, %ih : !v
    %fa = arith.addf %ft, %fh : !v
    %oa = arith.addf %ot, %oh : !v
    // the forget gate is a sigmoid: log sigmoid(x) = -softplus(-x)
    %fn = arith.negf %fa : !v
    %fs = rwkv.softplus %fn : !v
    %mf = arith.subf %m0, %fs : !v
    // the new scale is the larger of the two exponents, so neither gate can overflow
    %m1 = arith.maximumf %mf, %ia : !v
    %fd = arith.subf %mf, %m1 : !v
    %fe = math.exp %fd : !v
    %id = arith.subf %ia, %m1 : !v
    %ie = math.exp %id : !v
    %zt_ = math.tanh %za : !v
    %cf = arith.mulf %fe, %c0 : !v
    %ci = arith.mulf %ie, %zt_ : !v
    %c1 = arith.addf %cf, %ci : !v
    %nf = arith.mulf %fe, %n0 : !v
    %n1 = arith.addf %nf, %ie : !v
    %q  = arith.divf %c1, %n1 : !v                     // the scale cancels
    %og = rwkv.sigmoid %oa : !v
    %h1 = arith.mulf %og, %q : !v
    %H1 = rwkv.set %H0, %h1 : !S
    %C1 = rwkv.set %C0, %c1 : !S
    %N1 = rwkv.set %N0, %n1 : !S
    %M1 = rwkv.set %M0, %m1 : !S
    rwkv.yield %h1, %H1, %C1, %N1, %M1 : !v, !S, !S, !S, !S
  }
  return %y#0, %y#1, %y#2, %y#3, %y#4 : !X, !State, !State, !State, !State
}
