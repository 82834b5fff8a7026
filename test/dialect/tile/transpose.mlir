// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @transpose
func.func @transpose(%m: tensor<4x8xf32>, %d: tensor<1x3xf64>) {
  // CHECK: tile.transpose %{{.*}} : tensor<4x8xf32> -> tensor<8x4xf32>
  %0 = tile.transpose %m : tensor<4x8xf32> -> tensor<8x4xf32>
  // CHECK: tile.transpose %{{.*}} : tensor<1x3xf64> -> tensor<3x1xf64>
  %1 = tile.transpose %d : tensor<1x3xf64> -> tensor<3x1xf64>
  return
}
