// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @matrix(%a: tensor<8x8xf32>) {
  // expected-error @below {{'rwkv.dot' op expected two vectors of one type and their element type, but got 'tensor<8x8xf32>', 'tensor<8x8xf32>' and 'f32'}}
  %0 = rwkv.dot %a, %a : tensor<8x8xf32> -> f32
  return
}

// -----

func.func @sizes(%a: tensor<8xf32>, %b: tensor<4xf32>) {
  // expected-error @below {{'rwkv.dot' op expected two vectors of one type and their element type, but got 'tensor<8xf32>', 'tensor<4xf32>' and 'f32'}}
  %0 = "rwkv.dot"(%a, %b) : (tensor<8xf32>, tensor<4xf32>) -> f32
  return
}

// -----

func.func @result(%a: tensor<8xf32>) {
  // expected-error @below {{'rwkv.dot' op expected two vectors of one type and their element type, but got 'tensor<8xf32>', 'tensor<8xf32>' and 'f64'}}
  %0 = rwkv.dot %a, %a : tensor<8xf32> -> f64
  return
}
