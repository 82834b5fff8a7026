// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @load_index
func.func @load_index(%b: !tile.buffer<i32>, %i: index) -> index {
  // CHECK: %[[R:.*]] = tile.load_index %{{.*}}[%{{.*}}] : <i32>
  %0 = tile.load_index %b[%i] : !tile.buffer<i32>
  // CHECK: return %[[R]] : index
  return %0 : index
}
