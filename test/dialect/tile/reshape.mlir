// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @reshape
func.func @reshape(%m: tensor<4x8xf32>, %s: f32) {
  // CHECK: %[[V:.*]] = tile.reshape %{{.*}} : tensor<4x8xf32> -> tensor<32xf32>
  %0 = tile.reshape %m : tensor<4x8xf32> -> tensor<32xf32>
  // CHECK: tile.reshape %[[V]] : tensor<32xf32> -> tensor<2x16xf32>
  %1 = tile.reshape %0 : tensor<32xf32> -> tensor<2x16xf32>
  // CHECK: tile.reshape %{{.*}} : f32 -> tensor<1x1xf32>
  %2 = tile.reshape %s : f32 -> tensor<1x1xf32>
  return
}
