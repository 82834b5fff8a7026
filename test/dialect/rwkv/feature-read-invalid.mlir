// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// feature_c1
func.func @two_sizes(%S: !rwkv.state<8x4|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.feature_read' op expected a last state with key axes of one size, but got '!rwkv.state<8x4|4xf32>'}}
  %0 = rwkv.feature_read power %S[%k] : !rwkv.state<8x4|4xf32>
  return
}

// -----

// feature_c2
func.func @no_constant(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.feature_read' op expected 2 state(s) of the map 'taylor' up to '!rwkv.state<8|4xf32>', but got 1}}
  %0 = rwkv.feature_read taylor %S[%k] : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @no_keys(%A: !rwkv.state<|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{expected a state with a key axis to be the last of one or more, but got 1 and '!rwkv.state<|4xf32>'}}
  %0 = rwkv.feature_read taylor %A[%k] : !rwkv.state<|4xf32>
  return
}

// -----

func.func @unknown_map(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{expected string or keyword containing one of the following enum values for attribute 'map' [power, taylor]}}
  %0 = rwkv.feature_read gauss %S[%k] : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @result_type(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.feature_read' op expected value of type 'tensor<4xf32>', but got 'tensor<8xf32>'}}
  %0 = "rwkv.feature_read"(%S, %k) <{map = 0 : i32}> : (!rwkv.state<8|4xf32>, tensor<8xf32>) -> tensor<8xf32>
  return
}
