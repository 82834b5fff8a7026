// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @elements(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'rwkv.reshape' op expected equal numbers of elements per token, but got 'tensor<?x?x8xf32>' and 'tensor<?x?x2x3xf32>'}}
  %0 = rwkv.reshape %x : tensor<?x?x8xf32> -> tensor<?x?x2x3xf32>
  return
}

// -----

func.func @dynamic(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'rwkv.reshape' op expected equal numbers of elements per token, but got 'tensor<?x?x8xf32>' and 'tensor<?x8xf32>'}}
  %0 = rwkv.reshape %x : tensor<?x?x8xf32> -> tensor<?x8xf32>
  return
}

// -----

func.func @dtype(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'rwkv.reshape' op expected equal numbers of elements per token, but got 'tensor<?x?x8xf32>' and 'tensor<?x?x2x4xbf16>'}}
  %0 = rwkv.reshape %x : tensor<?x?x8xf32> -> tensor<?x?x2x4xbf16>
  return
}

// -----

// The leading axes stay: these are other ones.
func.func @leading(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
  // expected-error @below {{'rwkv.reshape' op expected}}
  %0 = rwkv.reshape %x : tensor<?x?x?xf32, #rwkv.dims<B, T, D>> -> tensor<?x?x?xf32, #rwkv.dims<T, B, D>>
  return
}
