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

// -----

func.func @acc(%a: tensor<4x8xf32>, %b: tensor<8x2xf32>, %s: tensor<2x4xf32>) {
  // expected-error @below {{'tile.dot' op expected 'acc' of type 'tensor<4x2xf32>', but got 'tensor<2x4xf32>'}}
  %0 = tile.dot %a, %b acc %s : tensor<2x4xf32> : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  return
}

// -----

func.func @acc_element(%a: tensor<4x8xf32>, %b: tensor<8x2xf32>, %s: tensor<4x2xf64>) {
  // expected-error @below {{'tile.dot' op expected 'acc' of type 'tensor<4x2xf32>', but got 'tensor<4x2xf64>'}}
  %0 = tile.dot %a, %b acc %s : tensor<4x2xf64> : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  return
}

// -----

func.func @blocks(%a: tensor<4x4xf32>, %b: tensor<4x3xf32>) {
  // expected-error @below {{'tile.dot' op expected [G' p, p], [G p, N] -> [G p, N] with p = 2, but got 'tensor<4x4xf32>', 'tensor<4x3xf32>' -> 'tensor<4x3xf32>'}}
  %0 = tile.dot %a, %b blocks 2 : tensor<4x4xf32>, tensor<4x3xf32> -> tensor<4x3xf32>
  return
}

// -----

// Six rows are not a multiple of the four that two blocks are for.
func.func @turns(%a: tensor<4x2xf32>, %b: tensor<6x3xf32>) {
  // expected-error @below {{'tile.dot' op expected [G' p, p], [G p, N] -> [G p, N] with p = 2, but got 'tensor<4x2xf32>', 'tensor<6x3xf32>' -> 'tensor<6x3xf32>'}}
  %0 = tile.dot %a, %b blocks 2 : tensor<4x2xf32>, tensor<6x3xf32> -> tensor<6x3xf32>
  return
}

// -----

func.func @transposed_blocks(%a: tensor<4x2xf32>, %b: tensor<4x2xf32>) {
  // expected-error @below {{'tile.dot' op expected [G' p, p], [G p, N] -> [G p, N] with p = 2, but got 'tensor<4x2xf32>', 'tensor<4x2xf32>' -> 'tensor<4x2xf32>'}}
  %0 = tile.dot %a, %b transposed blocks 2 : tensor<4x2xf32>, tensor<4x2xf32> -> tensor<4x2xf32>
  return
}

// -----

func.func @element_of_blocks(%a: tensor<4x2xf32>, %b: tensor<4x3xf64>) {
  // expected-error @below {{'tile.dot' op expected equal element types, but got 'tensor<4x2xf32>' and 'tensor<4x3xf64>'}}
  %0 = tile.dot %a, %b blocks 2 : tensor<4x2xf32>, tensor<4x3xf64> -> tensor<4x3xf64>
  return
}
