// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @added_type(%S: !rwkv.state<8|4xf32>, %g: tensor<4xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{'rwkv.maximum' op expected added value of type 'tensor<8x4xf32>', but got 'tensor<4xf32>'}}
  %0 = "rwkv.maximum"(%S, %g, %z) : (!rwkv.state<8|4xf32>, tensor<4xf32>, tensor<8x4xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @value_type(%S: !rwkv.state<8|4xf32>, %g: tensor<8x4xf32>, %z: tensor<8x4xf64>) {
  // expected-error @below {{'rwkv.maximum' op expected value of type 'tensor<8x4xf32>', but got 'tensor<8x4xf64>'}}
  %0 = "rwkv.maximum"(%S, %g, %z) : (!rwkv.state<8|4xf32>, tensor<8x4xf32>, tensor<8x4xf64>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @not_a_state(%z: tensor<8x4xf32>) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<8x4xf32>'}}
  %0 = rwkv.maximum %z, %z, %z : tensor<8x4xf32>
  return
}

// -----

// expected-note @below {{prior use here}}
func.func @custom_type(%S: !rwkv.state<8|4xf32>, %z: tensor<4x8xf32>) {
  // expected-error @below {{use of value '%z' expects different type than prior uses: 'tensor<8x4xf32>' vs 'tensor<4x8xf32>'}}
  %0 = rwkv.maximum %S, %z, %z : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @result_type(%S: !rwkv.state<8|4xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{'rwkv.maximum' op failed to verify that the result has the type of the state}}
  %0 = "rwkv.maximum"(%S, %z, %z) : (!rwkv.state<8|4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) -> !rwkv.state<4|8xf32>
  return
}
