// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @dot
// CHECK-SAME: %[[A:.*]]: tensor<8xf32>, %[[B:.*]]: tensor<8xf32>, %[[D:.*]]: tensor<?xf64>
func.func @dot(%a: tensor<8xf32>, %b: tensor<8xf32>, %d: tensor<?xf64>) -> (f32, f64) {
  // CHECK: rwkv.dot %[[A]], %[[B]] : tensor<8xf32> -> f32
  %0 = rwkv.dot %a, %b : tensor<8xf32> -> f32
  // CHECK: rwkv.dot %[[D]], %[[D]] : tensor<?xf64> -> f64
  %1 = rwkv.dot %d, %d : tensor<?xf64> -> f64
  return %0, %1 : f32, f64
}
