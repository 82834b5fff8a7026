// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand --canonicalize --cse | FileCheck %s

// Decays without a bound, where lanes share a task and products are rounded: it is found out for each chunk whether its
// decays are mild.

!V = tensor<?x?x2x16xbf16>
!X = tensor<?x?x2x16xf32>
!S = tensor<?x2x16x16xf32>
!s = !rwkv.state<16|16xf32>

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// The larger one of the sums of logarithms up to the middle of the chunk and from there on, of any key.
// CHECK-LABEL: tile.kernel @heads_0(
// CHECK: scf.for {{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (tensor<16x16xf32>) {
// CHECK:   %[[BEFORE:.*]] = tile.cumsum %[[G:.*]] exclusive blocks 8 : tensor<8x16xf32>
// CHECK:   %[[LOGS:.*]] = arith.addf %[[BEFORE]], %[[G]]
// CHECK:   %[[MIDDLE:.*]] = tile.slice %[[BEFORE]][%c4, %c0] : tensor<8x16xf32> -> tensor<16xf32>
// CHECK:   %[[TO:.*]] = arith.negf %[[MIDDLE]]
// CHECK:   %[[END:.*]] = tile.slice %[[LOGS]][%c7, %c0] : tensor<8x16xf32> -> tensor<16xf32>
// CHECK:   %[[FROM:.*]] = arith.subf %[[MIDDLE]], %[[END]]
// CHECK:   %[[LARGER:.*]] = arith.maximumf %[[TO]], %[[FROM]]
// CHECK:   %[[LARGEST:.*]] = tile.reduce max %[[LARGER]] over 0 : tensor<16xf32> -> f32
// CHECK:   %[[IS_MILD:.*]] = arith.cmpf ole, %[[LARGEST]], %cst{{.*}} : f32
// One block: two products less than half of its size each would take more blocks.
// CHECK:   %[[CHUNK:.*]]:5 = scf.if %[[IS_MILD]]
// CHECK:     %[[SCORES:.*]] = tile.dot %[[READ:[0-9]+]], %{{.*}} precision tf32 : tensor<8x16xf32>, tensor<16x8xf32> -> tensor<8x8xf32>
// CHECK-NOT: tile.dot
// CHECK:     %[[ENTER:.*]] = math.exp %[[MIDDLE]]
// CHECK:     %[[TOTAL:.*]] = math.exp %[[END]]
// CHECK:     scf.yield %{{.*}}, %[[TOTAL]], %[[READ]], %{{.*}}, %[[ENTER]]
// Blocks of four tokens, in which no factor leaves the range of f32 whatever the decays are.
// CHECK:   } else {
// CHECK:     tile.cumsum %[[G]] exclusive blocks 4 : tensor<8x16xf32>
// CHECK:     tile.dot {{.*}} : tensor<4x16xf32>, tensor<16x4xf32> -> tensor<4x4xf32>
// CHECK:     tile.dot {{.*}} : tensor<4x16xf32>, tensor<16x4xf32> -> tensor<4x4xf32>
// CHECK:     tile.dot {{.*}} : tensor<4x16xf32>, tensor<16x8xf32> -> tensor<4x8xf32>
// CHECK:     scf.yield %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %[[ONES:cst.*]] :
// What applies the chunk is the same for both: the state enters to be read, and decays to be written.
// CHECK:   %[[FACTOR:.*]] = tile.broadcast %[[CHUNK]]#4 on 0
// CHECK:   %[[ENTERED:.*]] = arith.mulf %[[S]], %[[FACTOR]] : tensor<16x16xf32>
// CHECK:   tile.dot %[[CHUNK]]#2, %[[ENTERED]]
// CHECK:   %[[ALL:.*]] = tile.broadcast %[[CHUNK]]#1 on 0
// CHECK:   %[[DECAYED:.*]] = arith.mulf %[[S]], %[[ALL]] : tensor<16x16xf32>
// CHECK:   %[[NEXT:.*]] = tile.dot %[[CHUNK]]#0, %{{.*}} precision tf32 acc %[[DECAYED]]
// CHECK:   scf.yield %[[NEXT]]
func.func @unbounded(%q: !V, %k: !V, %v: !V, %g: !V, %s0: !S) -> (!V, !S) {
  %0:2 = rwkv.fused heads -> (!V, !S) {
    %r:2 = rwkv.recurrence over(%qt = %q : !V, %kt = %k : !V, %vt = %v : !V, %gt = %g : !V)
        init(%S = %s0 : !S) -> (!V, !S) {
      %S1 = rwkv.decay %S, %gt on "key0" : !s
      %S2 = rwkv.write %S1[%kt], %vt : !s
      %o = rwkv.read %S2[%qt] : !s
      rwkv.yield %o, %S2 : tensor<16xf32>, !s
    } attributes {schedule = #rwkv.schedule<chunk, C = 8>}
    rwkv.yield %r#0, %r#1 : !V, !S
  }
  return %0#0, %0#1 : !V, !S
}

// With operands of 32 bits there is no warp that prepares a chunk alone.
// CHECK-LABEL: tile.kernel @heads_1(
// CHECK-NOT: scf.if
// CHECK: return
func.func @exact(%q: !X, %k: !X, %v: !X, %g: !X, %s0: !S) -> (!X, !S) {
  %0:2 = rwkv.fused heads -> (!X, !S) {
    %r:2 = rwkv.recurrence over(%qt = %q : !X, %kt = %k : !X, %vt = %v : !X, %gt = %g : !X)
        init(%S = %s0 : !S) -> (!X, !S) {
      %S1 = rwkv.decay %S, %gt on "key0" : !s
      %S2 = rwkv.write %S1[%kt], %vt : !s
      %o = rwkv.read %S2[%qt] : !s
      rwkv.yield %o, %S2 : tensor<16xf32>, !s
    } attributes {schedule = #rwkv.schedule<chunk, C = 8>}
    rwkv.yield %r#0, %r#1 : !X, !S
  }
  return %0#0, %0#1 : !X, !S
}

}
