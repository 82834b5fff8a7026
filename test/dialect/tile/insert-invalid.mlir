// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @offsets(%m: tensor<4x8xf32>, %v: tensor<8xf32>, %i: index) {
  // expected-error @below {{'tile.insert' op expected one offset per axis of 'tensor<4x8xf32>', but got 3}}
  %0 = tile.insert %v into %m[%i, %i, %i] : tensor<8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @size(%m: tensor<4x8xf32>, %p: tensor<4x9xf32>, %i: index) {
  // expected-error @below {{'tile.insert' op expected a part that fits into 'tensor<4x8xf32>', but got 'tensor<4x9xf32>'}}
  %0 = tile.insert %p into %m[%i, %i] : tensor<4x9xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @element(%m: tensor<4x8xf32>, %v: tensor<8xf64>, %i: index) {
  // expected-error @below {{'tile.insert' op expected equal element types, but got 'tensor<8xf64>' and 'tensor<4x8xf32>'}}
  %0 = tile.insert %v into %m[%i, %i] : tensor<8xf64> -> tensor<4x8xf32>
  return
}

// -----

func.func @result(%m: tensor<4x8xf32>, %v: tensor<8xf32>, %i: index) {
  // expected-error @below {{'tile.insert' op failed to verify that all of {x, result} have same type}}
  %0 = "tile.insert"(%v, %m, %i, %i) : (tensor<8xf32>, tensor<4x8xf32>, index, index) -> tensor<8x4xf32>
  return
}
