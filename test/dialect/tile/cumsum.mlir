// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @cumsum
func.func @cumsum(%m: tensor<6x8xf32>, %v: tensor<6xf64>) {
  // CHECK: tile.cumsum %{{.*}} blocks 6 : tensor<6x8xf32>
  %0 = tile.cumsum %m blocks 6 : tensor<6x8xf32>
  // CHECK: tile.cumsum %{{.*}} exclusive blocks 3 : tensor<6x8xf32>
  %1 = tile.cumsum %m exclusive blocks 3 : tensor<6x8xf32>
  // CHECK: tile.cumsum %{{.*}} blocks 1 : tensor<6xf64>
  %2 = tile.cumsum %v blocks 1 : tensor<6xf64>
  return
}
