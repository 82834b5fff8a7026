// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @load
func.func @load(%b: !tile.buffer<bf16>, %i: index) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<8xf64>, f32) {
  // CHECK: tile.load %{{.*}}[%{{.*}}] : <bf16> -> tensor<4x8xf32>
  %0 = tile.load %b[%i] : !tile.buffer<bf16> -> tensor<4x8xf32>
  // CHECK: tile.load %{{.*}}[%{{.*}}] stride 64 : <bf16> -> tensor<4x8xf32>
  %1 = tile.load %b[%i] stride 64 : !tile.buffer<bf16> -> tensor<4x8xf32>
  // CHECK: tile.load %{{.*}}[%{{.*}}] : <bf16> -> tensor<8xf64>
  %2 = tile.load %b[%i] : !tile.buffer<bf16> -> tensor<8xf64>
  // CHECK: tile.load %{{.*}}[%{{.*}}] : <bf16> -> f32
  %3 = tile.load %b[%i] : !tile.buffer<bf16> -> f32
  return %0, %1, %2, %3 : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8xf64>, f32
}
