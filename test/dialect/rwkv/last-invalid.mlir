// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @rank(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'rwkv.last' op expected the result to be 'tensor<?x?x8xf32>' without its time axis, but got 'tensor<?x?x8xf32>'}}
  %0 = rwkv.last %x : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  return
}

// -----

func.func @packed(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, %cu: tensor<?xi32>) {
  // expected-error @below {{'rwkv.last' op expected the result to be 'tensor<?x?x?xf32, #rwkv.dims<B, T, D>>' without its time axis, with S in place of B, but got 'tensor<?x?xf32, #rwkv.dims<B, D>>'}}
  %0 = rwkv.last %x reset(%cu : tensor<?xi32>) : tensor<?x?x?xf32, #rwkv.dims<B, T, D>> -> tensor<?x?xf32, #rwkv.dims<B, D>>
  return
}

// -----

func.func @reset(%x: tensor<?x?x8xf32>, %cu: tensor<?x?xi32>) {
  // expected-error @below {{'rwkv.last' op operand #1 must be 1D tensor of 32-bit signless integer values, but got 'tensor<?x?xi32>'}}
  %0 = rwkv.last %x reset(%cu : tensor<?x?xi32>) : tensor<?x?x8xf32> -> tensor<?x8xf32>
  return
}
