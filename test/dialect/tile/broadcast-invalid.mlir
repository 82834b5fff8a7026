// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @axes(%v: tensor<4xf32>) {
  // expected-error @below {{'tile.broadcast' op expected a result of more axes than 'tensor<4xf32>', but got 'tensor<4xf32>'}}
  %0 = tile.broadcast %v on 0 : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @on(%v: tensor<4xf32>) {
  // expected-error @below {{'tile.broadcast' op expected 'on' to name an axis of size 4 of 'tensor<4x8xf32>'}}
  %0 = tile.broadcast %v : tensor<4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @size(%v: tensor<4xf32>) {
  // expected-error @below {{'tile.broadcast' op expected 'on' to name an axis of size 4 of 'tensor<4x8xf32>'}}
  %0 = tile.broadcast %v on 1 : tensor<4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @range(%v: tensor<4xf32>) {
  // expected-error @below {{'tile.broadcast' op expected 'on' to name an axis of size 4 of 'tensor<4x8xf32>'}}
  %0 = tile.broadcast %v on 2 : tensor<4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @negative(%v: tensor<4xf32>) {
  // expected-error @below {{'tile.broadcast' op expected 'on' to name an axis of size 4 of 'tensor<4x8xf32>'}}
  %0 = tile.broadcast %v on -1 : tensor<4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @element(%s: f64) {
  // expected-error @below {{'tile.broadcast' op expected equal element types, but got 'f64' and 'tensor<4xf32>'}}
  %0 = tile.broadcast %s : f64 -> tensor<4xf32>
  return
}
