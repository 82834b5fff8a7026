// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// feature_c1
func.func @two_sizes(%S: !rwkv.state<8x4|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.feature_write' op expected a last state with key axes of one size, but got '!rwkv.state<8x4|4xf32>'}}
  %0 = rwkv.feature_write power %S[%k], %v : !rwkv.state<8x4|4xf32>
  return
}

// -----

// feature_c2
func.func @too_many_states(%A: !rwkv.state<8|4xf32>, %S: !rwkv.state<8x8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.feature_write' op expected 1 state(s) of the map 'power' up to '!rwkv.state<8x8|4xf32>', but got 2}}
  %0:2 = rwkv.feature_write power %A, %S[%k], %v : !rwkv.state<8x8|4xf32>
  return
}

// -----

// feature_c2
func.func @no_constant(%A: !rwkv.state<8|4xf32>, %S: !rwkv.state<8x8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.feature_write' op expected 3 state(s) of the map 'taylor' up to '!rwkv.state<8x8|4xf32>', but got 2}}
  %0:2 = rwkv.feature_write taylor %A, %S[%k], %v : !rwkv.state<8x8|4xf32>
  return
}

// -----

// feature_c2
// expected-note @below {{prior use here}}
func.func @other_state(%A: !rwkv.state<|8xf32>, %S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{use of value '%A' expects different type than prior uses: '!rwkv.state<|4xf32>' vs '!rwkv.state<|8xf32>'}}
  %0:2 = rwkv.feature_write taylor %A, %S[%k], %v : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @no_keys(%A: !rwkv.state<|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{expected a state with a key axis to be the last of one or more, but got 1 and '!rwkv.state<|4xf32>'}}
  %0 = rwkv.feature_write power %A[%k], %v : !rwkv.state<|4xf32>
  return
}

// -----

func.func @no_states(%k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.feature_write' op expected at least one state, but got none}}
  "rwkv.feature_write"(%k, %v) <{map = 0 : i32, operandSegmentSizes = array<i32: 0, 1, 1, 0>}>
    : (tensor<8xf32>, tensor<4xf32>) -> ()
  return
}

// -----

// feature_c2
func.func @key_axes(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.feature_write' op expected state 0 of type '!rwkv.state<|4xf32>', but got '!rwkv.state<8|4xf32>'}}
  %0:2 = "rwkv.feature_write"(%S, %S, %k, %v) <{map = 1 : i32, operandSegmentSizes = array<i32: 2, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, !rwkv.state<8|4xf32>, tensor<8xf32>, tensor<4xf32>) -> (!rwkv.state<8|4xf32>, !rwkv.state<8|4xf32>)
  return
}

// -----

func.func @key_type(%S: !rwkv.state<8|4xf32>, %k: tensor<4xf32>) {
  // expected-error @below {{'rwkv.feature_write' op expected key of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %0 = "rwkv.feature_write"(%S, %k, %k) <{map = 0 : i32, operandSegmentSizes = array<i32: 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, tensor<4xf32>, tensor<4xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @value_type(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.feature_write' op expected value of type 'tensor<4xf32>', but got 'tensor<8xf32>'}}
  %0 = "rwkv.feature_write"(%S, %k, %k) <{map = 0 : i32, operandSegmentSizes = array<i32: 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, tensor<8xf32>, tensor<8xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @scale_type(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>, %c: f64) {
  // expected-error @below {{'rwkv.feature_write' op expected scale of type 'f32', but got 'f64'}}
  %0 = "rwkv.feature_write"(%S, %k, %v, %c) <{map = 0 : i32, operandSegmentSizes = array<i32: 1, 1, 1, 1>}>
    : (!rwkv.state<8|4xf32>, tensor<8xf32>, tensor<4xf32>, f64) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @results(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>, %v: tensor<4xf32>) {
  // expected-error @below {{'rwkv.feature_write' op expected results of the types of the states, '!rwkv.state<8|4xf32>', but got }}
  "rwkv.feature_write"(%S, %k, %v) <{map = 0 : i32, operandSegmentSizes = array<i32: 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, tensor<8xf32>, tensor<4xf32>) -> ()
  return
}
