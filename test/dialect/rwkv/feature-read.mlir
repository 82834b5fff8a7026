// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @feature_read
// CHECK-SAME: %[[A:.*]]: ![[AT:state[0-9]*]], %[[B:.*]]: ![[BT:state[0-9]*]], %[[C:.*]]: ![[CT:state[0-9]*]], %[[D:.*]]: ![[DT:state[0-9]*]], %[[K:.*]]: tensor<8xf32>, %[[DK:.*]]: tensor<?xf64>
func.func @feature_read(%A: !rwkv.state<|4xf32>, %B: !rwkv.state<8|4xf32>, %C: !rwkv.state<8x8|4xf32>,
                        %D: !rwkv.state<?x?|?xf64>, %k: tensor<8xf32>, %d: tensor<?xf64>) -> (tensor<4xf32>, tensor<?xf64>) {
  // CHECK: %[[P:.*]] = rwkv.feature_read power %[[C]]{{ ?}}[%[[K]]] {note = "x"} : ![[CT]]
  %0 = rwkv.feature_read power %C[%k] {note = "x"} : !rwkv.state<8x8|4xf32>
  // CHECK: %[[T:.*]] = rwkv.feature_read taylor %[[A]], %[[B]], %[[C]]{{ ?}}[%[[K]]] : ![[CT]]
  %1 = rwkv.feature_read taylor %A, %B, %C[%k] : !rwkv.state<8x8|4xf32>
  // The result is a value.
  // CHECK: arith.addf %[[P]], %[[T]] : tensor<4xf32>
  %2 = arith.addf %0, %1 : tensor<4xf32>
  // CHECK: rwkv.feature_read power %[[D]]{{ ?}}[%[[DK]]] : ![[DT]]
  %3 = rwkv.feature_read power %D[%d] : !rwkv.state<?x?|?xf64>
  return %2, %3 : tensor<4xf32>, tensor<?xf64>
}
