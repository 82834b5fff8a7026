// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand --cse --canonicalize --verify-roundtrip | FileCheck %s

// A task of a group of heads runs one head of one sequence: a loop over its tokens that carries the states.

!X = tensor<?x?x32xf32>
!K = tensor<?x?x4x8xf32>
!V = tensor<?x?x4x6xbf16>
!H1 = tensor<?x?x4xf32>
!S = tensor<?x4x8x6xf32>
!T = !rwkv.state<8|6xf32>

// Rows of the batch are sequences of T tokens each.
// CHECK-LABEL: tile.kernel @heads_0(
// CHECK-SAME: %[[TASK:.*]]: index, %{{.*}}: index, %[[T:.*]]: index, %{{.*}}: index, %[[K:.*]]: !tile.buffer<f32>, %[[V:.*]]: !tile.buffer<bf16>, %[[S0:.*]]: !tile.buffer<f32>, %[[O:.*]]: !tile.buffer<bf16>, %[[S:.*]]: !tile.buffer<f32>)
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[FOUR:.*]] = arith.constant 4 : index
// CHECK-DAG: %[[SIX:.*]] = arith.constant 6 : index
// CHECK-DAG: %[[EIGHT:.*]] = arith.constant 8 : index
// CHECK-DAG: %[[SIZE:.*]] = arith.constant 48 : index
// CHECK-DAG: %[[SEQ:.*]] = arith.divui %[[TASK]], %[[FOUR]]
// CHECK-DAG: %[[HEAD:.*]] = arith.remui %[[TASK]], %[[FOUR]]
// CHECK: %[[AT:.*]] = arith.muli %[[TASK]], %[[SIZE]]
// CHECK: %[[INIT:.*]] = tile.load %[[S0]][%[[AT]]] : <f32> -> tensor<8x6xf32>
// CHECK: %[[START:.*]] = arith.muli %[[SEQ]], %[[T]]
// CHECK: %[[AFTER:.*]] = arith.addi %[[SEQ]], %[[ONE]]
// CHECK: %[[END:.*]] = arith.muli %[[AFTER]], %[[T]]
// CHECK: %[[FINAL:.*]] = scf.for %[[TOKEN:.*]] = %[[START]] to %[[END]] step %[[ONE]] iter_args(%[[STATE:.*]] = %[[INIT]]) -> (tensor<8x6xf32>) {
// CHECK:   %[[FIRST:.*]] = arith.muli %[[TOKEN]], %[[FOUR]]
// CHECK:   %[[POSITION:.*]] = arith.addi %[[FIRST]], %[[HEAD]]
// CHECK:   %[[KAT:.*]] = arith.muli %[[POSITION]], %[[EIGHT]]
// CHECK:   %[[KEY:.*]] = tile.load %[[K]][%[[KAT]]] : <f32> -> tensor<8xf32>
// CHECK:   %[[VAT:.*]] = arith.muli %[[POSITION]], %[[SIX]]
// CHECK:   %[[VALUE:.*]] = tile.load %[[V]][%[[VAT]]] : <bf16> -> tensor<6xf32>
// A write adds keys times values, a read sums keys times state.
// CHECK:   %[[KEYS:.*]] = tile.broadcast %[[KEY]] on 0 : tensor<8xf32> -> tensor<8x6xf32>
// CHECK:   %[[VALUES:.*]] = tile.broadcast %[[VALUE]] on 1 : tensor<6xf32> -> tensor<8x6xf32>
// CHECK:   %[[OUTER:.*]] = arith.mulf %[[KEYS]], %[[VALUES]]
// CHECK:   %[[NEXT:.*]] = arith.addf %[[STATE]], %[[OUTER]]
// CHECK:   %[[PRODUCT:.*]] = arith.mulf %[[KEYS]], %[[NEXT]]
// CHECK:   %[[READ:.*]] = tile.reduce sum %[[PRODUCT]] over 0
// CHECK:   tile.store %[[READ]], %[[O]][%[[VAT]]] : tensor<6xf32>, <bf16>
// CHECK:   scf.yield %[[NEXT]]
// CHECK: }
// CHECK: tile.store %[[FINAL]], %[[S]][%[[AT]]]

// Packed sequences: the tokens from cu[s] to cu[s + 1].
// CHECK-LABEL: tile.kernel @heads_1(
// CHECK-SAME: %[[TASK:.*]]: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: !tile.buffer<f32>, %{{.*}}: !tile.buffer<f32>, %[[CU:.*]]: !tile.buffer<i32>, %{{.*}}: !tile.buffer<f32>, %{{.*}}: !tile.buffer<f32>)
// CHECK: %[[SEQ:.*]] = arith.divui %[[TASK]], %{{.*}}
// CHECK: %[[START:.*]] = tile.load_index %[[CU]][%[[SEQ]]]
// CHECK: %[[AFTER:.*]] = arith.addi %[[SEQ]], %{{.*}}
// CHECK: %[[END:.*]] = tile.load_index %[[CU]][%[[AFTER]]]
// CHECK: scf.for %{{.*}} = %[[START]] to %[[END]]

// Two groups of keys serve four heads: head / 2. One group serves all.
// CHECK-LABEL: tile.kernel @heads_2(
// CHECK-SAME: %[[K:[^ :]*]]: !tile.buffer<f32>, %[[G:[^ :]*]]: !tile.buffer<f32>, %{{[^ :]*}}: !tile.buffer<f32>, %[[C:[^ :]*]]: !tile.buffer<f32>, %{{[^ :]*}}: !tile.buffer<f32>)
// CHECK-DAG: %[[TWO:.*]] = arith.constant 2 : index
// CHECK: %[[HEAD:.*]] = arith.remui
// CHECK: %[[GROUP:.*]] = arith.divui %[[HEAD]], %[[TWO]]
// Constants are read once, in front of the loop; a scalar per head is a scalar.
// CHECK: %[[CAT:.*]] = arith.muli %[[GROUP]], %{{.*}}
// CHECK: tile.load %{{.*}}[%[[CAT]]] : <f32> -> tensor<8xf32>
// CHECK: %[[NUMBER:.*]] = tile.load %{{.*}}[%[[HEAD]]] : <f32> -> f32
// CHECK: scf.for %[[TOKEN:[^ ]*]] =
// CHECK:   %[[FIRST:.*]] = arith.muli %[[TOKEN]], %[[TWO]]
// CHECK:   %[[POSITION:.*]] = arith.addi %[[FIRST]], %[[GROUP]]
// CHECK:   %[[AT:.*]] = arith.muli %[[POSITION]], %{{.*}}
// CHECK:   tile.load %{{.*}}[%[[AT]]] : <f32> -> tensor<8xf32>
// CHECK:   %[[DECAY:.*]] = math.exp %[[NUMBER]] : f32
// CHECK:   tile.broadcast %[[DECAY]] : f32 -> tensor<8x6xf32>

// Ops around the recurrence: the head's part of a token's features; weights of all features, of one head, or one number per
// head. One feature per head is a scalar.
// CHECK-LABEL: tile.kernel @heads_3(
// CHECK-SAME: %[[TASK:[^ :]*]]: index,
// CHECK: %[[HEAD:.*]] = arith.remui
// CHECK: scf.for %[[TOKEN:[^ ]*]] =
// CHECK:   %[[FIRST:.*]] = arith.muli %[[TOKEN]], %{{.*}}
// CHECK:   %[[POSITION:.*]] = arith.addi %[[FIRST]], %[[HEAD]]
// CHECK:   %[[AT:.*]] = arith.muli %[[POSITION]], %{{.*}}
// CHECK:   tile.load %{{.*}}[%[[AT]]] : <f32> -> tensor<8xf32>
// CHECK:   tile.load %{{.*}}[%[[POSITION]]] : <f32> -> f32
// The norm over one head's features.
// CHECK:   %[[PART:.*]] = arith.muli %[[HEAD]], %{{.*}}
// CHECK:   %[[SCALE:.*]] = tile.load %{{.*}}[%[[PART]]] : <f32> -> tensor<8xf32>
// CHECK:   %[[BIAS:.*]] = tile.load %{{.*}}[%{{.*}}] : <f32> -> tensor<8xf32>
// CHECK:   tile.reduce sum %{{.*}} over 0 : tensor<8xf32> -> f32
// CHECK:   math.sqrt %{{.*}} : f32
// CHECK:   arith.mulf %{{.*}}, %[[SCALE]]
// CHECK:   arith.addf %{{.*}}, %[[BIAS]]
// CHECK:   tile.load %{{.*}}[%[[HEAD]]] : <f32> -> f32
// CHECK:   tile.store %{{.*}} : tensor<8xf32>, <f32>
// CHECK:   tile.store %{{.*}}[%[[POSITION]]] : f32, <f32>

rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @all "all" tensor<32xf32>
  rwkv.weight @one "one" tensor<8xf32>
  rwkv.weight @per "per" tensor<4xf32>

  // CHECK-LABEL: func.func @batch
  func.func @batch(%k: !K, %v: !V, %s: !S) -> (!V, !S) {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    // CHECK: %[[N:.*]] = arith.muli %[[B]], %c4 : index
    // CHECK: tile.launch @heads_0 tasks(%[[N]]) (%{{.*}}, %{{.*}}, %{{.*}}) weights []
    %0:2 = rwkv.fused heads -> (!V, !S) {
      %o, %n = rwkv.recurrence over(%kt = %k : !K, %vt = %v : !V) init(%S = %s : !S) -> (!V, !S) {
        %S1 = rwkv.write %S[%kt], %vt : !T
        %y = rwkv.read %S1[%kt] : !T
        rwkv.yield %y, %S1 : tensor<6xf32>, !T
      }
      rwkv.yield %o, %n : !V, !S
    }
    return %0#0, %0#1 : !V, !S
  }

  // CHECK-LABEL: func.func @packed
  func.func @packed(%k: !K, %s: !S, %cu: tensor<?xi32>) -> (tensor<?x?x4x6xf32>, !S) {
    // CHECK-DAG: %[[S:.*]] = tile.size S
    // CHECK: %[[N:.*]] = arith.muli %[[S]], %c4 : index
    // CHECK: tile.launch @heads_1 tasks(%[[N]]) (
    %0:2 = rwkv.fused heads -> (tensor<?x?x4x6xf32>, !S) {
      %o, %n = rwkv.recurrence over(%kt = %k : !K) init(%S = %s : !S) reset(%cu : tensor<?xi32>)
          -> (tensor<?x?x4x6xf32>, !S) {
        %y = rwkv.read %S[%kt] : !T
        rwkv.yield %y, %S : tensor<6xf32>, !T
      }
      rwkv.yield %o, %n : tensor<?x?x4x6xf32>, !S
    }
    return %0#0, %0#1 : tensor<?x?x4x6xf32>, !S
  }

  // CHECK-LABEL: func.func @groups
  func.func @groups(%k: tensor<?x?x2x8xf32>, %c: tensor<2x8xf32>, %g: tensor<4xf32>, %s: !S) -> !S {
    // CHECK: tile.launch @heads_2
    %0 = rwkv.fused heads -> (!S) {
      %n = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) const(%ct = %c : tensor<2x8xf32>, %gt = %g : tensor<4xf32>)
          init(%S = %s : !S) -> (!S) {
        %S1 = rwkv.decay %S, %gt on "all" : !T
        %y = rwkv.read %S1[%ct] : !T
        %S2 = rwkv.write %S1[%kt], %y : !T
        rwkv.yield %S2 : !T
      }
      rwkv.yield %n : !S
    }
    return %0 : !S
  }

  // CHECK-LABEL: func.func @around
  func.func @around(%x: !X, %g: !H1, %s: tensor<?x4x8x8xf32>) -> (!X, !H1) {
    // CHECK: tile.launch @heads_3
    %0:2 = rwkv.fused heads -> (!X, !H1) {
      %k = rwkv.reshape %x : !X -> !K
      %o, %n = rwkv.recurrence over(%kt = %k : !K, %gt = %g : !H1) init(%S = %s : tensor<?x4x8x8xf32>)
          -> (!K, tensor<?x4x8x8xf32>) {
        %S1 = rwkv.write %S[%kt], %kt scale %gt : !rwkv.state<8|8xf32>
        %y = rwkv.read %S1[%kt] : !rwkv.state<8|8xf32>
        rwkv.yield %y, %S1 : tensor<8xf32>, !rwkv.state<8|8xf32>
      }
      %1 = rwkv.norm %o, @all, @one over 3 eps @eps : !K
      %2 = rwkv.sum %1 over 3 : !K -> !H1
      %3 = rwkv.get @per on [2] : !H1
      %4 = arith.mulf %2, %3 : !H1
      %5 = rwkv.broadcast %4 on [0, 1, 2] : !H1 -> !K
      %6 = arith.addf %1, %5 : !K
      %7 = rwkv.reshape %6 : !K -> !X
      rwkv.yield %7, %4 : !X, !H1
    }
    return %0#0, %0#1 : !X, !H1
  }
}
