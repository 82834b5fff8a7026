// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// One offset per axis of the whole; leading axes of size 1 may be left out of the part.

// CHECK-LABEL: func @slice
func.func @slice(%m: tensor<4x8xf32>, %v: tensor<8xf64>, %i: index, %j: index) {
  // CHECK: tile.slice %{{.*}}[%{{.*}}, %{{.*}}] : tensor<4x8xf32> -> tensor<2x3xf32>
  %0 = tile.slice %m[%i, %j] : tensor<4x8xf32> -> tensor<2x3xf32>
  // CHECK: tile.slice %{{.*}}[%{{.*}}, %{{.*}}] : tensor<4x8xf32> -> tensor<1x8xf32>
  %1 = tile.slice %m[%i, %j] : tensor<4x8xf32> -> tensor<1x8xf32>
  // CHECK: tile.slice %{{.*}}[%{{.*}}, %{{.*}}] : tensor<4x8xf32> -> tensor<8xf32>
  %2 = tile.slice %m[%i, %j] : tensor<4x8xf32> -> tensor<8xf32>
  // CHECK: tile.slice %{{.*}}[%{{.*}}, %{{.*}}] : tensor<4x8xf32> -> f32
  %3 = tile.slice %m[%i, %j] : tensor<4x8xf32> -> f32
  // CHECK: tile.slice %{{.*}}[%{{.*}}] : tensor<8xf64> -> tensor<8xf64>
  %4 = tile.slice %v[%i] : tensor<8xf64> -> tensor<8xf64>
  // CHECK: tile.slice %{{.*}}[%{{.*}}] : tensor<8xf64> -> f64
  %5 = tile.slice %v[%i] : tensor<8xf64> -> f64
  return
}
