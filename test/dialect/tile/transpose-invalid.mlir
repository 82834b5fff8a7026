// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @shape(%m: tensor<4x8xf32>) {
  // expected-error @below {{'tile.transpose' op expected [M, N] -> [N, M], but got 'tensor<4x8xf32>' -> 'tensor<4x8xf32>'}}
  %0 = tile.transpose %m : tensor<4x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @vector(%v: tensor<8xf32>) {
  // expected-error @below {{'tile.transpose' op expected [M, N] -> [N, M], but got 'tensor<8xf32>' -> 'tensor<8x1xf32>'}}
  %0 = tile.transpose %v : tensor<8xf32> -> tensor<8x1xf32>
  return
}

// -----

func.func @element(%m: tensor<4x8xf32>) {
  // expected-error @below {{'tile.transpose' op expected equal element types, but got 'tensor<4x8xf32>' and 'tensor<8x4xf64>'}}
  %0 = tile.transpose %m : tensor<4x8xf32> -> tensor<8x4xf64>
  return
}
