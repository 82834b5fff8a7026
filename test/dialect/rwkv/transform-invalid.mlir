// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// transform_c1
func.func @value_axis(%S: !rwkv.state<8|4xf32>, %R: tensor<2x2x2xf32>) {
  // expected-error @below {{'rwkv.transform' op expected axis key0..keyN, but got 'value' for '!rwkv.state<8|4xf32>'}}
  %0 = rwkv.transform %S, %R on "value" : !rwkv.state<8|4xf32>, tensor<2x2x2xf32>
  return
}

// -----

// transform_c1
func.func @no_such_key(%S: !rwkv.state<8|4xf32>, %R: tensor<4x2x2xf32>) {
  // expected-error @below {{'rwkv.transform' op expected axis key0..keyN, but got 'key1' for '!rwkv.state<8|4xf32>'}}
  %0 = rwkv.transform %S, %R on "key1" : !rwkv.state<8|4xf32>, tensor<4x2x2xf32>
  return
}

// -----

// transform_c2
func.func @not_square(%S: !rwkv.state<8|4xf32>, %R: tensor<4x2x4xf32>) {
  // expected-error @below {{'rwkv.transform' op expected square blocks tensor<n x p x p x 'f32'>, but got 'tensor<4x2x4xf32>'}}
  %0 = rwkv.transform %S, %R on "key0" : !rwkv.state<8|4xf32>, tensor<4x2x4xf32>
  return
}

// -----

// transform_c2
func.func @not_blocks(%S: !rwkv.state<8|4xf32>, %R: tensor<8x8xf32>) {
  // expected-error @below {{'rwkv.transform' op expected square blocks tensor<n x p x p x 'f32'>, but got 'tensor<8x8xf32>'}}
  %0 = rwkv.transform %S, %R on "key0" : !rwkv.state<8|4xf32>, tensor<8x8xf32>
  return
}

// -----

// transform_c2
func.func @element(%S: !rwkv.state<8|4xf32>, %R: tensor<4x2x2xf64>) {
  // expected-error @below {{'rwkv.transform' op expected square blocks tensor<n x p x p x 'f32'>, but got 'tensor<4x2x2xf64>'}}
  %0 = rwkv.transform %S, %R on "key0" : !rwkv.state<8|4xf32>, tensor<4x2x2xf64>
  return
}

// -----

// transform_c2
func.func @rows(%S: !rwkv.state<8|4xf32>, %R: tensor<3x2x2xf32>) {
  // expected-error @below {{'rwkv.transform' op expected blocks that cover the 8 rows of key0, but got 3 of 2}}
  %0 = rwkv.transform %S, %R on "key0" : !rwkv.state<8|4xf32>, tensor<3x2x2xf32>
  return
}

// -----

// transform_c2: with an open number of blocks the size of a block must still divide the rows.
func.func @open_rows(%S: !rwkv.state<8|4xf32>, %R: tensor<?x3x3xf32>) {
  // expected-error @below {{'rwkv.transform' op expected blocks that cover the 8 rows of key0, but got blocks of 3}}
  %0 = rwkv.transform %S, %R on "key0" : !rwkv.state<8|4xf32>, tensor<?x3x3xf32>
  return
}

// -----

func.func @not_a_state(%S: tensor<8x4xf32>, %R: tensor<4x2x2xf32>) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<8x4xf32>'}}
  %0 = rwkv.transform %S, %R on "key0" : tensor<8x4xf32>, tensor<4x2x2xf32>
  return
}
