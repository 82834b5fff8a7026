// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// decay_c1
func.func @no_such_key(%S: !rwkv.state<8|4xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{expected axis key0..keyN, value, all or each, but got 'key1' for '!rwkv.state<8|4xf32>'}}
  %0 = rwkv.decay %S, %w on "key1" : !rwkv.state<8|4xf32>
  return
}

// -----

// decay_c1
func.func @no_such_axis(%S: !rwkv.state<8|4xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{'rwkv.decay' op expected axis key0..keyN, value, all or each, but got 'keys' for '!rwkv.state<8|4xf32>'}}
  %0 = "rwkv.decay"(%S, %w) <{axis = "keys"}> : (!rwkv.state<8|4xf32>, tensor<8xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

// decay_c1
func.func @negative_key(%S: !rwkv.state<8|4xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{expected axis key0..keyN, value, all or each, but got 'key-1'}}
  %0 = rwkv.decay %S, %w on "key-1" : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @decay_type(%S: !rwkv.state<8|4xf32>, %w: tensor<4xf32>) {
  // expected-error @below {{'rwkv.decay' op expected decay of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %0 = "rwkv.decay"(%S, %w) <{axis = "key0"}> : (!rwkv.state<8|4xf32>, tensor<4xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @scalar_decay(%S: !rwkv.state<8|4xf32>, %w: tensor<4xf32>) {
  // expected-error @below {{'rwkv.decay' op expected decay of type 'f32', but got 'tensor<4xf32>'}}
  %0 = "rwkv.decay"(%S, %w) <{axis = "all"}> : (!rwkv.state<8|4xf32>, tensor<4xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

// decay_c2
func.func @bound_order(%S: !rwkv.state<8|4xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{'rwkv.decay' op expected a bound [lo, hi] with lo <= hi, but got [0.000000e+00 : f32, -1.000000e+00 : f32]}}
  %0 = rwkv.decay %S, %w on "key0" bound [0.0 : f32, -1.0 : f32] : !rwkv.state<8|4xf32>
  return
}

// -----

// decay_c2
func.func @bound_nan(%S: !rwkv.state<8|4xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{'rwkv.decay' op expected a bound [lo, hi] with lo <= hi}}
  %0 = rwkv.decay %S, %w on "key0" bound [0x7FC00000 : f32, 0.0 : f32] : !rwkv.state<8|4xf32>
  return
}

// -----

// decay_c2
func.func @bound_count(%S: !rwkv.state<8|4xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{'rwkv.decay' op expected a bound of two numbers [lo, hi], but got 1}}
  %0 = rwkv.decay %S, %w on "key0" bound [0.0 : f32] : !rwkv.state<8|4xf32>
  return
}

// -----

// decay_c3
func.func @certified(%S: !rwkv.state<8|4xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{'rwkv.decay' op expected a bound that is certified, but got none}}
  %0 = rwkv.decay %S, %w on "key0" certified : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @not_a_state(%w: tensor<8xf32>) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<8xf32>'}}
  %0 = rwkv.decay %w, %w on "key0" : tensor<8xf32>
  return
}

// -----

func.func @result_type(%S: !rwkv.state<8|4xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{'rwkv.decay' op failed to verify that the result has the type of the state}}
  %0 = "rwkv.decay"(%S, %w) <{axis = "key0"}> : (!rwkv.state<8|4xf32>, tensor<8xf32>) -> !rwkv.state<4|4xf32>
  return
}
