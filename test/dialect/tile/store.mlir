// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @store
func.func @store(%m: tensor<4x8xf32>, %v: tensor<8xf64>, %s: f32, %b: !tile.buffer<bf16>, %i: index) {
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}] : tensor<4x8xf32>, <bf16>
  tile.store %m, %b[%i] : tensor<4x8xf32>, !tile.buffer<bf16>
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}] stride 64 : tensor<4x8xf32>, <bf16>
  tile.store %m, %b[%i] stride 64 : tensor<4x8xf32>, !tile.buffer<bf16>
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}] : tensor<8xf64>, <bf16>
  tile.store %v, %b[%i] : tensor<8xf64>, !tile.buffer<bf16>
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}] : f32, <bf16>
  tile.store %s, %b[%i] : f32, !tile.buffer<bf16>
  return
}
