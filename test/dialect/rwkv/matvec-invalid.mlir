// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @inner(%m: tensor<4x8xf32>, %x: tensor<4xf32>) {
  // expected-error @below {{'rwkv.matvec' op expected shapes [m, n], [n] -> [m], but got 'tensor<4x8xf32>', 'tensor<4xf32>' -> 'tensor<4xf32>'}}
  %0 = rwkv.matvec %m, %x : tensor<4x8xf32>, tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @outer(%m: tensor<4x8xf32>, %x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.matvec' op expected shapes [m, n], [n] -> [m], but got 'tensor<4x8xf32>', 'tensor<8xf32>' -> 'tensor<8xf32>'}}
  %0 = rwkv.matvec %m, %x : tensor<4x8xf32>, tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @ranks(%m: tensor<2x4x8xf32>, %x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.matvec' op expected shapes [m, n], [n] -> [m], but got 'tensor<2x4x8xf32>', 'tensor<8xf32>' -> 'tensor<4xf32>'}}
  %0 = rwkv.matvec %m, %x : tensor<2x4x8xf32>, tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @elements(%m: tensor<4x8xf64>, %x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.matvec' op expected shapes [m, n], [n] -> [m], but got 'tensor<4x8xf64>', 'tensor<8xf32>' -> 'tensor<4xf32>'}}
  %0 = rwkv.matvec %m, %x : tensor<4x8xf64>, tensor<8xf32> -> tensor<4xf32>
  return
}
