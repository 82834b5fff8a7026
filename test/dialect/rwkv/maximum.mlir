// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @maximum
// CHECK-SAME: %[[S:.*]]: ![[M:state[0-9]*]], %[[V:.*]]: ![[V1:state[0-9]*]], %[[G:.*]]: tensor<8x4xf32>, %[[Z:.*]]: tensor<8x4xf32>, %[[Y:.*]]: tensor<?xf64>
func.func @maximum(%S: !rwkv.state<8|4xf32>, %V: !rwkv.state<|?xf64>, %g: tensor<8x4xf32>, %z: tensor<8x4xf32>,
                   %y: tensor<?xf64>) -> (!rwkv.state<8|4xf32>, !rwkv.state<|?xf64>) {
  // CHECK: rwkv.maximum %[[S]], %[[G]], %[[Z]] : ![[M]]
  %0 = rwkv.maximum %S, %g, %z : !rwkv.state<8|4xf32>
  // CHECK: rwkv.maximum %[[V]], %[[Y]], %[[Y]] : ![[V1]]
  %1 = rwkv.maximum %V, %y, %y : !rwkv.state<|?xf64>
  return %0, %1 : !rwkv.state<8|4xf32>, !rwkv.state<|?xf64>
}
