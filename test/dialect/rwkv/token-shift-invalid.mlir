// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// All errors here are token_shift_c1.
func.func @rank(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'rwkv.token_shift' op expected 'last' to be 'tensor<?x?x8xf32>' without its time axis, but got 'tensor<?x?x8xf32>'}}
  %0:2 = rwkv.token_shift %x, %x : tensor<?x?x8xf32>, tensor<?x?x8xf32>
  return
}

// -----

func.func @no_time(%x: tensor<8xf32>, %l: tensor<f32>) {
  // expected-error @below {{'rwkv.token_shift' op expected 'last' to be 'tensor<8xf32>' without its time axis, but got 'tensor<f32>'}}
  %0:2 = rwkv.token_shift %x, %l : tensor<8xf32>, tensor<f32>
  return
}

// -----

func.func @features(%x: tensor<?x?x8xf32>, %l: tensor<?x4xf32>) {
  // expected-error @below {{'rwkv.token_shift' op expected 'last' to be 'tensor<?x?x8xf32>' without its time axis, but got 'tensor<?x4xf32>'}}
  %0:2 = rwkv.token_shift %x, %l : tensor<?x?x8xf32>, tensor<?x4xf32>
  return
}

// -----

func.func @element(%x: tensor<?x?x8xf32>, %l: tensor<?x8xbf16>) {
  // expected-error @below {{'rwkv.token_shift' op expected 'last' to be 'tensor<?x?x8xf32>' without its time axis, but got 'tensor<?x8xbf16>'}}
  %0:2 = rwkv.token_shift %x, %l : tensor<?x?x8xf32>, tensor<?x8xbf16>
  return
}

// -----

func.func @batch(%x: tensor<2x?x8xf32>, %l: tensor<3x8xf32>) {
  // expected-error @below {{'rwkv.token_shift' op expected 'last' to be 'tensor<2x?x8xf32>' without its time axis, but got 'tensor<3x8xf32>'}}
  %0:2 = rwkv.token_shift %x, %l : tensor<2x?x8xf32>, tensor<3x8xf32>
  return
}

// -----

func.func @names(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, %l: tensor<?x?xf32, #rwkv.dims<B, F>>) {
  // expected-error @below {{'rwkv.token_shift' op expected 'last' to be 'tensor<?x?x?xf32, #rwkv.dims<B, T, D>>' without its time axis, but got 'tensor<?x?xf32, #rwkv.dims<B, F>>'}}
  %0:2 = rwkv.token_shift %x, %l : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, tensor<?x?xf32, #rwkv.dims<B, F>>
  return
}

// -----

func.func @names_and_none(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, %l: tensor<?x?xf32>) {
  // expected-error @below {{'rwkv.token_shift' op expected 'last' to be 'tensor<?x?x?xf32, #rwkv.dims<B, T, D>>' without its time axis, but got 'tensor<?x?xf32>'}}
  %0:2 = rwkv.token_shift %x, %l : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, tensor<?x?xf32>
  return
}

// -----

func.func @packed(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, %l: tensor<?x?xf32, #rwkv.dims<B, D>>, %cu: tensor<?xi32>) {
  // expected-error @below {{'rwkv.token_shift' op expected 'last' to be 'tensor<?x?x?xf32, #rwkv.dims<B, T, D>>' without its time axis, with S in place of B, but got 'tensor<?x?xf32, #rwkv.dims<B, D>>'}}
  %0:2 = rwkv.token_shift %x, %l reset(%cu : tensor<?xi32>) : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, tensor<?x?xf32, #rwkv.dims<B, D>>
  return
}

// -----

func.func @not_packed(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, %l: tensor<?x?xf32, #rwkv.dims<S, D>>) {
  // expected-error @below {{'rwkv.token_shift' op expected 'last' to be 'tensor<?x?x?xf32, #rwkv.dims<B, T, D>>' without its time axis, but got 'tensor<?x?xf32, #rwkv.dims<S, D>>'}}
  %0:2 = rwkv.token_shift %x, %l : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, tensor<?x?xf32, #rwkv.dims<S, D>>
  return
}
