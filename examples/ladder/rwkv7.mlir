// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The recurrence of RWKV-7 (arXiv:2503.14456): a generalised delta rule. What the state holds for a, the removal key,
// is taken before the decay and written back under b, the replacement key.
//
//   y = S^T a        S <- diag(e^w) S + b y^T + k v^T        o = S^T r
//
//   rwkv-run call rwkv7.mlir wkv7 r.npy w.npy k.npy v.npy a.npy b.npy s0.npy -o out
//
//   r, k   [B, T, H, K]   receptance (the query) and keys
//   w      [B, T, H, K]   natural logarithm of the decay: the model makes it as -e^(-1/2) sigmoid(..), the bound below
//   v      [B, T, H, V]   values, and the output o
//   a, b   [B, T, H, K]   in the model a = -c and b = c * rate, with c of length 1 and rates in (0, 1)
//   s0     [B, H, K, V]   state before the first token; the state after the last one is the second result
!Key   = tensor<?x?x?x?xf32>
!Value = tensor<?x?x?x?xf32>
!State = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @wkv7(%r: !Key, %w: !Key, %k: !Key, %v: !Value, %a: !Key, %b: !Key, %s0: !State) -> (!Value, !State) {
  %o, %s = rwkv.recurrence over(%rt = %r : !Key, %wt = %w : !Key, %kt = %k : !Key, %vt = %v : !Value, %at = %a : !Key,
           %bt = %b : !Key) init(%S0 = %s0 : !State) -> (!Value, !State) {
    %y  = rwkv.read  %S0[%at] : !S
    %S1 = rwkv.decay %S0, %wt on "key0" bound [-0.606531 : f32, 0.0 : f32] : !S
    %S2 = rwkv.write %S1[%bt], %y : !S
    %S3 = rwkv.write %S2[%kt], %vt : !S
    %ot = rwkv.read  %S3[%rt] : !S
    rwkv.yield %ot, %S3 : !v, !S
  }
  return %o, %s : !Value, !State
}
