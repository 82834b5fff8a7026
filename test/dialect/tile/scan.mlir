// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @scan
func.func @scan(%a: tensor<4x8xf32>, %b: tensor<4x8xf32>, %s: tensor<8xf32>, %d: tensor<1x3xf64>, %e: tensor<3xf64>) {
  // CHECK: tile.scan affine %{{.*}}, %{{.*}} init %{{.*}} : tensor<4x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  %0 = tile.scan affine %a, %b init %s : tensor<4x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  // CHECK: tile.scan maxplus %{{.*}}, %{{.*}} init %{{.*}} : tensor<1x3xf64>, tensor<3xf64> -> tensor<2x3xf64>
  %1 = tile.scan maxplus %d, %d init %e : tensor<1x3xf64>, tensor<3xf64> -> tensor<2x3xf64>
  return
}
