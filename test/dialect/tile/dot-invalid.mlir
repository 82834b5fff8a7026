// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @inner(%a: tensor<4x8xf32>, %b: tensor<4x2xf32>) {
  // expected-error @below {{'tile.dot' op expected [M, K], [K, N] -> [M, N], but got 'tensor<4x8xf32>', 'tensor<4x2xf32>' -> 'tensor<4x2xf32>'}}
  %0 = tile.dot %a, %b : tensor<4x8xf32>, tensor<4x2xf32> -> tensor<4x2xf32>
  return
}

// -----

func.func @transposed(%a: tensor<4x8xf32>, %b: tensor<8x2xf32>) {
  // expected-error @below {{'tile.dot' op expected [M, K], [N, K] -> [M, N], but got 'tensor<4x8xf32>', 'tensor<8x2xf32>' -> 'tensor<4x2xf32>'}}
  %0 = tile.dot %a, %b transposed : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  return
}

// -----

func.func @result(%a: tensor<4x8xf32>, %b: tensor<8x2xf32>) {
  // expected-error @below {{'tile.dot' op expected [M, K], [K, N] -> [M, N], but got 'tensor<4x8xf32>', 'tensor<8x2xf32>' -> 'tensor<2x4xf32>'}}
  %0 = tile.dot %a, %b : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @vector(%a: tensor<4x8xf32>, %b: tensor<8xf32>) {
  // expected-error @below {{'tile.dot' op expected [M, K], [K, N] -> [M, N], but got 'tensor<4x8xf32>', 'tensor<8xf32>' -> 'tensor<4xf32>'}}
  %0 = tile.dot %a, %b : tensor<4x8xf32>, tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @element(%a: tensor<4x8xf32>, %b: tensor<8x2xf64>) {
  // expected-error @below {{'tile.dot' op expected equal element types, but got 'tensor<4x8xf32>', 'tensor<8x2xf64>' and 'tensor<4x2xf32>'}}
  %0 = tile.dot %a, %b : tensor<4x8xf32>, tensor<8x2xf64> -> tensor<4x2xf32>
  return
}
