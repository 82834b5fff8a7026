// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @mix
// CHECK-SAME: %[[P:.*]]: ![[PT:state[0-9]*]], %[[D:.*]]: ![[DT:state[0-9]*]], %[[X:.*]]: f32, %[[Y:.*]]: f64
func.func @mix(%P: !rwkv.state<2x8|4xf32>, %D: !rwkv.state<3|?xf64>, %x: f32, %y: f64)
    -> (!rwkv.state<2x8|4xf32>, !rwkv.state<3|?xf64>) {
  // CHECK: %[[P1:.*]] = rwkv.mix %[[P]], %[[X]] from 1 to 0 : ![[PT]]
  %0 = rwkv.mix %P, %x from 1 to 0 : !rwkv.state<2x8|4xf32>
  // CHECK: rwkv.mix %[[P1]], %[[X]] from 0 to 1 {note = "x"} : ![[PT]]
  %1 = rwkv.mix %0, %x from 0 to 1 {note = "x"} : !rwkv.state<2x8|4xf32>
  // No key axis but that of the slots.
  // CHECK: rwkv.mix %[[D]], %[[Y]] from 2 to 0 : ![[DT]]
  %2 = rwkv.mix %D, %y from 2 to 0 : !rwkv.state<3|?xf64>
  return %1, %2 : !rwkv.state<2x8|4xf32>, !rwkv.state<3|?xf64>
}
