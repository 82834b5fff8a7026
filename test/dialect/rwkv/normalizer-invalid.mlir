// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// normalizer_c1
// expected-note @below {{prior use here}}
func.func @two_values(%S: !rwkv.state<8|4xf32>, %N: !rwkv.state<8|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{use of value '%N' expects different type than prior uses: '!rwkv.state<8|1xf32>' vs '!rwkv.state<8|4xf32>'}}
  %0 = rwkv.normalizer %S by %N[%k] : !rwkv.state<8|4xf32>
  return
}

// -----

// normalizer_c1
func.func @weights_values(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.normalizer' op expected weights of type '!rwkv.state<8|1xf32>', but got '!rwkv.state<8|4xf32>'}}
  %0 = "rwkv.normalizer"(%S, %S, %k) <{operandSegmentSizes = array<i32: 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, !rwkv.state<8|4xf32>, tensor<8xf32>) -> tensor<4xf32>
  return
}

// -----

// normalizer_c1
func.func @weights_keys(%S: !rwkv.state<8|4xf32>, %N: !rwkv.state<4|1xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.normalizer' op expected weights of type '!rwkv.state<8|1xf32>', but got '!rwkv.state<4|1xf32>'}}
  %0 = "rwkv.normalizer"(%S, %N, %k) <{operandSegmentSizes = array<i32: 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, !rwkv.state<4|1xf32>, tensor<8xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @too_many_keys(%S: !rwkv.state<8|4xf32>, %N: !rwkv.state<8|1xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.normalizer' expected 1 key(s) for the key axes of '!rwkv.state<8|4xf32>', but got 2}}
  %0 = rwkv.normalizer %S by %N[%k, %k] : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @key_count(%S: !rwkv.state<8|4xf32>, %N: !rwkv.state<8|1xf32>) {
  // expected-error @below {{'rwkv.normalizer' op expected 1 key(s) for the key axes of '!rwkv.state<8|4xf32>', but got 0}}
  %0 = "rwkv.normalizer"(%S, %N) <{operandSegmentSizes = array<i32: 1, 1, 0, 0>}>
    : (!rwkv.state<8|4xf32>, !rwkv.state<8|1xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @key_type(%S: !rwkv.state<8|4xf32>, %N: !rwkv.state<8|1xf32>, %k: tensor<4xf32>) {
  // expected-error @below {{'rwkv.normalizer' op expected key 0 of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %0 = "rwkv.normalizer"(%S, %N, %k) <{operandSegmentSizes = array<i32: 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, !rwkv.state<8|1xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @floor_type(%S: !rwkv.state<8|4xf32>, %N: !rwkv.state<8|1xf32>, %k: tensor<8xf32>, %c: f64) {
  // expected-error @below {{'rwkv.normalizer' op expected floor of type 'f32', but got 'f64'}}
  %0 = "rwkv.normalizer"(%S, %N, %k, %c) <{operandSegmentSizes = array<i32: 1, 1, 1, 1>}>
    : (!rwkv.state<8|4xf32>, !rwkv.state<8|1xf32>, tensor<8xf32>, f64) -> tensor<4xf32>
  return
}

// -----

func.func @result_type(%S: !rwkv.state<8|4xf32>, %N: !rwkv.state<8|1xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.normalizer' op expected result of type 'tensor<4xf32>', but got 'tensor<8xf32>'}}
  %0 = "rwkv.normalizer"(%S, %N, %k) <{operandSegmentSizes = array<i32: 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, !rwkv.state<8|1xf32>, tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @not_a_state(%x: tensor<4xf32>) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<4xf32>'}}
  %0 = rwkv.normalizer %x by %x[%x] : tensor<4xf32>
  return
}
