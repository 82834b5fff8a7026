// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @dot
func.func @dot(%a: tensor<4x8xf32>, %b: tensor<8x2xf32>, %c: tensor<2x8xf32>) {
  // CHECK: tile.dot %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  %0 = tile.dot %a, %b : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}} transposed : tensor<4x8xf32>, tensor<2x8xf32> -> tensor<4x2xf32>
  %1 = tile.dot %a, %c transposed : tensor<4x8xf32>, tensor<2x8xf32> -> tensor<4x2xf32>
  return
}
