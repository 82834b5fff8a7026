// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @sequence_of
func.func @sequence_of(%cu: !tile.buffer<i32>, %count: index, %token: index) -> index {
  // CHECK: tile.sequence_of %[[TOKEN:.*]] in %{{.*}}[%{{.*}}] : <i32>
  %0 = tile.sequence_of %token in %cu[%count] : !tile.buffer<i32>
  return %0 : index
}
