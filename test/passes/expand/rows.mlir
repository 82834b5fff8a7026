// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand --cse --canonicalize --verify-roundtrip | FileCheck %s

// A task of a group of rows computes all features of one token, or of one sequence.

!X = tensor<?x?x8xf32>
!B = tensor<?x?x8xbf16>
!H = tensor<?x?x2x4xf32>
!Y = tensor<?x8xf32>

// A norm: two sums over the features, the mean subtracted before the variance, scale and bias; bf16 is loaded and stored as
// such and computed in f32.
// CHECK-LABEL: tile.kernel @rows_0(
// CHECK-SAME: %[[TASK:.*]]: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %[[X:.*]]: !tile.buffer<bf16>, %[[W:.*]]: !tile.buffer<bf16>, %[[B:.*]]: !tile.buffer<f32>, %[[Y:.*]]: !tile.buffer<bf16>)
// CHECK-DAG: %[[C8:.*]] = arith.constant 8 : index
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[EIGHTH:.*]] = arith.constant 1.250000e-01 : f32
// CHECK-DAG: %[[EPS:.*]] = arith.constant 9.99999974E-6 : f32
// CHECK: %[[OFFSET:.*]] = arith.muli %[[TASK]], %[[C8]]
// CHECK: %[[ROW:.*]] = tile.load %[[X]][%[[OFFSET]]] : <bf16> -> tensor<8xf32>
// CHECK: %[[SUM:.*]] = tile.reduce sum %[[ROW]] over 0
// CHECK: %[[MEAN:.*]] = arith.mulf %[[SUM]], %[[EIGHTH]] : f32
// CHECK: %[[MEANS:.*]] = tile.broadcast %[[MEAN]]
// CHECK: %[[CENTRED:.*]] = arith.subf %[[ROW]], %[[MEANS]]
// CHECK: %[[SQUARE:.*]] = arith.mulf %[[CENTRED]], %[[CENTRED]]
// CHECK: tile.reduce sum %[[SQUARE]] over 0
// CHECK: arith.addf %{{.*}}, %[[EPS]] : f32
// CHECK: math.sqrt
// CHECK: tile.load %[[W]][%[[C0]]] : <bf16> -> tensor<8xf32>
// CHECK: tile.load %[[B]][%[[C0]]] : <f32> -> tensor<8xf32>
// CHECK: tile.store %{{.*}}, %[[Y]][%[[OFFSET]]] : tensor<8xf32>, <bf16>

// Group norm: rows are heads, columns their features. Weights of all features are a tile, those of one head are repeated.
// CHECK-LABEL: tile.kernel @rows_1(
// CHECK-SAME: %[[X:[^:]*]]: !tile.buffer<f32>, %[[W:[^:]*]]: !tile.buffer<bf16>, %[[B:[^:]*]]: !tile.buffer<f32>, %{{[^:]*}}: !tile.buffer<f32>)
// CHECK: %[[ROW:.*]] = tile.load %[[X]][%{{.*}}] : <f32> -> tensor<2x4xf32>
// CHECK: tile.reduce sum %[[ROW]] over 1 : tensor<2x4xf32> -> tensor<2xf32>
// CHECK: tile.broadcast %{{.*}} on 0 : tensor<2xf32> -> tensor<2x4xf32>
// CHECK: tile.load %[[W]][%{{.*}}] : <bf16> -> tensor<2x4xf32>
// CHECK: %[[BIAS:.*]] = tile.load %[[B]][%{{.*}}] : <f32> -> tensor<4xf32>
// CHECK: tile.broadcast %[[BIAS]] on 1 : tensor<4xf32> -> tensor<2x4xf32>

// An embedding: a row of the weight, at an index from memory.
// CHECK-LABEL: tile.kernel @rows_2(
// CHECK-SAME: %[[TASK:.*]]: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %[[T:.*]]: !tile.buffer<i32>, %[[E:.*]]: !tile.buffer<bf16>,
// CHECK: %[[TOKEN:.*]] = tile.load_index %[[T]][%[[TASK]]]
// CHECK: %[[AT:.*]] = arith.muli %[[TOKEN]], %{{.*}}
// CHECK: tile.load %[[E]][%[[AT]]] : <bf16> -> tensor<8xf32>

// Sums, repetitions and reshapes between heads and features; the bias of a head; an l2 norm.
// CHECK-LABEL: tile.kernel @rows_3(
// CHECK: %[[FLAT:.*]] = tile.load %{{.*}} : <f32> -> tensor<8xf32>
// CHECK: %[[HEADS:.*]] = tile.reshape %[[FLAT]] : tensor<8xf32> -> tensor<2x4xf32>
// CHECK: %[[LONG:.*]] = arith.mulf %[[HEADS]], %[[HEADS]]
// CHECK: tile.reduce sum %[[LONG]] over 1
// CHECK: math.sqrt
// CHECK: arith.maximumf %{{.*}}, %{{.*}} : tensor<2xf32>
// CHECK: %[[UNIT:.*]] = arith.mulf %[[HEADS]], %{{.*}} : tensor<2x4xf32>
// CHECK: %[[SUM:.*]] = tile.reduce sum %[[UNIT]] over 0 : tensor<2x4xf32> -> tensor<4xf32>
// CHECK: %[[ACROSS:.*]] = tile.broadcast %[[SUM]] on 1 : tensor<4xf32> -> tensor<2x4xf32>
// CHECK: %[[BIAS:.*]] = tile.load %{{.*}} : <f32> -> tensor<4xf32>
// CHECK: tile.broadcast %[[BIAS]] on 1 : tensor<4xf32> -> tensor<2x4xf32>
// CHECK: tile.reshape %{{.*}} : tensor<2x4xf32> -> tensor<8xf32>

// Values per sequence.
// CHECK-LABEL: tile.kernel @rows_4(
// CHECK: math.tanh

// Values of no row.
// CHECK-LABEL: tile.kernel @rows_5(
// CHECK-SAME: %[[Y:[^ :]*]]: !tile.buffer<f32>) {
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[ONES:.*]] = arith.constant dense<1.000000e+00> : tensor<8xf32>
// CHECK: tile.store %[[ONES]], %[[Y]][%[[C0]]]

rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @w "w" tensor<8xbf16>
  rwkv.weight @b "b" tensor<8xf32>
  rwkv.weight @b4 "b4" tensor<4xf32>
  rwkv.weight @emb "emb" tensor<32x8xbf16>

  // CHECK-LABEL: func.func @norm
  // CHECK-SAME: (%[[X:.*]]: tensor
  func.func @norm(%x: !B) -> !B {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    // CHECK-DAG: %[[T:.*]] = tile.size T
    // CHECK: %[[BT:.*]] = arith.muli %[[B]], %[[T]] : index
    // CHECK-NEXT: tile.launch @rows_0 tasks(%[[BT]]) (%[[X]]) weights [@w, @b]
    %0 = rwkv.fused rows -> (!B) {
      %1 = rwkv.norm %x, @w, @b over 2 eps @eps : !B
      rwkv.yield %1 : !B
    }
    return %0 : !B
  }

  // CHECK-LABEL: func.func @group_norm
  func.func @group_norm(%x: !H) -> !H {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    // CHECK-DAG: %[[T:.*]] = tile.size T
    // CHECK: %[[BT:.*]] = arith.muli %[[B]], %[[T]] : index
    // CHECK: tile.launch @rows_1 tasks(%[[BT]]) (%{{.*}}) weights [@w, @b4]
    %0 = rwkv.fused rows -> (!H) {
      %1 = rwkv.norm %x, @w, @b4 over 3 eps @eps : !H
      rwkv.yield %1 : !H
    }
    return %0 : !H
  }

  // CHECK-LABEL: func.func @embed
  func.func @embed(%t: tensor<?x?xi32>) -> !X {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    // CHECK-DAG: %[[T:.*]] = tile.size T
    // CHECK: %[[BT:.*]] = arith.muli %[[B]], %[[T]] : index
    // CHECK: tile.launch @rows_2 tasks(%[[BT]]) (%{{.*}}) weights [@emb]
    %0 = rwkv.fused rows -> (!X) {
      %1 = rwkv.embed %t, @emb : tensor<?x?xi32> -> !X
      rwkv.yield %1 : !X
    }
    return %0 : !X
  }

  // CHECK-LABEL: func.func @shapes
  func.func @shapes(%x: !X) -> !X {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    // CHECK-DAG: %[[T:.*]] = tile.size T
    // CHECK: %[[BT:.*]] = arith.muli %[[B]], %[[T]] : index
    // CHECK: tile.launch @rows_3 tasks(%[[BT]]) (%{{.*}}) weights [@b4]
    %0 = rwkv.fused rows -> (!X) {
      %1 = rwkv.reshape %x : !X -> !H
      %2 = rwkv.l2norm %1 over 3 floor 1.0e-12 : !H
      %3 = rwkv.sum %2 over 2 : !H -> tensor<?x?x4xf32>
      %4 = rwkv.broadcast %3 on [0, 1, 3] : tensor<?x?x4xf32> -> !H
      %5 = rwkv.get @b4 on [3] : !H
      %6 = arith.mulf %4, %5 : !H
      %7 = rwkv.reshape %6 : !H -> !X
      rwkv.yield %7 : !X
    }
    return %0 : !X
  }

  // CHECK-LABEL: func.func @sequences
  func.func @sequences(%x: !Y) -> !Y {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    // CHECK: tile.launch @rows_4 tasks(%[[B]]) (
    %0 = rwkv.fused rows -> (!Y) {
      %1 = math.tanh %x : !Y
      rwkv.yield %1 : !Y
    }
    return %0 : !Y
  }

  // CHECK-LABEL: func.func @constants
  func.func @constants() -> tensor<8xf32> {
    // CHECK: tile.launch @rows_5 tasks(%c1) ()
    %0 = rwkv.fused rows -> (tensor<8xf32>) {
      %1 = rwkv.fill 1.0 : tensor<8xf32>
      rwkv.yield %1 : tensor<8xf32>
    }
    return %0 : tensor<8xf32>
  }
}
