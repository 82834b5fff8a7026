// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// HGRN (arXiv:2311.04823): a vector state whose input gate is what the forget gate leaves over. Channels do not mix:
// the whole recurrence is elementwise.
//
//   h <- f h + (1 - f) i,  f = e^g        o = silu(z) h
//
//   rwkv-run call hgrn.mlir hgrn g.npy i.npy z.npy h0.npy -o out
//
//   g    [B, T, H, V]   natural logarithm of the forget gate, <= 0
//   i    [B, T, H, V]   input
//   z    [B, T, H, V]   output gate before its activation; the output has this shape too
//   h0   [B, H, V]      state before the first token; the state after the last one is the second result
!X     = tensor<?x?x?x?xf32>
!State = tensor<?x?x?xf32>
!S = !rwkv.state<|?xf32>
!v = tensor<?xf32>

func.func @hgrn(%g: !X, %i: !X, %z: !X, %h0: !State) -> (!X, !State) {
  %o, %h = rwkv.recurrence over(%gt = %g : !X, %it = %i : !X, %zt = %z : !X)
      init(%H0 = %h0 : !State) -> (!X, !State) {
    %H1  = rwkv.decay %H0, %gt on "value" : !S
    %f   = math.exp %gt : !v
    %one = rwkv.fill 1.0 : !v
    %nf  = arith.subf %one, %f : !v
    %in  = arith.mulf %nf, %it : !v
    %H2  = rwkv.write %H1[], %in : !S                  // a state without key axes: no keys
    %ht  = rwkv.read  %H2[] : !S
    %sz  = rwkv.silu %zt : !v
    %ot  = arith.mulf %sz, %ht : !v
    rwkv.yield %ot, %H2 : !v, !S
  }
  return %o, %h : !X, !State
}
