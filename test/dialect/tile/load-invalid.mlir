// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @dynamic(%b: !tile.buffer<f32>, %i: index) {
  // expected-error @below {{'tile.load' op expected a tile of static shape, but got 'tensor<?xf32>'}}
  %0 = tile.load %b[%i] : !tile.buffer<f32> -> tensor<?xf32>
  return
}

// -----

func.func @stride(%b: !tile.buffer<f32>, %i: index) {
  // expected-error @below {{'tile.load' op expected 'stride' only with rows, but got 'tensor<8xf32>'}}
  %0 = tile.load %b[%i] stride 8 : !tile.buffer<f32> -> tensor<8xf32>
  return
}

// -----

func.func @stride_of_scalar(%b: !tile.buffer<f32>, %i: index) {
  // expected-error @below {{'tile.load' op expected 'stride' only with rows, but got 'f32'}}
  %0 = tile.load %b[%i] stride 8 : !tile.buffer<f32> -> f32
  return
}

// -----

func.func @element(%b: !tile.buffer<f32>, %i: index) {
  // expected-error @below {{'tile.load' op result #0 must be tile or scalar of f32 or f64, but got 'tensor<8xbf16>'}}
  %0 = tile.load %b[%i] : !tile.buffer<f32> -> tensor<8xbf16>
  return
}

// -----

func.func @rank(%b: !tile.buffer<f32>, %i: index) {
  // expected-error @below {{'tile.load' op result #0 must be tile or scalar of f32 or f64, but got 'tensor<2x4x8xf32>'}}
  %0 = tile.load %b[%i] : !tile.buffer<f32> -> tensor<2x4x8xf32>
  return
}
