// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @momentum
// CHECK-SAME: %[[P:.*]]: ![[PT:state[0-9]*]], %[[T:.*]]: ![[TT:state[0-9]*]], %[[V:.*]]: ![[VT:state[0-9]*]], %[[K:.*]]: tensor<8xf32>, %[[Z:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<?xf64>, %[[C:.*]]: f32, %[[E:.*]]: f32, %[[A:.*]]: f32, %[[D:.*]]: f64
func.func @momentum(%P: !rwkv.state<2x8|4xf32>, %T: !rwkv.state<2x?x?|?xf64>, %V: !rwkv.state<2|4xf32>,
                    %k: tensor<8xf32>, %z: tensor<4xf32>, %y: tensor<?xf64>, %c: f32, %e: f32, %a: f32, %d: f64)
    -> (!rwkv.state<2x8|4xf32>, !rwkv.state<2x?x?|?xf64>, !rwkv.state<2|4xf32>) {
  // CHECK: %[[P1:.*]] = rwkv.momentum %[[P]]{{ ?}}[%[[K]]], %[[Z]] scale %[[C]] eta %[[E]] alpha %[[A]] : ![[PT]]
  %0 = rwkv.momentum %P[%k], %z scale %c eta %e alpha %a : !rwkv.state<2x8|4xf32>
  // CHECK: rwkv.momentum %[[P1]]{{ ?}}[%[[K]]], %[[Z]] eta %[[E]] alpha %[[A]] {note = "x"} : ![[PT]]
  %1 = rwkv.momentum %0[%k], %z eta %e alpha %a {note = "x"} : !rwkv.state<2x8|4xf32>
  // CHECK: rwkv.momentum %[[T]]{{ ?}}[%[[Y]], %[[Y]]], %[[Y]] eta %[[D]] alpha %[[D]] : ![[TT]]
  %2 = rwkv.momentum %T[%y, %y], %y eta %d alpha %d : !rwkv.state<2x?x?|?xf64>
  // A vector and its momentum.
  // CHECK: rwkv.momentum %[[V]]{{ ?}}[], %[[Z]] eta %[[E]] alpha %[[A]] : ![[VT]]
  %3 = rwkv.momentum %V[], %z eta %e alpha %a : !rwkv.state<2|4xf32>
  return %1, %2, %3 : !rwkv.state<2x8|4xf32>, !rwkv.state<2x?x?|?xf64>, !rwkv.state<2|4xf32>
}
