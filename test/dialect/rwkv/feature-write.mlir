// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @feature_write
// CHECK-SAME: %[[A:.*]]: ![[AT:state[0-9]*]], %[[B:.*]]: ![[BT:state[0-9]*]], %[[C:.*]]: ![[CT:state[0-9]*]], %[[D:.*]]: ![[DT:state[0-9]*]], %[[K:.*]]: tensor<8xf32>, %[[V:.*]]: tensor<4xf32>, %[[DV:.*]]: tensor<?xf64>, %[[S:.*]]: f32
func.func @feature_write(%A: !rwkv.state<|4xf32>, %B: !rwkv.state<8|4xf32>, %C: !rwkv.state<8x8|4xf32>,
                         %D: !rwkv.state<?x?x?|?xf64>, %k: tensor<8xf32>, %v: tensor<4xf32>, %d: tensor<?xf64>,
                         %c: f32) -> !rwkv.state<8|4xf32> {
  // CHECK: %{{.*}} = rwkv.feature_write power %[[C]]{{ ?}}[%[[K]]], %[[V]] : ![[CT]]
  %0 = rwkv.feature_write power %C[%k], %v : !rwkv.state<8x8|4xf32>
  // CHECK: %{{.*}} = rwkv.feature_write power %[[B]]{{ ?}}[%[[K]]], %[[V]] scale %[[S]] {note = "x"} : ![[BT]]
  %1 = rwkv.feature_write power %B[%k], %v scale %c {note = "x"} : !rwkv.state<8|4xf32>
  // CHECK: rwkv.feature_write power %[[D]]{{ ?}}[%[[DV]]], %[[DV]] : ![[DT]]
  %2 = rwkv.feature_write power %D[%d], %d : !rwkv.state<?x?x?|?xf64>
  // CHECK: %[[R:.*]]:3 = rwkv.feature_write taylor %[[A]], %[[B]], %[[C]]{{ ?}}[%[[K]]], %[[V]] scale %[[S]] : ![[CT]]
  %3:3 = rwkv.feature_write taylor %A, %B, %C[%k], %v scale %c : !rwkv.state<8x8|4xf32>
  // CHECK: return %[[R]]#1 : ![[BT]]
  return %3#1 : !rwkv.state<8|4xf32>
}
