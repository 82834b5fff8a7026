// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand --canonicalize --cse --verify-roundtrip | FileCheck %s

// Orthogonal transforms: a frame that turns along. Per token there is one product of blocks; keys are turned all at once.
// CHECK-LABEL: tile.kernel @heads_0(
// CHECK: scf.for {{.*}} -> (tensor<8x4xf32>) {

// The assertion: rows of a block with each other, 1 or 0 but for 8 sqrt(2) roundings.
// CHECK:   %[[R:.*]] = tile.load {{.*}} -> tensor<3x16xf32>
// CHECK:   %[[LINES:.*]] = tile.reshape %[[R]] : tensor<3x16xf32> -> tensor<12x4xf32>
// CHECK:   %[[PLANES:.*]] = tile.transpose %[[LINES]] : tensor<12x4xf32> -> tensor<4x12xf32>
// CHECK-DAG: %[[ROW0:.*]] = tile.slice %[[PLANES]][%c0, %c0] : tensor<4x12xf32> -> tensor<2x12xf32>
// CHECK-DAG: %[[ROW1:.*]] = tile.slice %[[PLANES]][%c2, %c0] : tensor<4x12xf32> -> tensor<2x12xf32>
// CHECK-DAG: arith.mulf %[[ROW0]], %[[ROW0]]
// CHECK-DAG: arith.mulf %[[ROW0]], %[[ROW1]]
// CHECK-DAG: arith.mulf %[[ROW1]], %[[ROW1]]
// CHECK:   %[[WORST:.*]] = tile.reduce max
// CHECK:   %[[BROKEN:.*]] = arith.cmpf ogt, %[[WORST]], %{{.*}} : f32
// CHECK:   tile.flag %[[BROKEN]]

// Frames: nothing but one block product per token, kept for all of them.
// CHECK:   %[[FRAMES:.*]]:2 = scf.for {{.*}} -> (tensor<4x4xf32>, tensor<4x12xf32>) {
// CHECK-COUNT-4: tile.reduce sum %{{.*}} over 0 : tensor<2x4xf32> -> tensor<4xf32>
// CHECK-NOT: tile.reduce
// CHECK:     tile.insert %{{.*}} into %{{.*}} : tensor<4x4xf32> -> tensor<4x12xf32>
// CHECK:     scf.yield
// CHECK:   tile.transpose %[[FRAMES]]#0

// Keys of writes, then of reads, as at the start of the chunk; scores are their plain product.
// CHECK-COUNT-2: tile.reduce sum %{{.*}} over 0 : tensor<2x12xf32> -> tensor<12xf32>
// CHECK:   %[[B:.*]] = tile.transpose {{.*}} : tensor<2x12xf32> -> tensor<12x2xf32>
// CHECK-COUNT-2: tile.reduce sum %{{.*}} over 0 : tensor<2x12xf32> -> tensor<12xf32>
// CHECK:   %[[A:.*]] = tile.transpose {{.*}} : tensor<2x12xf32> -> tensor<12x2xf32>
// CHECK:   %[[READ:.*]] = tile.reshape %[[A]] : tensor<12x2xf32> -> tensor<3x8xf32>
// CHECK-NOT: scf.for
// CHECK:   tile.dot %[[READ]], %{{.*}} : tensor<3x8xf32>, tensor<8x3xf32> -> tensor<3x3xf32>
// The keys of writes at the end of the chunk, and the state.
// CHECK:   tile.dot %{{.*}} blocks 2 : tensor<8x2xf32>, tensor<8x3xf32> -> tensor<8x3xf32>
// CHECK:   %[[OUT:.*]] = tile.dot %[[READ]], %{{.*}} : tensor<3x8xf32>, tensor<8x4xf32> -> tensor<3x4xf32>
// CHECK:   tile.dot %{{.*}} blocks 2 : tensor<8x2xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
// CHECK:   scf.yield

// Behind the last whole chunk, token by token, the assertion is checked as well.
// CHECK: scf.for {{.*}} -> (tensor<8x4xf32>) {
// CHECK:   tile.flag

// The same without the assertion: keys are pushed from token to token, and nothing is checked.
// CHECK-LABEL: tile.kernel @heads_1(
// CHECK: scf.for {{.*}} -> (tensor<8x3xf32>, tensor<8x2xf32>, tensor<3x8xf32>, tensor<3x3xf32>) {
// CHECK:   tile.dot %{{.*}} blocks 2 : tensor<8x2xf32>, tensor<8x3xf32> -> tensor<8x3xf32>
// CHECK-NOT: tile.flag

// Turned and decayed along one axis: pushed, but checked.
// CHECK-LABEL: tile.kernel @heads_2(
// CHECK: tile.flag
// CHECK: scf.for {{.*}} -> (tensor<8x3xf32>, tensor<8x2xf32>, tensor<3x8xf32>, tensor<3x3xf32>) {

// Large blocks: products of matrices, in full precision though operands are narrow.
// CHECK-LABEL: tile.kernel @heads_3(
// CHECK: scf.for {{.*}} -> (tensor<16xf32>) {
// CHECK:   %[[BLOCK:.*]] = tile.slice
// CHECK:   tile.dot %[[BLOCK]], %[[BLOCK]] transposed : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
// CHECK: tile.flag
// CHECK: scf.for {{.*}} -> (tensor<16x16xf32>, tensor<3x256xf32>) {
// CHECK:   tile.dot %{{.*}} blocks 16 : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
// CHECK: tile.dot %{{.*}} precision tf32 : tensor<3x16xf32>, tensor<16x3xf32> -> tensor<3x3xf32>


!K = tensor<?x?x2x8xf32>
!V = tensor<?x?x2x4xf32>
!R = tensor<?x?x2x4x2x2xf32>
!State = tensor<?x2x8x4xf32>
!S = !rwkv.state<8|4xf32>

func.func @turned(%q: !K, %k: !K, %v: !V, %r: !R, %s: !State) -> (!V, !State) {
  %0:2 = rwkv.fused heads -> (!V, !State) {
    %o, %n = rwkv.recurrence over(%qt = %q : !K, %kt = %k : !K, %vt = %v : !V, %rt = %r : !R) init(%S = %s : !State)
        -> (!V, !State) {
      %S1 = rwkv.transform %S, %rt on "key0" orthogonal : !S, tensor<4x2x2xf32>
      %S2 = rwkv.write %S1[%kt], %vt : !S
      %ot = rwkv.read %S2[%qt] : !S
      rwkv.yield %ot, %S2 : tensor<4xf32>, !S
    } attributes {schedule = #rwkv.schedule<chunk, C = 3>}
    rwkv.yield %o, %n : !V, !State
  }
  return %0#0, %0#1 : !V, !State
}

func.func @mixed(%q: !K, %k: !K, %v: !V, %r: !R, %s: !State) -> (!V, !State) {
  %0:2 = rwkv.fused heads -> (!V, !State) {
    %o, %n = rwkv.recurrence over(%qt = %q : !K, %kt = %k : !K, %vt = %v : !V, %rt = %r : !R) init(%S = %s : !State)
        -> (!V, !State) {
      %S1 = rwkv.transform %S, %rt on "key0" : !S, tensor<4x2x2xf32>
      %S2 = rwkv.write %S1[%kt], %vt : !S
      %ot = rwkv.read %S2[%qt] : !S
      rwkv.yield %ot, %S2 : tensor<4xf32>, !S
    } attributes {schedule = #rwkv.schedule<chunk, C = 3>}
    rwkv.yield %o, %n : !V, !State
  }
  return %0#0, %0#1 : !V, !State
}

func.func @decayed(%q: !K, %k: !K, %v: !V, %g: !K, %r: !R, %s: !State) -> (!V, !State) {
  %0:2 = rwkv.fused heads -> (!V, !State) {
    %o, %n = rwkv.recurrence over(%qt = %q : !K, %kt = %k : !K, %vt = %v : !V, %gt = %g : !K, %rt = %r : !R)
        init(%S = %s : !State) -> (!V, !State) {
      %S1 = rwkv.transform %S, %rt on "key0" orthogonal : !S, tensor<4x2x2xf32>
      %S2 = rwkv.decay %S1, %gt on "key0" : !S
      %S3 = rwkv.write %S2[%kt], %vt : !S
      %ot = rwkv.read %S3[%qt] : !S
      rwkv.yield %ot, %S3 : tensor<4xf32>, !S
    } attributes {schedule = #rwkv.schedule<chunk, C = 3>}
    rwkv.yield %o, %n : !V, !State
  }
  return %0#0, %0#1 : !V, !State
}

!Wide = tensor<?x?x2x16xbf16>
!Whole = tensor<?x?x2x1x16x16xbf16>
!Large = tensor<?x2x16x16xf32>
!L = !rwkv.state<16|16xf32>

func.func @whole(%q: !Wide, %k: !Wide, %v: !Wide, %r: !Whole, %s: !Large) -> (!Wide, !Large) {
  %0:2 = rwkv.fused heads -> (!Wide, !Large) {
    %o, %n = rwkv.recurrence over(%qt = %q : !Wide, %kt = %k : !Wide, %vt = %v : !Wide, %rt = %r : !Whole)
        init(%S = %s : !Large) -> (!Wide, !Large) {
      %S1 = rwkv.transform %S, %rt on "key0" orthogonal : !L, tensor<1x16x16xf32>
      %S2 = rwkv.write %S1[%kt], %vt : !L
      %ot = rwkv.read %S2[%qt] : !L
      rwkv.yield %ot, %S2 : tensor<16xf32>, !L
    } attributes {schedule = #rwkv.schedule<chunk, C = 3>}
    rwkv.yield %o, %n : !Wide, !Large
  }
  return %0#0, %0#1 : !Wide, !Large
}
