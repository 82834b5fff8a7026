// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand --cse --canonicalize --verify-roundtrip | FileCheck %s

// A task of a group of columns computes a block of output features for all rows: four rows at a time, then one by one.

!X = tensor<?x?x8xf32>
!F = tensor<?x?x96xf32>
!P = tensor<?x?x97xf32>
!Y = tensor<?x8xf32>
!G = tensor<?x96xf32>

// (in, out): a block is the largest divisor of the features up to 64, here 48.
// CHECK-LABEL: tile.kernel @columns_0(
// CHECK-SAME: %[[TASK:.*]]: index, %[[B:.*]]: index, %[[T:.*]]: index, %{{.*}}: index, %[[X:.*]]: !tile.buffer<f32>, %[[W:.*]]: !tile.buffer<bf16>, %[[OUT:.*]]: !tile.buffer<f32>)
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[C4:.*]] = arith.constant 4 : index
// CHECK-DAG: %[[C8:.*]] = arith.constant 8 : index
// CHECK-DAG: %[[C48:.*]] = arith.constant 48 : index
// CHECK-DAG: %[[C96:.*]] = arith.constant 96 : index
// CHECK: %[[ROWS:.*]] = arith.muli %[[B]], %[[T]]
// CHECK: %[[COLUMN:.*]] = arith.muli %[[TASK]], %[[C48]]
// CHECK: %[[FOURS:.*]] = arith.divui %[[ROWS]], %[[C4]]
// CHECK: %[[FULL:.*]] = arith.muli %[[FOURS]], %[[C4]]
// CHECK: scf.for %[[ROW:.*]] = %[[C0]] to %[[FULL]] step %[[C4]] {
// CHECK:   %[[FROM:.*]] = arith.muli %[[ROW]], %[[C8]]
// CHECK:   %[[LHS:.*]] = tile.load %[[X]][%[[FROM]]] : <f32> -> tensor<4x8xf32>
// CHECK:   %[[RHS:.*]] = tile.load %[[W]][%[[COLUMN]]] stride 96 : <bf16> -> tensor<8x48xf32>
// CHECK:   %[[DOT:.*]] = tile.dot %[[LHS]], %[[RHS]] : tensor<4x8xf32>, tensor<8x48xf32> -> tensor<4x48xf32>
// CHECK:   %[[TO:.*]] = arith.muli %[[ROW]], %[[C96]]
// CHECK:   %[[AT:.*]] = arith.addi %[[TO]], %[[COLUMN]]
// CHECK:   tile.store %[[DOT]], %[[OUT]][%[[AT]]] stride 96
// CHECK: }
// CHECK: scf.for %{{.*}} = %[[FULL]] to %[[ROWS]] step %[[C1]] {
// CHECK:   tile.dot %{{.*}} : tensor<1x8xf32>, tensor<8x48xf32> -> tensor<1x48xf32>
// CHECK:   tile.store %{{.*}} stride 96
// CHECK: }

// (out, in): up to 16 rows of the weight.
// CHECK-LABEL: tile.kernel @columns_1(
// CHECK-SAME: %[[TASK:.*]]: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %[[X:.*]]: !tile.buffer<f32>, %[[W:.*]]: !tile.buffer<bf16>, %{{.*}}: !tile.buffer<f32>)
// CHECK: %[[C128:.*]] = arith.constant 128 : index
// CHECK: scf.for
// CHECK:   %[[FROM:.*]] = arith.muli %[[TASK]], %[[C128]]
// CHECK:   %[[RHS:.*]] = tile.load %[[W]][%[[FROM]]] : <bf16> -> tensor<16x8xf32>
// CHECK:   tile.dot %{{.*}}, %[[RHS]] transposed : tensor<4x8xf32>, tensor<16x8xf32> -> tensor<4x16xf32>
// CHECK: scf.for
// CHECK:   tile.dot %{{.*}} transposed : tensor<1x8xf32>, tensor<16x8xf32> -> tensor<1x16xf32>

// A prime number of features has blocks of one.
// CHECK-LABEL: tile.kernel @columns_2(
// CHECK: tile.load %{{.*}} stride 97 : <f32> -> tensor<8x1xf32>
// CHECK: tile.store %{{.*}} stride 97 : tensor<4x1xf32>, <f32>

// The epilogue: a weight of the features, a number, an operand at the same place, several results; a value that the yield
// takes twice is computed once.
// CHECK-LABEL: tile.kernel @columns_3(
// CHECK-SAME: %[[X:[^ :]*]]: !tile.buffer<f32>, %[[R:[^ :]*]]: !tile.buffer<f32>, %[[BIAS:[^ :]*]]: !tile.buffer<bf16>, %{{[^ :]*}}: !tile.buffer<bf16>, %[[A:[^ :]*]]: !tile.buffer<f32>, %[[B:[^ :]*]]: !tile.buffer<f32>)
// CHECK: %[[HALF:.*]] = arith.constant dense<5.000000e-01> : tensor<1x48xf32>
// CHECK: scf.for
// CHECK:   %[[DOT:.*]] = tile.dot
// CHECK-DAG: %[[VECTOR:.*]] = tile.load %[[BIAS]][%{{.*}}] : <bf16> -> tensor<48xf32>
// CHECK-DAG: %[[WIDE:.*]] = tile.broadcast %[[VECTOR]] on 1 : tensor<48xf32> -> tensor<4x48xf32>
// CHECK:   %[[SUM:.*]] = arith.addf %[[DOT]], %[[WIDE]]
// CHECK:   tile.store %[[SUM]], %[[A]]
// CHECK:   arith.mulf %[[SUM]], %{{.*}} : tensor<4x48xf32>
// CHECK:   tile.load %[[R]][%{{.*}}] stride 96 : <f32> -> tensor<4x48xf32>
// CHECK:   tile.store %{{.*}}, %[[B]]
// CHECK: scf.for
// CHECK:   arith.mulf %{{.*}}, %[[HALF]] : tensor<1x48xf32>

// Rows per sequence: as many as there are sequences.
// CHECK-LABEL: tile.kernel @columns_4(
// CHECK-SAME: %[[TASK:.*]]: index, %{{.*}}: index, %{{.*}}: index, %[[S:.*]]: index,
// CHECK: %[[FOURS:.*]] = arith.divui %[[S]], %{{.*}}
// CHECK: scf.for %{{.*}} to %[[S]] step
// Without packed sequences: as many as rows of the batch.
// CHECK-LABEL: tile.kernel @columns_5(
// CHECK-SAME: %[[TASK:.*]]: index, %[[B:.*]]: index, %{{.*}}: index, %{{.*}}: index,
// CHECK: arith.divui %[[B]], %{{.*}}
// CHECK: scf.for %{{.*}} to %[[B]] step

rwkv.model @m {
  rwkv.weight @w "w" tensor<8x96xbf16>
  rwkv.weight @t "t" tensor<96x8xbf16> transposed
  rwkv.weight @p "p" tensor<8x97xf32>
  rwkv.weight @bias "bias" tensor<96xbf16>

  // CHECK-LABEL: func.func @plain
  func.func @plain(%x: !X) -> !F {
    // CHECK: tile.launch @columns_0 tasks(%c2) (%{{.*}}) weights [@w]
    %0 = rwkv.fused columns -> (!F) {
      %1 = rwkv.linear %x, @w : !X -> !F
      rwkv.yield %1 : !F
    }
    return %0 : !F
  }

  // CHECK-LABEL: func.func @transposed
  func.func @transposed(%x: !X) -> !F {
    // CHECK: tile.launch @columns_1 tasks(%c6) (%{{.*}}) weights [@t]
    %0 = rwkv.fused columns -> (!F) {
      %1 = rwkv.linear %x, @t : !X -> !F
      rwkv.yield %1 : !F
    }
    return %0 : !F
  }

  // CHECK-LABEL: func.func @prime
  func.func @prime(%x: !X) -> !P {
    // CHECK: tile.launch @columns_2 tasks(%c97) (
    %0 = rwkv.fused columns -> (!P) {
      %1 = rwkv.linear %x, @p : !X -> !P
      rwkv.yield %1 : !P
    }
    return %0 : !P
  }

  // CHECK-LABEL: func.func @epilogue
  func.func @epilogue(%x: !X, %r: !F) -> (!F, !F) {
    // CHECK: tile.launch @columns_3 tasks(%c2) (%{{.*}}, %{{.*}}) weights [@bias, @w]
    %0:2 = rwkv.fused columns -> (!F, !F) {
      %b = rwkv.get @bias on [2] : !F
      %h = rwkv.fill 0.5 : !F
      %1 = rwkv.linear %x, @w : !X -> !F
      %2 = arith.addf %1, %b : !F
      %3 = arith.mulf %2, %h : !F
      %4 = arith.addf %3, %r : !F
      rwkv.yield %2, %4 : !F, !F
    }
    return %0#0, %0#1 : !F, !F
  }

  // CHECK-LABEL: func.func @packed
  func.func @packed(%y: !Y, %cu: tensor<?xi32>) -> !G {
    // CHECK: tile.launch @columns_4 tasks(%c2) (
    %0 = rwkv.fused columns -> (!G) {
      %1 = rwkv.linear %y, @w : !Y -> !G
      rwkv.yield %1 : !G
    }
    return %0 : !G
  }

  // CHECK-LABEL: func.func @batch
  func.func @batch(%y: !Y) -> !G {
    // CHECK: tile.launch @columns_5 tasks(%c2) (
    %0 = rwkv.fused columns -> (!G) {
      %1 = rwkv.linear %y, @w : !Y -> !G
      rwkv.yield %1 : !G
    }
    return %0 : !G
  }
}
