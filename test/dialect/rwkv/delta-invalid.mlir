// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @too_few_keys(%S: !rwkv.state<8x8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.delta' expected 2 key(s) for the key axes of '!rwkv.state<8x8|4xf32>', but got 1}}
  %0 = rwkv.delta %S[%k], %v : !rwkv.state<8x8|4xf32>
  return
}

// -----

func.func @too_many_read_keys(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.delta' expected 1 key(s) for the key axes of '!rwkv.state<8|4xf32>', but got 2}}
  %0 = rwkv.delta %S[%k], %v reads [%k, %k] : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @not_a_state(%x: tensor<4xf32>) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<4xf32>'}}
  %0 = rwkv.delta %x[%x], %x : tensor<4xf32>
  return
}

// -----

func.func @key_count(%S: !rwkv.state<8x8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.delta' op expected 2 key(s) for the key axes of '!rwkv.state<8x8|4xf32>', but got 1}}
  %0 = "rwkv.delta"(%S, %k, %v) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}>
    : (!rwkv.state<8x8|4xf32>, tensor<8xf32>, tensor<4xf32>) -> !rwkv.state<8x8|4xf32>
  return
}

// -----

func.func @key_type(%S: !rwkv.state<8|4xf32>, %k: tensor<4xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.delta' op expected key 0 of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %0 = "rwkv.delta"(%S, %k, %v) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}>
    : (!rwkv.state<8|4xf32>, tensor<4xf32>, tensor<4xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @read_key_type(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.delta' op expected key 0 of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %0 = "rwkv.delta"(%S, %k, %v, %v) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 1>}>
    : (!rwkv.state<8|4xf32>, tensor<8xf32>, tensor<4xf32>, tensor<4xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @value_type(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.delta' op expected value of type 'tensor<4xf32>', but got 'tensor<8xf32>'}}
  %0 = "rwkv.delta"(%S, %k, %k) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}>
    : (!rwkv.state<8|4xf32>, tensor<8xf32>, tensor<8xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @scale_type(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>, %c: f64) {
  // expected-error @below {{'rwkv.delta' op expected scale of type 'f32', but got 'f64'}}
  %0 = "rwkv.delta"(%S, %k, %v, %c) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, tensor<8xf32>, tensor<4xf32>, f64) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @result_type(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.delta' op failed to verify that the result has the type of the state}}
  %0 = "rwkv.delta"(%S, %k, %v) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}>
    : (!rwkv.state<8|4xf32>, tensor<8xf32>, tensor<4xf32>) -> !rwkv.state<4|8xf32>
  return
}
