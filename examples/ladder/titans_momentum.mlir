// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A memory that learns by gradient descent with momentum and weight decay, as in Titans (arXiv:2501.00663) but with the
// gradient taken at the token instead of at the start of a chunk. M is the memory, P its momentum:
//
//   P <- eta P + theta k (v - M^T k)^T        M <- (1 - alpha) M + P        o = M^T q
//
// Both are slots of one state with a slot axis of size 2, [2, K, V]; what one slot gives to the other is a 2 x 2 matrix
// on that axis, before the write and after it:
//
//   R1 = (1, 0; 0, eta)        R2 = (1 - alpha, 1; 0, 1)
//
//   rwkv-run call titans_momentum.mlir titans_momentum q.npy k.npy v.npy theta.npy R1.npy R2.npy m.npy p.npy s0.npy \
//       -o out
//
//   q, k     [B, T, H, K]         queries and keys; k of length 1
//   v        [B, T, H, V]         values, and the output o
//   theta    [B, T, H]            step size
//   R1, R2   [B, T, H, 1, 2, 2]   see above: rows are the slot that is made, columns the slot it is made from
//   m, p     [H, 2]               (1, 0) and (0, 1) for every head: keys of the slot axis
//   s0       [B, H, 2, K, V]      M and P before the first token; those after the last one are the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!Gate  = tensor<?x?x?xf32>
!Slots = tensor<?x?x?x1x2x2xf32>
!Slot  = tensor<?x2xf32>
!State = tensor<?x?x2x?x?xf32>
!S = !rwkv.state<2x?|?xf32>
!r = tensor<1x2x2xf32>
!v = tensor<?xf32>

func.func @titans_momentum(%q: !Key, %k: !Key, %v: !Value, %theta: !Gate, %R1: !Slots, %R2: !Slots,
                           %m: !Slot, %p: !Slot, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence
      over(%qt = %q : !Key, %kt = %k : !Key, %vt = %v : !Value, %tt = %theta : !Gate, %r1 = %R1 : !Slots,
           %r2 = %R2 : !Slots) const(%mh = %m : !Slot, %ph = %p : !Slot)
      init(%S0 = %s0 : !State) -> (!Value, !State) {
    %y  = rwkv.read  %S0[%mh, %kt] : !S                // what the memory holds for k
    %e  = arith.subf %vt, %y : !v
    %S1 = rwkv.transform %S0, %r1 on "key0" : !S, !r
    %S2 = rwkv.write %S1[%ph, %kt], %e scale %tt : !S  // the surprise goes into the momentum
    %S3 = rwkv.transform %S2, %r2 on "key0" : !S, !r   // and from there into the memory
    %ot = rwkv.read  %S3[%mh, %qt] : !S
    rwkv.yield %ot, %S3 : !v, !S
  }
  return %o, %s : !Value, !State
}
