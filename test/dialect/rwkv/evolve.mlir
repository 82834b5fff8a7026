// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK: !state = !rwkv.state<8|4xf32>
// CHECK-LABEL: func @evolve
// CHECK-SAME: %[[S:.*]]: !state, %[[D:.*]]: ![[DT:state[0-9]*]], %[[A:.*]]: tensor<8xf32>, %[[B:.*]]: tensor<8xf32>, %[[DA:.*]]: tensor<?xf64>, %[[C:.*]]: f32, %[[DC:.*]]: f64
func.func @evolve(%S: !rwkv.state<8|4xf32>, %D: !rwkv.state<?|?xf64>, %a: tensor<8xf32>, %b: tensor<8xf32>,
                  %da: tensor<?xf64>, %c: f32, %dc: f64) -> (!rwkv.state<8|4xf32>, !rwkv.state<?|?xf64>) {
  // CHECK: %[[S1:.*]] = rwkv.evolve exp %[[S]], %[[C]] reads{{ ?}}[%[[A]]] writes{{ ?}}[%[[B]]] : !state
  %0 = rwkv.evolve exp %S, %c reads [%a] writes [%b] : !rwkv.state<8|4xf32>
  // CHECK: %[[S2:.*]] = rwkv.evolve resolvent %[[S1]], %[[C]] reads{{ ?}}[%[[A]], %[[B]]] writes{{ ?}}[%[[B]], %[[A]]] : !state
  %1 = rwkv.evolve resolvent %0, %c reads [%a, %b] writes [%b, %a] : !rwkv.state<8|4xf32>
  // CHECK: rwkv.evolve cayley %[[S2]], %[[C]] reads{{ ?}}[%[[A]]] writes{{ ?}}[%[[A]]] {note = "x"} : !state
  %2 = rwkv.evolve cayley %1, %c reads [%a] writes [%a] {note = "x"} : !rwkv.state<8|4xf32>
  // CHECK: rwkv.evolve exp %[[D]], %[[DC]] reads{{ ?}}[%[[DA]]] writes{{ ?}}[%[[DA]]] : ![[DT]]
  %3 = rwkv.evolve exp %D, %dc reads [%da] writes [%da] : !rwkv.state<?|?xf64>
  return %2, %3 : !rwkv.state<8|4xf32>, !rwkv.state<?|?xf64>
}

// In the region of a recurrence.
// CHECK-LABEL: func @region
func.func @region(%k: tensor<?x?x2x8xf32>, %g: tensor<?x?x2xf32>, %s0: tensor<?x2x8x4xf32>) {
  %o:2 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>, %gt = %g : tensor<?x?x2xf32>)
      init(%S = %s0 : tensor<?x2x8x4xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x2x8x4xf32>) {
    // CHECK: %[[N:.*]] = rwkv.evolve cayley %{{.*}}, %{{.*}} reads{{ ?}}[%[[K:.*]]] writes{{ ?}}[%[[K]]] : !state
    %S1 = rwkv.evolve cayley %S, %gt reads [%kt] writes [%kt] : !rwkv.state<8|4xf32>
    // CHECK: rwkv.yield %[[K]], %[[N]]
    rwkv.yield %kt, %S1 : tensor<8xf32>, !rwkv.state<8|4xf32>
  }
  return
}

// With a diagonal.
// CHECK-LABEL: func @diagonal
// CHECK-SAME: %[[S:.*]]: !state, %[[A:.*]]: tensor<8xf32>, %[[D:.*]]: tensor<8xf32>, %[[C:.*]]: f32
func.func @diagonal(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %d: tensor<8xf32>, %c: f32) -> !rwkv.state<8|4xf32> {
  // CHECK: %[[S1:.*]] = rwkv.evolve exp %[[S]], %[[C]] reads{{ ?}}[%[[A]]] writes{{ ?}}[%[[A]]] diagonal %[[D]] strang : !state
  %0 = rwkv.evolve exp %S, %c reads [%a] writes [%a] diagonal %d strang : !rwkv.state<8|4xf32>
  // CHECK: %[[S2:.*]] = rwkv.evolve resolvent %[[S1]], %[[C]] reads{{ ?}}[%[[A]], %[[A]]] writes{{ ?}}[%[[A]], %[[A]]] diagonal %[[D]] : !state
  %1 = rwkv.evolve resolvent %0, %c reads [%a, %a] writes [%a, %a] diagonal %d : !rwkv.state<8|4xf32>
  // CHECK: rwkv.evolve cayley %[[S2]], %[[C]] reads{{ ?}}[%[[A]]] writes{{ ?}}[%[[A]]] diagonal %[[D]] {note = "x"} : !state
  %2 = rwkv.evolve cayley %1, %c reads [%a] writes [%a] diagonal %d {note = "x"} : !rwkv.state<8|4xf32>
  return %2 : !rwkv.state<8|4xf32>
}
