// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @square(%l: tensor<6x4xf32>, %r: tensor<6x8xf32>) {
  // expected-error @below {{'tile.solve_unit_lower' op expected [M, M], [M, N], but got 'tensor<6x4xf32>', 'tensor<6x8xf32>'}}
  %0 = tile.solve_unit_lower %l, %r : tensor<6x4xf32>, tensor<6x8xf32>
  return
}

// -----

func.func @rows(%l: tensor<6x6xf32>, %r: tensor<8x6xf32>) {
  // expected-error @below {{'tile.solve_unit_lower' op expected [M, M], [M, N], but got 'tensor<6x6xf32>', 'tensor<8x6xf32>'}}
  %0 = tile.solve_unit_lower %l, %r : tensor<6x6xf32>, tensor<8x6xf32>
  return
}

// -----

func.func @vector(%l: tensor<6x6xf32>, %r: tensor<6xf32>) {
  // expected-error @below {{'tile.solve_unit_lower' op expected [M, M], [M, N], but got 'tensor<6x6xf32>', 'tensor<6xf32>'}}
  %0 = tile.solve_unit_lower %l, %r : tensor<6x6xf32>, tensor<6xf32>
  return
}

// -----

func.func @interleave(%l: tensor<6x6xf32>, %r: tensor<6x8xf32>) {
  // expected-error @below {{'tile.solve_unit_lower' op expected 'interleave' to divide 6 rows, but got 4}}
  %0 = tile.solve_unit_lower %l, %r interleave 4 : tensor<6x6xf32>, tensor<6x8xf32>
  return
}

// -----

func.func @zero(%l: tensor<6x6xf32>, %r: tensor<6x8xf32>) {
  // expected-error @below {{'tile.solve_unit_lower' op expected 'interleave' to divide 6 rows, but got 0}}
  %0 = tile.solve_unit_lower %l, %r interleave 0 : tensor<6x6xf32>, tensor<6x8xf32>
  return
}

// -----

func.func @element(%l: tensor<6x6xf32>, %r: tensor<6x8xf64>) {
  // expected-error @below {{'tile.solve_unit_lower' op expected equal element types, but got 'tensor<6x6xf32>' and 'tensor<6x8xf64>'}}
  %0 = tile.solve_unit_lower %l, %r : tensor<6x6xf32>, tensor<6x8xf64>
  return
}
