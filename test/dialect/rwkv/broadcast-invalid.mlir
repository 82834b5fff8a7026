// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// All errors here are broadcast_c1.
func.func @element(%s: f64) {
  // expected-error @below {{'rwkv.broadcast' op expected equal element types, but got 'f64' and 'tensor<8xf32>'}}
  %0 = rwkv.broadcast %s : f64 -> tensor<8xf32>
  return
}

// -----

func.func @no_positions(%v: tensor<8xf32>) {
  // expected-error @below {{'rwkv.broadcast' op expected axis names or 'on' with 1 position(s), but got 0}}
  %0 = rwkv.broadcast %v : tensor<8xf32> -> tensor<8x8xf32>
  return
}

// -----

func.func @too_many_positions(%v: tensor<8xf32>) {
  // expected-error @below {{'rwkv.broadcast' op expected axis names or 'on' with 1 position(s), but got 2}}
  %0 = rwkv.broadcast %v on [0, 1] : tensor<8xf32> -> tensor<8x8xf32>
  return
}

// -----

func.func @size(%v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.broadcast' op expected axis 0 of 'tensor<4xf32>' to be an axis of 'tensor<4x8xf32>', in the same order}}
  %0 = rwkv.broadcast %v on [1] : tensor<4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @out_of_range(%v: tensor<8xf32>) {
  // expected-error @below {{'rwkv.broadcast' op expected axis 0 of 'tensor<8xf32>' to be an axis of 'tensor<8x8xf32>', in the same order}}
  %0 = rwkv.broadcast %v on [2] : tensor<8xf32> -> tensor<8x8xf32>
  return
}

// -----

func.func @order(%m: tensor<8x8xf32>) {
  // expected-error @below {{'rwkv.broadcast' op expected axis 1 of 'tensor<8x8xf32>' to be an axis of 'tensor<8x8x8xf32>', in the same order}}
  %0 = rwkv.broadcast %m on [2, 0] : tensor<8x8xf32> -> tensor<8x8x8xf32>
  return
}

// -----

func.func @name(%x: tensor<?x?xf32, #rwkv.dims<B, D>>) {
  // expected-error @below {{to be an axis of 'tensor<?x?x?xf32, #rwkv.dims<B, H, N>>', in the same order}}
  %0 = rwkv.broadcast %x : tensor<?x?xf32, #rwkv.dims<B, D>> -> tensor<?x?x?xf32, #rwkv.dims<B, H, N>>
  return
}
