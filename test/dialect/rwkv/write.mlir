// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK: !state = !rwkv.state<8|4xf32>
// CHECK-LABEL: func @write
// CHECK-SAME: %[[S:.*]]: !state, %[[T:.*]]: ![[T3:state[0-9]*]], %[[V:.*]]: ![[V1:state[0-9]*]], %[[K0:.*]]: tensor<2xf32>, %[[K:.*]]: tensor<8xf32>, %[[Z:.*]]: tensor<4xf32>, %[[C:.*]]: f32
func.func @write(%S: !rwkv.state<8|4xf32>, %T: !rwkv.state<2x8|4xf32>, %V: !rwkv.state<|4xf32>, %k0: tensor<2xf32>,
                 %k: tensor<8xf32>, %z: tensor<4xf32>, %c: f32)
    -> (!rwkv.state<8|4xf32>, !rwkv.state<2x8|4xf32>, !rwkv.state<|4xf32>) {
  // CHECK: %[[S1:.*]] = rwkv.write %[[S]][%[[K]]], %[[Z]] : !state
  %0 = rwkv.write %S[%k], %z : !rwkv.state<8|4xf32>
  // CHECK: rwkv.write %[[S1]][%[[K]]], %[[Z]] scale %[[C]] : !state
  %1 = rwkv.write %0[%k], %z scale %c : !rwkv.state<8|4xf32>
  // CHECK: rwkv.write %[[T]][%[[K0]], %[[K]]], %[[Z]] : ![[T3]]
  %2 = rwkv.write %T[%k0, %k], %z : !rwkv.state<2x8|4xf32>
  // CHECK: rwkv.write %[[V]][], %[[Z]] scale %[[C]] : ![[V1]]
  %3 = rwkv.write %V[], %z scale %c : !rwkv.state<|4xf32>
  return %1, %2, %3 : !rwkv.state<8|4xf32>, !rwkv.state<2x8|4xf32>, !rwkv.state<|4xf32>
}
