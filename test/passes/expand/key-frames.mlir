// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand --canonicalize --cse | FileCheck %s

// Keys that decay, in chunks of one block: where the state enters.

// In the middle of the chunk if bounds allow it: the same keys, relative to the middle, serve scores, reads and writes, and
// the state is scaled twice, from the start to the middle and from there to the end.
// CHECK-LABEL: tile.kernel @heads_0(
// CHECK: scf.for {{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (tensor<8x8xf32>) {
// CHECK:   %[[BEFORE:.*]] = tile.cumsum %[[G:.*]] exclusive blocks 4 : tensor<4x8xf32>
// CHECK:   %[[LOGS:.*]] = arith.addf %[[BEFORE]], %[[G]] : tensor<4x8xf32>
// CHECK:   %[[MIDDLE:.*]] = tile.slice %[[BEFORE]][%c2, %c0] : tensor<4x8xf32> -> tensor<8xf32>
// CHECK:   %[[AGAIN:.*]] = tile.broadcast %[[MIDDLE]] on 1
// CHECK:   %[[FROM:.*]] = arith.subf %[[LOGS]], %[[AGAIN]]
// CHECK:   %[[DOWN:.*]] = math.exp %[[FROM]] : tensor<4x8xf32>
// CHECK:   %[[READ:.*]] = arith.mulf %{{.*}}, %[[DOWN]] : tensor<4x8xf32>
// CHECK:   %[[TO:.*]] = arith.subf %[[AGAIN]], %[[LOGS]]
// CHECK:   %[[UP:.*]] = math.exp %[[TO]] : tensor<4x8xf32>
// CHECK:   %[[WRITTEN:.*]] = arith.mulf %{{.*}}, %[[UP]] : tensor<4x8xf32>
// CHECK:   %[[COLUMNS:.*]] = tile.transpose %[[WRITTEN]]
// CHECK:   tile.dot %[[READ]], %[[COLUMNS]] : tensor<4x8xf32>, tensor<8x4xf32> -> tensor<4x4xf32>
// No other keys.
// CHECK-NOT: arith.mulf %{{.*}} : tensor<4x8xf32>
// CHECK-NOT: arith.mulf %{{.*}} : tensor<8x4xf32>
// CHECK:   %[[END:.*]] = tile.slice %[[LOGS]][%c3, %c0]
// CHECK:   %[[E1:.*]] = math.exp %[[MIDDLE]] : tensor<8xf32>
// CHECK:   %[[REST:.*]] = arith.subf %[[END]], %[[MIDDLE]] : tensor<8xf32>
// CHECK:   %[[E2:.*]] = math.exp %[[REST]]
// CHECK:   %[[F1:.*]] = tile.broadcast %[[E1]] on 0 : tensor<8xf32> -> tensor<8x8xf32>
// CHECK:   %[[ENTERED:.*]] = arith.mulf %[[S]], %[[F1]] : tensor<8x8xf32>
// CHECK:   tile.dot %[[READ]], %[[ENTERED]] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
// CHECK:   %[[SUM:.*]] = tile.dot %[[COLUMNS]], %{{.*}} acc %[[ENTERED]] : tensor<8x8xf32>
// CHECK:   %[[F2:.*]] = tile.broadcast %[[E2]] on 0 : tensor<8xf32> -> tensor<8x8xf32>
// CHECK:   %[[LEFT:.*]] = arith.mulf %[[SUM]], %[[F2]] : tensor<8x8xf32>
// CHECK-NOT: arith.mulf {{.*}}: tensor
// CHECK:   scf.yield %[[LEFT]]

!V = tensor<?x?x2x8xf32>
!S = tensor<?x2x8x8xf32>
!s = !rwkv.state<8|8xf32>

func.func @one_axis(%q: !V, %k: !V, %v: !V, %g: !V, %s0: !S) -> (!V, !S) {
  %0:2 = rwkv.fused heads -> (!V, !S) {
    %r:2 = rwkv.recurrence over(%qt = %q : !V, %kt = %k : !V, %vt = %v : !V, %gt = %g : !V)
        init(%S = %s0 : !S) -> (!V, !S) {
      %S1 = rwkv.decay %S, %gt on "key0" bound [-2.0 : f32, 0.0 : f32] certified : !s
      %S2 = rwkv.write %S1[%kt], %vt : !s
      %o = rwkv.read %S2[%qt] : !s
      rwkv.yield %o, %S2 : tensor<8xf32>, !s
    } attributes {schedule = #rwkv.schedule<chunk, C = 4>}
    rwkv.yield %r#0, %r#1 : !V, !S
  }
  return %0#0, %0#1 : !V, !S
}

// Two axes whose factors together could be as large as e^48 half a chunk away: the state enters at the start. Keys of reads
// are brought there, those of writes to the end, and the state from one to the other at once.
// CHECK-LABEL: tile.kernel @heads_1(
// CHECK: scf.for {{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (tensor<8x8xf32>) {
// CHECK:   %[[MIDDLE0:.*]] = tile.slice %{{.*}}[%c2, %c0] : tensor<4x2xf32> -> tensor<2xf32>
// CHECK:   %[[MIDDLE1:.*]] = tile.slice %{{.*}}[%c2, %c0] : tensor<4x4xf32> -> tensor<4xf32>
// CHECK:   %[[E0:.*]] = math.exp %[[MIDDLE0]] : tensor<2xf32>
// CHECK:   %[[F0:.*]] = tile.broadcast %[[E0]] on 1 : tensor<2xf32> -> tensor<4x2xf32>
// CHECK:   arith.mulf %{{.*}}, %[[F0]] : tensor<4x2xf32>
// CHECK:   %[[E1:.*]] = math.exp %[[MIDDLE1]] : tensor<4xf32>
// CHECK:   %[[F1:.*]] = tile.broadcast %[[E1]] on 1 : tensor<4xf32> -> tensor<4x4xf32>
// CHECK:   arith.mulf %{{.*}}, %[[F1]] : tensor<4x4xf32>
// CHECK:   %[[END0:.*]] = tile.slice %{{.*}}[%c3, %c0] : tensor<4x2xf32> -> tensor<2xf32>
// CHECK:   %[[REST0:.*]] = arith.subf %[[END0]], %[[MIDDLE0]] : tensor<2xf32>
// CHECK:   %[[E2:.*]] = math.exp %[[REST0]]
// CHECK:   %[[F2:.*]] = tile.broadcast %[[E2]] on 0 : tensor<2xf32> -> tensor<2x4xf32>
// CHECK:   arith.mulf %{{.*}}, %[[F2]] : tensor<2x4xf32>
// CHECK:   math.exp %[[END0]] : tensor<2xf32>
// CHECK:   tile.slice %[[S]][
// CHECK:   arith.mulf %[[S]], %{{.*}} : tensor<8x8xf32>
// CHECK:   tile.store

!A = tensor<?x?x2x2xf32>
!B = tensor<?x?x2x4xf32>
!S2 = tensor<?x2x2x4x8xf32>
!s2 = !rwkv.state<2x4|8xf32>

func.func @two_axes(%a: !A, %b: !B, %v: !V, %f: !A, %g: !B, %s0: !S2) -> (!V, !S2) {
  %0:2 = rwkv.fused heads -> (!V, !S2) {
    %r:2 = rwkv.recurrence over(%at = %a : !A, %bt = %b : !B, %vt = %v : !V, %ft = %f : !A, %gt = %g : !B)
        init(%S = %s0 : !S2) -> (!V, !S2) {
      %S1 = rwkv.decay %S, %ft on "key0" bound [-12.0 : f32, 0.0 : f32] certified : !s2
      %S2 = rwkv.decay %S1, %gt on "key1" bound [-12.0 : f32, 0.0 : f32] certified : !s2
      %S3 = rwkv.write %S2[%at, %bt], %vt : !s2
      %o = rwkv.read %S3[%at, %bt] : !s2
      rwkv.yield %o, %S3 : tensor<8xf32>, !s2
    } attributes {schedule = #rwkv.schedule<chunk, C = 4>}
    rwkv.yield %r#0, %r#1 : !V, !S2
  }
  return %0#0, %0#1 : !V, !S2
}
