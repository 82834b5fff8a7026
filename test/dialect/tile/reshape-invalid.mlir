// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @elements(%m: tensor<4x8xf32>) {
  // expected-error @below {{'tile.reshape' op expected equal numbers of elements, but got 'tensor<4x8xf32>' and 'tensor<16xf32>'}}
  %0 = tile.reshape %m : tensor<4x8xf32> -> tensor<16xf32>
  return
}

// -----

func.func @element(%m: tensor<4x8xf32>) {
  // expected-error @below {{'tile.reshape' op expected equal element types, but got 'tensor<4x8xf32>' and 'tensor<32xf64>'}}
  %0 = tile.reshape %m : tensor<4x8xf32> -> tensor<32xf64>
  return
}
