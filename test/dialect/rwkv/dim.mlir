// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: rwkv.model @m
rwkv.model @m {
  // CHECK: rwkv.dim @H = "D / N"
  rwkv.dim @H = "D / N"
  // CHECK: rwkv.dim @N = "64"
  rwkv.dim @N = "64"
  // CHECK: rwkv.dim @F = "(7 * D + 3) / 2 - 1"
  rwkv.dim @F = "(7 * D + 3) / 2 - 1"
}
