// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @insert
func.func @insert(%m: tensor<4x8xf32>, %p: tensor<2x3xf32>, %v: tensor<8xf32>, %w: tensor<1x8xf32>, %s: f32,
                  %i: index, %j: index) {
  // CHECK: %[[A:.*]] = tile.insert %{{.*}} into %{{.*}}[%{{.*}}, %{{.*}}] : tensor<2x3xf32> -> tensor<4x8xf32>
  %0 = tile.insert %p into %m[%i, %j] : tensor<2x3xf32> -> tensor<4x8xf32>
  // CHECK: tile.insert %{{.*}} into %[[A]][%{{.*}}, %{{.*}}] : tensor<8xf32> -> tensor<4x8xf32>
  %1 = tile.insert %v into %0[%i, %j] : tensor<8xf32> -> tensor<4x8xf32>
  // CHECK: tile.insert %{{.*}} into %{{.*}}[%{{.*}}, %{{.*}}] : tensor<1x8xf32> -> tensor<4x8xf32>
  %2 = tile.insert %w into %m[%i, %j] : tensor<1x8xf32> -> tensor<4x8xf32>
  // CHECK: tile.insert %{{.*}} into %{{.*}}[%{{.*}}, %{{.*}}] : f32 -> tensor<4x8xf32>
  %3 = tile.insert %s into %m[%i, %j] : f32 -> tensor<4x8xf32>
  // CHECK: tile.insert %{{.*}} into %{{.*}}[%{{.*}}] : f32 -> tensor<8xf32>
  %4 = tile.insert %s into %v[%i] : f32 -> tensor<8xf32>
  return
}
