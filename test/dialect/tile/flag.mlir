// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @flag
func.func @flag(%violated: i1) {
  // CHECK: tile.flag %{{[^ ]*$}}
  tile.flag %violated
  // CHECK: tile.flag %{{.*}} number 3
  tile.flag %violated number 3
  return
}
