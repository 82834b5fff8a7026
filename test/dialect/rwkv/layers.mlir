// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
!Y = tensor<?x?xf32, #rwkv.dims<B, D>>
!Ys = tensor<?x?x?xf32, #rwkv.dims<L, B, D>>

// CHECK-LABEL: func @count
// CHECK-SAME: %[[X:.*]]: !BTD, %[[S:.*]]: !LBD
func.func @count(%x: !X, %s: !Ys) -> (!X, !Ys) {
  // CHECK: rwkv.layers l in L
  // CHECK-NEXT: iter(%[[XL:iter.*]] = %[[X]] : !BTD)
  // CHECK-NEXT: each(%[[SL:each.*]] = %[[S]] : !LBD)
  // CHECK-NEXT: -> (!BTD, !LBD) {
  %y:2 = rwkv.layers l in L iter(%xl = %x : !X) each(%sl = %s : !Ys) -> (!X, !Ys) {
    // The body sees its layer's slice.
    // CHECK: rwkv.token_shift %[[XL]], %[[SL]] : !BTD, !BD
    %p, %n = rwkv.token_shift %xl, %sl : !X, !Y
    // CHECK: rwkv.yield %{{.*}}, %{{.*}} : !BTD, !BD
    rwkv.yield %p, %n : !X, !Y
  }
  return %y#0, %y#1 : !X, !Ys
}

// Any names of the index and the count; values from above are visible.
// CHECK-LABEL: func @names
func.func @names(%x: !X, %z: !X) -> !X {
  // CHECK: rwkv.layers i in Depth
  // CHECK-NOT: each
  // CHECK: -> (!BTD) {
  %y = rwkv.layers i in Depth iter(%xl = %x : !X) -> (!X) {
    %a = arith.addf %xl, %z : !X
    rwkv.yield %a : !X
  }
  return %y : !X
}

// CHECK-LABEL: func @only_each
func.func @only_each(%s: !Ys) -> !Ys {
  // CHECK: rwkv.layers l in L
  // CHECK-NEXT: each(%[[SL:each.*]] = %{{.*}} : !LBD)
  %y = rwkv.layers l in L each(%sl = %s : !Ys) -> (!Ys) {
    rwkv.yield %sl : !Y
  }
  return %y : !Ys
}

// One body per range of layers.
// CHECK-LABEL: func @bounds
func.func @bounds(%x: tensor<?x?x8xf32>, %s: tensor<12x?x8xf32>) -> (tensor<?x?x8xf32>, tensor<12x?x8xf32>) {
  // CHECK: rwkv.layers l in [0, 1, 12]
  // CHECK-NEXT: iter(%[[A:iter.*]] = %{{.*}} : tensor<?x?x8xf32>)
  // CHECK-NEXT: each(%[[B:each.*]] = %{{.*}} : tensor<12x?x8xf32>)
  %y:2 = rwkv.layers l in [0, 1, 12] iter(%xl = %x : tensor<?x?x8xf32>) each(%sl = %s : tensor<12x?x8xf32>)
      -> (tensor<?x?x8xf32>, tensor<12x?x8xf32>) {
    // CHECK: rwkv.yield %[[A]], %[[B]] : tensor<?x?x8xf32>, tensor<?x8xf32>
    rwkv.yield %xl, %sl : tensor<?x?x8xf32>, tensor<?x8xf32>
  // CHECK-NEXT: } {
  } {
    // CHECK-NEXT: rwkv.token_shift %[[A]], %[[B]]
    %p, %n = rwkv.token_shift %xl, %sl : tensor<?x?x8xf32>, tensor<?x8xf32>
    rwkv.yield %p, %n : tensor<?x?x8xf32>, tensor<?x8xf32>
  }
  return %y#0, %y#1 : tensor<?x?x8xf32>, tensor<12x?x8xf32>
}

// CHECK-LABEL: func @attributes
func.func @attributes(%x: !X) -> !X {
  // CHECK: rwkv.layers
  // CHECK: } attributes {note = "x"}
  %y = "rwkv.layers"(%x) <{index = "l", count = "L", operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%xl: !X):
    rwkv.yield %xl : !X
  }) {note = "x"} : (!X) -> !X
  return %y : !X
}
