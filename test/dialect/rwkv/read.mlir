// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// One key per key axis; a vector state is read without keys. Only the state's type is written.

// CHECK: !state = !rwkv.state<8|4xf32>
// CHECK-NEXT: !state1 = !rwkv.state<2x8|4xf32>
// CHECK-NEXT: !state2 = !rwkv.state<|4xf32>
// CHECK-NEXT: !state3 = !rwkv.state<?|?xf64>

// CHECK-LABEL: func @read
// CHECK-SAME: %[[S:.*]]: !state, %[[T:.*]]: !state1, %[[V:.*]]: !state2, %[[D:.*]]: !state3, %[[K0:.*]]: tensor<2xf32>, %[[K:.*]]: tensor<8xf32>, %[[KD:.*]]: tensor<?xf64>
func.func @read(%S: !rwkv.state<8|4xf32>, %T: !rwkv.state<2x8|4xf32>, %V: !rwkv.state<|4xf32>,
                %D: !rwkv.state<?|?xf64>, %k0: tensor<2xf32>, %k: tensor<8xf32>, %kd: tensor<?xf64>)
    -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<?xf64>) {
  // CHECK: rwkv.read %[[S]][%[[K]]] : !state{{$}}
  %0 = rwkv.read %S[%k] : !rwkv.state<8|4xf32>
  // CHECK: rwkv.read %[[T]][%[[K0]], %[[K]]] : !state1
  %1 = rwkv.read %T[%k0, %k] : !rwkv.state<2x8|4xf32>
  // CHECK: rwkv.read %[[V]][] : !state2
  %2 = rwkv.read %V[] : !rwkv.state<|4xf32>
  // CHECK: rwkv.read %[[D]][%[[KD]]] : !state3
  %3 = rwkv.read %D[%kd] : !rwkv.state<?|?xf64>
  // CHECK: return {{.*}} : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<?xf64>
  return %0, %1, %2, %3 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<?xf64>
}
