// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// sum_c1
func.func @position(%x: tensor<4x8xf32>) {
  // expected-error @below {{'rwkv.sum' op expected an axis from 0 to 1 of 'tensor<4x8xf32>', but got 2}}
  %0 = rwkv.sum %x over 2 : tensor<4x8xf32> -> tensor<4xf32>
  return
}

// -----

// sum_c1
func.func @negative(%x: tensor<4x8xf32>) {
  // expected-error @below {{'rwkv.sum' op expected an axis from 0 to 1 of 'tensor<4x8xf32>', but got -1}}
  %0 = rwkv.sum %x over -1 : tensor<4x8xf32> -> tensor<4xf32>
  return
}

// -----

// sum_c1
func.func @name(%x: tensor<?x?xf32, #rwkv.dims<B, D>>) {
  // expected-error @below {{'rwkv.sum' op expected the name of an axis of 'tensor<?x?xf32, #rwkv.dims<B, D>>', but got "N"}}
  %0 = rwkv.sum %x over "N" : tensor<?x?xf32, #rwkv.dims<B, D>> -> tensor<?xf32, #rwkv.dims<B>>
  return
}

// -----

// sum_c1
func.func @no_names(%x: tensor<4x8xf32>) {
  // expected-error @below {{'rwkv.sum' op expected the name of an axis of 'tensor<4x8xf32>', but got "D"}}
  %0 = rwkv.sum %x over "D" : tensor<4x8xf32> -> tensor<4xf32>
  return
}

// -----

// sum_c2
func.func @result(%x: tensor<4x8xf32>) {
  // expected-error @below {{'rwkv.sum' op expected a result of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %0 = rwkv.sum %x over 0 : tensor<4x8xf32> -> tensor<4xf32>
  return
}

// -----

// sum_c2
func.func @scalar(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.sum' op expected a result of type 'f32', but got 'f64'}}
  %0 = rwkv.sum %x over 0 : tensor<8xf32> -> f64
  return
}
