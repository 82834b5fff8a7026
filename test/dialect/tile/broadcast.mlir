// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @broadcast
func.func @broadcast(%s: f32, %v: tensor<4xf32>) {
  // CHECK: tile.broadcast %{{.*}} : f32 -> tensor<4xf32>
  %0 = tile.broadcast %s : f32 -> tensor<4xf32>
  // CHECK: tile.broadcast %{{.*}} : f32 -> tensor<4x8xf32>
  %1 = tile.broadcast %s : f32 -> tensor<4x8xf32>
  // CHECK: tile.broadcast %{{.*}} on 0 : tensor<4xf32> -> tensor<4x8xf32>
  %2 = tile.broadcast %v on 0 : tensor<4xf32> -> tensor<4x8xf32>
  // CHECK: tile.broadcast %{{.*}} on 1 : tensor<4xf32> -> tensor<8x4xf32>
  %3 = tile.broadcast %v on 1 : tensor<4xf32> -> tensor<8x4xf32>
  return
}
