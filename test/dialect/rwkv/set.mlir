// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @set
// CHECK-SAME: %[[S:.*]]: ![[M:state[0-9]*]], %[[V:.*]]: ![[V1:state[0-9]*]], %[[Z:.*]]: tensor<8x4xf32>, %[[Y:.*]]: tensor<?xf32>
func.func @set(%S: !rwkv.state<8|4xf32>, %V: !rwkv.state<|?xf32>, %z: tensor<8x4xf32>, %y: tensor<?xf32>)
    -> (!rwkv.state<8|4xf32>, !rwkv.state<|?xf32>) {
  // CHECK: rwkv.set %[[S]], %[[Z]] : ![[M]]
  %0 = rwkv.set %S, %z : !rwkv.state<8|4xf32>
  // CHECK: rwkv.set %[[V]], %[[Y]] : ![[V1]]
  %1 = rwkv.set %V, %y : !rwkv.state<|?xf32>
  return %0, %1 : !rwkv.state<8|4xf32>, !rwkv.state<|?xf32>
}
