// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @divides(%m: tensor<6x8xf32>) {
  // expected-error @below {{'tile.cumsum' op expected 'blocks' to divide the rows of 'tensor<6x8xf32>', but got 4}}
  %0 = tile.cumsum %m blocks 4 : tensor<6x8xf32>
  return
}

// -----

func.func @zero(%v: tensor<6xf32>) {
  // expected-error @below {{'tile.cumsum' op expected 'blocks' to divide the rows of 'tensor<6xf32>', but got 0}}
  %0 = tile.cumsum %v blocks 0 : tensor<6xf32>
  return
}

// -----

func.func @negative(%v: tensor<6xf32>) {
  // expected-error @below {{'tile.cumsum' op expected 'blocks' to divide the rows of 'tensor<6xf32>', but got -3}}
  %0 = tile.cumsum %v blocks -3 : tensor<6xf32>
  return
}

// -----

func.func @scalar(%s: f32) {
  // expected-error @below {{'tile.cumsum' op expected 'blocks' to divide the rows of 'f32', but got 1}}
  %0 = tile.cumsum %s blocks 1 : f32
  return
}

// -----

func.func @result(%m: tensor<6x8xf32>) {
  // expected-error @below {{'tile.cumsum' op failed to verify that all of {x, result} have same type}}
  %0 = "tile.cumsum"(%m) <{blocks = 6 : i64}> : (tensor<6x8xf32>) -> tensor<6x4xf32>
  return
}
