// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @rows(%a: tensor<4x8xf32>, %s: tensor<8xf32>) {
  // expected-error @below {{'tile.scan' op expected [C, N], [C, N], [N] -> [C + 1, N], but got 'tensor<4x8xf32>', 'tensor<4x8xf32>', 'tensor<8xf32>' -> 'tensor<4x8xf32>'}}
  %0 = tile.scan affine %a, %a init %s : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @init(%a: tensor<4x8xf32>, %s: tensor<4xf32>) {
  // expected-error @below {{'tile.scan' op expected [C, N], [C, N], [N] -> [C + 1, N], but got 'tensor<4x8xf32>', 'tensor<4x8xf32>', 'tensor<4xf32>' -> 'tensor<5x8xf32>'}}
  %0 = tile.scan maxplus %a, %a init %s : tensor<4x8xf32>, tensor<4xf32> -> tensor<5x8xf32>
  return
}

// -----

func.func @vectors(%a: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'tile.scan' op expected [C, N], [C, N], [N] -> [C + 1, N], but got 'tensor<8xf32>', 'tensor<8xf32>', 'f32' -> 'tensor<9xf32>'}}
  %0 = tile.scan affine %a, %a init %s : tensor<8xf32>, f32 -> tensor<9xf32>
  return
}

// -----

func.func @operands(%a: tensor<4x8xf32>, %b: tensor<8x8xf32>, %s: tensor<8xf32>) {
  // expected-error @below {{'tile.scan' op failed to verify that all of {a, b} have same type}}
  %0 = "tile.scan"(%a, %b, %s) <{kind = 0 : i32}> : (tensor<4x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<5x8xf32>
  return
}

// -----

func.func @kind(%a: tensor<4x8xf32>, %s: tensor<8xf32>) {
  // expected-error @below {{one of the following enum values for attribute 'kind' [affine, maxplus]}}
  %0 = tile.scan sum %a, %a init %s : tensor<4x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  return
}

// -----

func.func @init_element(%a: tensor<4x8xf32>, %s: tensor<8xf64>) {
  // expected-error @below {{'tile.scan' op expected equal element types, but got 'tensor<4x8xf32>' and 'tensor<8xf64>'}}
  %0 = tile.scan affine %a, %a init %s : tensor<4x8xf32>, tensor<8xf64> -> tensor<5x8xf32>
  return
}

// -----

func.func @result_element(%a: tensor<4x8xf32>, %s: tensor<8xf32>) {
  // expected-error @below {{'tile.scan' op expected equal element types, but got 'tensor<4x8xf32>' and 'tensor<5x8xf64>'}}
  %0 = tile.scan affine %a, %a init %s : tensor<4x8xf32>, tensor<8xf32> -> tensor<5x8xf64>
  return
}
