// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @offsets(%m: tensor<4x8xf32>, %i: index) {
  // expected-error @below {{'tile.slice' op expected one offset per axis of 'tensor<4x8xf32>', but got 1}}
  %0 = tile.slice %m[%i] : tensor<4x8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @scalar(%s: f32) {
  // expected-error @below {{'tile.slice' op expected one offset per axis of 'f32', but got 0}}
  %0 = tile.slice %s[] : f32 -> f32
  return
}

// -----

func.func @rows(%m: tensor<4x8xf32>, %i: index) {
  // expected-error @below {{'tile.slice' op expected a part that fits into 'tensor<4x8xf32>', but got 'tensor<5x8xf32>'}}
  %0 = tile.slice %m[%i, %i] : tensor<4x8xf32> -> tensor<5x8xf32>
  return
}

// -----

// A vector is a row.
func.func @column(%m: tensor<8x4xf32>, %i: index) {
  // expected-error @below {{'tile.slice' op expected a part that fits into 'tensor<8x4xf32>', but got 'tensor<8xf32>'}}
  %0 = tile.slice %m[%i, %i] : tensor<8x4xf32> -> tensor<8xf32>
  return
}

// -----

func.func @axes(%v: tensor<8xf32>, %i: index) {
  // expected-error @below {{'tile.slice' op expected a part that fits into 'tensor<8xf32>', but got 'tensor<1x8xf32>'}}
  %0 = tile.slice %v[%i] : tensor<8xf32> -> tensor<1x8xf32>
  return
}

// -----

func.func @element(%v: tensor<8xf32>, %i: index) {
  // expected-error @below {{'tile.slice' op expected equal element types, but got 'f64' and 'tensor<8xf32>'}}
  %0 = tile.slice %v[%i] : tensor<8xf32> -> f64
  return
}
