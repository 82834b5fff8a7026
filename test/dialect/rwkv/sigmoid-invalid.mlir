// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @shapes(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.sigmoid' op all non-scalar operands/results must have the same shape and base type}}
  %0 = "rwkv.sigmoid"(%x) : (tensor<8xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @elements(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.sigmoid' op requires the same type for all operands and results}}
  %0 = "rwkv.sigmoid"(%x) : (tensor<8xf32>) -> tensor<8xf64>
  return
}

// -----

func.func @integers(%x: tensor<8xi32>) {
  // expected-error @below {{'rwkv.sigmoid' op operand #0 must be 32-bit float or 64-bit float or tensor of}}
  %0 = rwkv.sigmoid %x : tensor<8xi32>
  return
}
