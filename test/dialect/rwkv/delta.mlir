// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK: !state = !rwkv.state<8|4xf32>
// CHECK-LABEL: func @delta
// CHECK-SAME: %[[S:.*]]: !state, %[[T:.*]]: ![[T3:state[0-9]*]], %[[D:.*]]: ![[DT:state[0-9]*]], %[[K0:.*]]: tensor<2xf32>, %[[K:.*]]: tensor<8xf32>, %[[A:.*]]: tensor<8xf32>, %[[V:.*]]: tensor<4xf32>, %[[DK:.*]]: tensor<?xf64>, %[[C:.*]]: f32
func.func @delta(%S: !rwkv.state<8|4xf32>, %T: !rwkv.state<2x8|4xf32>, %D: !rwkv.state<?|?xf64>, %k0: tensor<2xf32>,
                 %k: tensor<8xf32>, %a: tensor<8xf32>, %v: tensor<4xf32>, %dk: tensor<?xf64>, %c: f32)
    -> (!rwkv.state<8|4xf32>, !rwkv.state<2x8|4xf32>, !rwkv.state<?|?xf64>) {
  // CHECK: %[[S1:.*]] = rwkv.delta %[[S]][%[[K]]], %[[V]] : !state
  %0 = rwkv.delta %S[%k], %v : !rwkv.state<8|4xf32>
  // CHECK: %[[S2:.*]] = rwkv.delta %[[S1]][%[[K]]], %[[V]] scale %[[C]] : !state
  %1 = rwkv.delta %0[%k], %v scale %c : !rwkv.state<8|4xf32>
  // CHECK: %[[S3:.*]] = rwkv.delta %[[S2]][%[[K]]], %[[V]] reads{{ ?}}[%[[A]]] : !state
  %2 = rwkv.delta %1[%k], %v reads [%a] : !rwkv.state<8|4xf32>
  // CHECK: rwkv.delta %[[S3]][%[[K]]], %[[V]] scale %[[C]] reads{{ ?}}[%[[A]]] {note = "x"} : !state
  %3 = rwkv.delta %2[%k], %v scale %c reads [%a] {note = "x"} : !rwkv.state<8|4xf32>
  // CHECK: rwkv.delta %[[T]][%[[K0]], %[[K]]], %[[V]] reads{{ ?}}[%[[K0]], %[[A]]] : ![[T3]]
  %4 = rwkv.delta %T[%k0, %k], %v reads [%k0, %a] : !rwkv.state<2x8|4xf32>
  // CHECK: rwkv.delta %[[D]][%[[DK]]], %[[DK]] : ![[DT]]
  %5 = rwkv.delta %D[%dk], %dk : !rwkv.state<?|?xf64>
  return %3, %4, %5 : !rwkv.state<8|4xf32>, !rwkv.state<2x8|4xf32>, !rwkv.state<?|?xf64>
}

// In the region of a recurrence.
// CHECK-LABEL: func @region
func.func @region(%k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x4xf32>, %s0: tensor<?x2x8x4xf32>) {
  %o:2 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>, %vt = %v : tensor<?x?x2x4xf32>)
      init(%S = %s0 : tensor<?x2x8x4xf32>) -> (tensor<?x?x2x4xf32>, tensor<?x2x8x4xf32>) {
    // CHECK: %[[N:.*]] = rwkv.delta %{{.*}}[%{{.*}}], %{{.*}} : !state
    %S1 = rwkv.delta %S[%kt], %vt : !rwkv.state<8|4xf32>
    // CHECK: rwkv.yield %{{.*}}, %[[N]]
    rwkv.yield %vt, %S1 : tensor<4xf32>, !rwkv.state<8|4xf32>
  }
  return
}
