// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @buffer(%b: tensor<8xi32>, %i: index) {
  // expected-error @below {{expected '<'}}
  %0 = tile.load_index %b[%i] : tensor<8xi32>
  return
}

// -----

func.func @element(%b: !tile.buffer<f32>, %i: index) {
  // expected-error @below {{'tile.load_index' op expected a buffer of i32, but got '!tile.buffer<f32>'}}
  %0 = tile.load_index %b[%i] : !tile.buffer<f32>
  return
}
