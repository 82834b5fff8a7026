// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @value_type(%S: !rwkv.state<8|4xf32>, %z: tensor<4x8xf32>) {
  // expected-error @below {{'rwkv.set' op expected value of type 'tensor<8x4xf32>', but got 'tensor<4x8xf32>'}}
  %0 = "rwkv.set"(%S, %z) : (!rwkv.state<8|4xf32>, tensor<4x8xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @not_a_state(%z: tensor<8x4xf32>) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<8x4xf32>'}}
  %0 = rwkv.set %z, %z : tensor<8x4xf32>
  return
}

// -----

func.func @result_type(%S: !rwkv.state<8|4xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{'rwkv.set' op failed to verify that the result has the type of the state}}
  %0 = "rwkv.set"(%S, %z) : (!rwkv.state<8|4xf32>, tensor<8x4xf32>) -> !rwkv.state<4|8xf32>
  return
}
