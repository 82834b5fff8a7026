// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: rwkv.model @m
rwkv.model @m {
  // CHECK: rwkv.param @ln_eps = 1.000000e-05
  rwkv.param @ln_eps = 1.0e-5
  // CHECK: rwkv.param @ln_x.eps = 6.400000e-04 {note = "x"}
  rwkv.param @ln_x.eps = 64.0e-5 {note = "x"}
  // CHECK: rwkv.param @negative = -0.60653065971263342
  rwkv.param @negative = -0.6065306597126334
}
