// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @reduce
func.func @reduce(%m: tensor<4x8xf32>, %v: tensor<8xf64>) {
  // CHECK: tile.reduce sum %{{.*}} over 0 : tensor<4x8xf32> -> tensor<8xf32>
  %0 = tile.reduce sum %m over 0 : tensor<4x8xf32> -> tensor<8xf32>
  // CHECK: tile.reduce max %{{.*}} over 1 : tensor<4x8xf32> -> tensor<4xf32>
  %1 = tile.reduce max %m over 1 : tensor<4x8xf32> -> tensor<4xf32>
  // CHECK: tile.reduce sum %{{.*}} over 0 : tensor<8xf64> -> f64
  %2 = tile.reduce sum %v over 0 : tensor<8xf64> -> f64
  return
}
