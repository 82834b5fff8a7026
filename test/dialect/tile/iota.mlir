// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @iota
func.func @iota() {
  // CHECK: tile.iota 0 : tensor<8xi32>
  %0 = tile.iota 0 : tensor<8xi32>
  // CHECK: tile.iota 0 : tensor<4x8xi32>
  %1 = tile.iota 0 : tensor<4x8xi32>
  // CHECK: tile.iota 1 : tensor<4x8xi32>
  %2 = tile.iota 1 : tensor<4x8xi32>
  return
}
