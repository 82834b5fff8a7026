// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand --canonicalize --cse | FileCheck %s

// Decays without a bound, where lanes share a task and products are rounded: it is found out for each chunk whether its
// decays are mild.

!V = tensor<?x?x2x16xbf16>
!X = tensor<?x?x2x16xf32>
!S = tensor<?x2x16x16xf32>
!s = !rwkv.state<16|16xf32>
!A = tensor<?x?x2x8xbf16>
!B = tensor<?x?x2x4xbf16>
!S1 = tensor<?x2x8x16xf32>
!S2 = tensor<?x2x8x4x16xf32>
!s1 = !rwkv.state<8|16xf32>
!s2 = !rwkv.state<8x4|16xf32>

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// What meets the state does not depend on it: keys of reads as at the start of the chunk, those of writes as at its end.
// CHECK-LABEL: tile.kernel @heads_0(
// CHECK: scf.for {{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (tensor<16x16xf32>) {
// CHECK:   %[[BEFORE:.*]] = tile.cumsum %[[G:.*]] exclusive blocks 8 : tensor<8x16xf32>
// CHECK:   %[[LOGS:.*]] = arith.addf %[[BEFORE]], %[[G]]
// CHECK:   %[[SINCE:.*]] = math.exp %[[LOGS]]
// CHECK:   %[[READ:.*]] = arith.mulf %{{.*}}, %[[SINCE]] : tensor<8x16xf32>
// CHECK:   %[[END:.*]] = tile.slice %[[LOGS]][%c7, %c0] : tensor<8x16xf32> -> tensor<16xf32>
// CHECK:   %[[LAST:.*]] = tile.broadcast %[[END]] on 1
// CHECK:   %[[REST:.*]] = arith.subf %[[LAST]], %[[LOGS]]
// CHECK:   %[[UNTIL:.*]] = math.exp %[[REST]]
// CHECK:   %[[KEYS:.*]] = arith.mulf %{{.*}}, %[[UNTIL]] : tensor<8x16xf32>
// CHECK:   %[[WRITTEN:.*]] = tile.transpose %[[KEYS]]
// CHECK:   %[[TOTAL:.*]] = math.exp %[[END]]
// CHECK:   %[[DIFFERING:.*]] = arith.xori
// The largest sum of logarithms over the chunk, of any key.
// CHECK:   %[[SUMS:.*]] = arith.negf %[[END]]
// CHECK:   %[[LARGEST:.*]] = tile.reduce max %[[SUMS]] over 0 : tensor<16xf32> -> f32
// CHECK:   %[[IS_MILD:.*]] = arith.cmpf ole, %[[LARGEST]], %cst{{.*}} : f32
// One block: what is left of the keys since the start, divided by what was left at a write.
// CHECK:   %[[CHUNK:.*]] = scf.if %[[IS_MILD]] -> (tensor<8x8xf32>) {
// CHECK:     %[[BACK:.*]] = arith.negf %[[LOGS]]
// CHECK:     math.exp %[[BACK]]
// CHECK:     %[[SCORES:.*]] = tile.dot %[[READ]], %{{.*}} precision tf32 : tensor<8x16xf32>, tensor<16x8xf32> -> tensor<8x8xf32>
// CHECK-NEXT: scf.yield %[[SCORES]]
// Blocks of four tokens, in which no factor leaves the range of f32 whatever the decays are, each seen from its middle,
// all in one product; what the second one sees of the first, across the border between them, is another. Tokens of one
// block differ in two bits of their numbers.
// CHECK:   } else {
// CHECK:     %[[STARTS:.*]] = tile.cumsum %[[G]] exclusive blocks 4 : tensor<8x16xf32>
// CHECK:     %[[SUMS4:.*]] = arith.addf %[[STARTS]], %[[G]]
// CHECK:     %[[LATE:.*]] = tile.slice %[[SUMS4]][%c4, %c0] : tensor<8x16xf32> -> tensor<4x16xf32>
// CHECK:     %[[INSIDE:.*]] = tile.dot {{.*}} precision tf32 : tensor<8x16xf32>, tensor<16x8xf32> -> tensor<8x8xf32>
// CHECK:     %[[IS_INSIDE:.*]] = arith.cmpi ult, %[[DIFFERING]], %cst{{.*}} : tensor<8x8xi32>
// CHECK:     %[[FROM:.*]] = math.exp %[[LATE]]
// CHECK:     %[[SEEN:.*]] = arith.mulf %{{.*}}, %[[FROM]]
// CHECK:     %[[READS:.*]] = tile.insert %[[SEEN]] into %cst{{.*}}[%c4, %c0] : tensor<4x16xf32> -> tensor<8x16xf32>
// CHECK:     %[[BORDER:.*]] = tile.slice %[[SUMS4]][%c3, %c0] : tensor<8x16xf32> -> tensor<16xf32>
// CHECK:     tile.insert %{{.*}} into %cst{{.*}}[%c0, %c0] : tensor<4x16xf32> -> tensor<8x16xf32>
// CHECK:     %[[ACROSS:.*]] = tile.dot %[[READS]], %{{.*}} precision tf32 : tensor<8x16xf32>, tensor<16x8xf32> -> tensor<8x8xf32>
// CHECK:     %[[ALL_BLOCKS:.*]] = arith.select %[[IS_INSIDE]], %[[INSIDE]], %[[ACROSS]]
// CHECK-NOT: tile.dot
// CHECK:     scf.yield %[[ALL_BLOCKS]] : tensor<8x8xf32>
// CHECK:   %[[MASKED:.*]] = arith.select %{{.*}}, %[[CHUNK]], %{{.*}} : tensor<8x8xi1>, tensor<8x8xf32>
// CHECK:   tile.dot %[[READ]], %[[S]] precision tf32
// CHECK:   tile.dot %[[MASKED]], %{{.*}} precision tf32 acc
// CHECK:   %[[ALL:.*]] = tile.broadcast %[[TOTAL]] on 0
// CHECK:   %[[DECAYED:.*]] = arith.mulf %[[S]], %[[ALL]] : tensor<16x16xf32>
// CHECK:   %[[NEXT:.*]] = tile.dot %[[WRITTEN]], %{{.*}} precision tf32 acc %[[DECAYED]]
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

// Each key axis has sums of its own: 16 tokens of either are not too many.
// CHECK-LABEL: tile.kernel @heads_2(
// CHECK: %[[FIRST:.*]] = tile.reduce max %{{.*}} over 0 : tensor<8xf32> -> f32
// CHECK: %[[SECOND:.*]] = tile.reduce max %{{.*}} over 0 : tensor<4xf32> -> f32
// CHECK: %[[BOTH:.*]] = arith.addf %[[FIRST]], %[[SECOND]] : f32
// CHECK: %[[IS_MILD:.*]] = arith.cmpf ole, %[[BOTH]], %cst{{.*}} : f32
// CHECK: scf.if %[[IS_MILD]] -> (tensor<16x16xf32>) {
// Otherwise three products of each: of blocks of four tokens, across the borders between two of them, and across the
// one between two pieces of two.
// CHECK: } else {
// CHECK: tile.cumsum %{{.*}} exclusive blocks 4 : tensor<16x8xf32>
// CHECK: tile.cumsum %{{.*}} exclusive blocks 4 : tensor<16x4xf32>
// CHECK-COUNT-4: tile.dot {{.*}} -> tensor<16x16xf32>
// CHECK: tile.cumsum %{{.*}} exclusive blocks 8 : tensor<16x8xf32>
// CHECK: tile.cumsum %{{.*}} exclusive blocks 8 : tensor<16x4xf32>
// CHECK-COUNT-2: tile.dot {{.*}} -> tensor<16x16xf32>
// CHECK-NOT: tile.dot
// CHECK: scf.yield
func.func @two_axes(%a: !A, %b: !B, %v: !V, %f: !A, %g: !B, %s0: !S2) -> (!V, !S2) {
  %0:2 = rwkv.fused heads -> (!V, !S2) {
    %r:2 = rwkv.recurrence over(%at = %a : !A, %bt = %b : !B, %vt = %v : !V, %ft = %f : !A, %gt = %g : !B)
        init(%S = %s0 : !S2) -> (!V, !S2) {
      %S1 = rwkv.decay %S, %ft on "key0" : !s2
      %S2 = rwkv.decay %S1, %gt on "key1" : !s2
      %S3 = rwkv.write %S2[%at, %bt], %vt : !s2
      %o = rwkv.read %S3[%at, %bt] : !s2
      rwkv.yield %o, %S3 : tensor<16xf32>, !s2
    } attributes {schedule = #rwkv.schedule<chunk, C = 16>}
    rwkv.yield %r#0, %r#1 : !V, !S2
  }
  return %0#0, %0#1 : !V, !S2
}

// Two decays of one axis are: their sums lose more than 640 * 2^-24.
// CHECK-LABEL: tile.kernel @heads_3(
// CHECK-NOT: scf.if
// CHECK: return
func.func @twice(%a: !A, %v: !V, %f: !A, %g: !A, %s0: !S1) -> (!V, !S1) {
  %0:2 = rwkv.fused heads -> (!V, !S1) {
    %r:2 = rwkv.recurrence over(%at = %a : !A, %vt = %v : !V, %ft = %f : !A, %gt = %g : !A)
        init(%S = %s0 : !S1) -> (!V, !S1) {
      %S1 = rwkv.decay %S, %ft on "key0" : !s1
      %S2 = rwkv.decay %S1, %gt on "key0" : !s1
      %S3 = rwkv.write %S2[%at], %vt : !s1
      %o = rwkv.read %S3[%at] : !s1
      rwkv.yield %o, %S3 : tensor<16xf32>, !s1
    } attributes {schedule = #rwkv.schedule<chunk, C = 16>}
    rwkv.yield %r#0, %r#1 : !V, !S1
  }
  return %0#0, %0#1 : !V, !S1
}

}
