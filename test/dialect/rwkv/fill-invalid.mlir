// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @integers() {
  // expected-error @below {{'rwkv.fill' op result #0 must be 32-bit float or 64-bit float or tensor of}}
  %0 = rwkv.fill 1.0 : tensor<8xi32>
  return
}

// -----

func.func @value() {
  // expected-error @below {{'rwkv.fill' op attribute 'value' failed to satisfy constraint: 64-bit float attribute}}
  %0 = "rwkv.fill"() <{value = 1.0 : f32}> : () -> tensor<8xf32>
  return
}
