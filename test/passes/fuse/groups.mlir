// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --pass-pipeline="builtin.module(func.func(rwkv-fuse),rwkv.model(func.func(rwkv-fuse)))" --verify-roundtrip | FileCheck %s

!X = tensor<?x?x8xf32>
!F = tensor<?x?x16xf32>
!H = tensor<?x?x2x4xf32>
!S = tensor<?x2x4x4xf32>

rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @vec "vec" tensor<8xf32>
  rwkv.weight @sq "sq" tensor<8x8xf32>
  rwkv.weight @up "up" tensor<8x16xf32>
  rwkv.weight @down "down" tensor<16x8xf32>

  // Elementwise ops of the projection's shape join it, with constants cloned; another shape does not.
  // CHECK-LABEL: func.func @epilogue
  func.func @epilogue(%x: !X) -> (!X, !H) {
    // CHECK: %[[R:.*]] = rwkv.fused columns -> (tensor<?x?x8xf32>)
    // CHECK-NEXT: rwkv.get @vec
    // CHECK-NEXT: rwkv.linear
    // CHECK-NEXT: arith.addf
    // CHECK-NEXT: rwkv.silu
    // CHECK-NEXT: rwkv.yield
    // CHECK: rwkv.fused rows -> (tensor<?x?x2x4xf32>)
    // CHECK-NEXT: rwkv.reshape %[[R]]
    // CHECK-NEXT: rwkv.relu
    %0 = rwkv.linear %x, @sq : !X -> !X
    %1 = rwkv.get @vec on [2] : !X
    %2 = arith.addf %0, %1 : !X
    %3 = rwkv.silu %2 : !X
    %4 = rwkv.reshape %3 : !X -> !H
    %5 = rwkv.relu %4 : !H
    return %3, %5 : !X, !H
  }

  // Independent groups are neighbours: both first projections come before both second ones.
  // CHECK-LABEL: func.func @order
  func.func @order(%x: !X) -> (!X, !X) {
    // CHECK: rwkv.linear %{{.*}}, @up
    // CHECK-NEXT: rwkv.relu
    // CHECK: rwkv.linear %{{.*}}, @up
    // CHECK-NEXT: rwkv.silu
    // CHECK: rwkv.linear %{{.*}}, @down
    // CHECK: rwkv.linear %{{.*}}, @down
    %0 = rwkv.linear %x, @up : !X -> !F
    %1 = rwkv.relu %0 : !F
    %2 = rwkv.linear %1, @down : !F -> !X
    %3 = rwkv.linear %x, @up : !X -> !F
    %4 = rwkv.silu %3 : !F
    %5 = rwkv.linear %4, @down : !F -> !X
    return %2, %5 : !X, !X
  }

  // An op of two projections joins the later one; the other's value goes through memory.
  // CHECK-LABEL: func.func @join
  func.func @join(%x: !X) -> !X {
    // CHECK: rwkv.fused columns
    // CHECK-NEXT: rwkv.linear %{{.*}}, @up
    // CHECK-NEXT: rwkv.yield
    // CHECK: %[[B:.*]] = rwkv.fused columns
    // CHECK-NEXT: rwkv.linear %{{.*}}, @sq
    // CHECK-NEXT: rwkv.yield
    // CHECK: rwkv.fused columns
    // CHECK-NEXT: rwkv.linear %{{.*}}, @down
    // CHECK-NEXT: arith.mulf %{{.*}}, %[[B]]
    // CHECK-NEXT: rwkv.yield
    %0 = rwkv.linear %x, @up : !X -> !F
    %1 = rwkv.linear %0, @down : !F -> !X
    %2 = rwkv.linear %x, @sq : !X -> !X
    %3 = arith.mulf %1, %2 : !X
    return %3 : !X
  }

  // Joining would close a cycle: the sum needs a projection of what it would join.
  // CHECK-LABEL: func.func @cycle
  func.func @cycle(%x: !X) -> (!X, !X) {
    // CHECK: %[[A:.*]] = rwkv.fused columns
    // CHECK-NEXT: rwkv.linear %{{.*}}, @sq
    // CHECK-NEXT: rwkv.yield
    // CHECK: rwkv.fused columns
    // CHECK-NEXT: rwkv.linear %[[A]], @sq
    // CHECK-NEXT: arith.addf %[[A]], %{{.*}}
    // CHECK-NEXT: rwkv.yield
    %0 = rwkv.linear %x, @sq : !X -> !X
    %1 = rwkv.linear %0, @sq : !X -> !X
    %2 = arith.addf %0, %1 : !X
    return %0, %2 : !X, !X
  }

  // Heads take what works within a head; a sum over the heads does not.
  // CHECK-LABEL: func.func @heads
  func.func @heads(%k: !X, %s: !S) -> (!S, !X, tensor<?x?x4xf32>) {
    // CHECK: %[[H:.*]]:3 = rwkv.fused heads -> (tensor<?x2x4x4xf32>, tensor<?x?x2x4xf32>, tensor<?x?x8xf32>)
    // CHECK: rwkv.silu
    // CHECK: rwkv.reshape
    // CHECK: rwkv.l2norm
    // CHECK: rwkv.recurrence
    // CHECK: rwkv.norm
    // CHECK: rwkv.sum %{{.*}} over 3
    // CHECK: rwkv.broadcast
    // CHECK: rwkv.reshape
    // CHECK: }
    // CHECK: rwkv.fused rows -> (tensor<?x?x4xf32>)
    // CHECK-NEXT: rwkv.sum %[[H]]#1 over 2
    // CHECK-NEXT: rwkv.yield
    %0 = rwkv.silu %k : !X
    %1 = rwkv.reshape %0 : !X -> !H
    %2 = rwkv.l2norm %1 over 3 floor 1.0e-12 : !H
    %o, %n = rwkv.recurrence over(%kt = %2 : !H) init(%S = %s : !S) -> (!H, !S) {
      %y = rwkv.read %S[%kt] : !rwkv.state<4|4xf32>
      %S1 = rwkv.write %S[%kt], %y : !rwkv.state<4|4xf32>
      rwkv.yield %y, %S1 : tensor<4xf32>, !rwkv.state<4|4xf32>
    }
    %3 = rwkv.norm %o, @vec, @vec over 3 eps @eps : !H
    %4 = rwkv.sum %3 over 3 : !H -> tensor<?x?x2xf32>
    %5 = rwkv.broadcast %4 on [0, 1, 2] : tensor<?x?x2xf32> -> !H
    %6 = arith.mulf %5, %3 : !H
    %7 = rwkv.reshape %6 : !H -> !X
    %8 = rwkv.sum %3 over 2 : !H -> tensor<?x?x4xf32>
    return %n, %7, %8 : !S, !X, tensor<?x?x4xf32>
  }

  // Two recurrences are two groups; the second needs the first.
  // CHECK-LABEL: func.func @recurrences
  func.func @recurrences(%k: !H, %s: !S) -> (!H, !S, !S) {
    // CHECK: %[[A:.*]]:2 = rwkv.fused heads
    // CHECK: rwkv.recurrence
    // CHECK: rwkv.relu
    // CHECK: rwkv.fused heads
    // CHECK: rwkv.recurrence
    // CHECK: return
    %o, %n = rwkv.recurrence over(%kt = %k : !H) init(%S = %s : !S) -> (!H, !S) {
      %y = rwkv.read %S[%kt] : !rwkv.state<4|4xf32>
      rwkv.yield %y, %S : tensor<4xf32>, !rwkv.state<4|4xf32>
    }
    %r = rwkv.relu %o : !H
    %p, %m = rwkv.recurrence over(%kt = %r : !H) init(%S = %s : !S) -> (!H, !S) {
      %y = rwkv.read %S[%kt] : !rwkv.state<4|4xf32>
      rwkv.yield %y, %S : tensor<4xf32>, !rwkv.state<4|4xf32>
    }
    return %p, %n, %m : !H, !S, !S
  }

  // A constant that is returned needs memory, one that nobody uses goes.
  // CHECK-LABEL: func.func @constants
  func.func @constants() -> !X {
    // CHECK-NEXT: %[[C:.*]] = rwkv.fused rows
    // CHECK-NEXT: rwkv.fill 1.000000e+00
    // CHECK-NEXT: rwkv.yield
    // CHECK-NEXT: }
    // CHECK-NEXT: return %[[C]]
    %0 = rwkv.fill 1.0 : !X
    %1 = rwkv.fill 2.0 : !X
    return %0 : !X
  }
}

// Functions beside models as well.
// CHECK-LABEL: func.func @bare
func.func @bare(%k: !H, %s: !S) -> !H {
  // CHECK-NEXT: rwkv.fused heads
  // CHECK: rwkv.recurrence
  %o, %n = rwkv.recurrence over(%kt = %k : !H) init(%S = %s : !S) -> (!H, !S) {
    %y = rwkv.read %S[%kt] : !rwkv.state<4|4xf32>
    rwkv.yield %y, %S : tensor<4xf32>, !rwkv.state<4|4xf32>
  }
  return %o : !H
}

// CHECK-LABEL: func.func private @declaration
func.func private @declaration(!X) -> !X
