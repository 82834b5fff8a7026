// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @normalizer
// CHECK-SAME: %[[S:.*]]: ![[ST:state[0-9]*]], %[[N:.*]]: ![[NT:state[0-9]*]], %[[T:.*]]: ![[TT:state[0-9]*]], %[[W:.*]]: ![[WT:state[0-9]*]], %[[K:.*]]: tensor<8xf32>, %[[DK:.*]]: tensor<?xf64>, %[[C:.*]]: f32
func.func @normalizer(%S: !rwkv.state<8|4xf32>, %N: !rwkv.state<8|1xf32>, %T: !rwkv.state<?x?|?xf64>,
                      %W: !rwkv.state<?x?|1xf64>, %k: tensor<8xf32>, %dk: tensor<?xf64>, %c: f32)
    -> (tensor<4xf32>, tensor<?xf64>) {
  // CHECK: %[[Y:.*]] = rwkv.normalizer %[[S]] by %[[N]]{{ ?}}[%[[K]]] : ![[ST]]
  %0 = rwkv.normalizer %S by %N[%k] : !rwkv.state<8|4xf32>
  // CHECK: %[[F:.*]] = rwkv.normalizer %[[S]] by %[[N]]{{ ?}}[%[[K]]] floor %[[C]] {note = "x"} : ![[ST]]
  %1 = rwkv.normalizer %S by %N[%k] floor %c {note = "x"} : !rwkv.state<8|4xf32>
  // The result is a value.
  // CHECK: arith.addf %[[Y]], %[[F]] : tensor<4xf32>
  %2 = arith.addf %0, %1 : tensor<4xf32>
  // CHECK: rwkv.normalizer %[[T]] by %[[W]]{{ ?}}[%[[DK]], %[[DK]]] : ![[TT]]
  %3 = rwkv.normalizer %T by %W[%dk, %dk] : !rwkv.state<?x?|?xf64>
  return %2, %3 : tensor<4xf32>, tensor<?xf64>
}

// The weights of weights, and of a vector.
// CHECK-LABEL: func @one_value
func.func @one_value(%N: !rwkv.state<8|1xf32>, %M: !rwkv.state<|4xf32>, %L: !rwkv.state<|1xf32>, %k: tensor<8xf32>) {
  // CHECK: rwkv.normalizer %[[N:.*]] by %[[N]]{{ ?}}[%{{.*}}]
  %0 = rwkv.normalizer %N by %N[%k] : !rwkv.state<8|1xf32>
  // CHECK: rwkv.normalizer %{{.*}} by %{{.*}}[]
  %1 = rwkv.normalizer %M by %L[] : !rwkv.state<|4xf32>
  return
}
