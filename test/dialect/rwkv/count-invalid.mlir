// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// count_c1
func.func @vector(%n: !rwkv.state<|2xf32>) {
  // expected-error @below {{'rwkv.count' op expected a state of one number, '!rwkv.state<|1xf32>', but got '!rwkv.state<|2xf32>'}}
  %0 = rwkv.count %n every 16 : !rwkv.state<|2xf32>
  return
}

// -----

// count_c1
func.func @key(%n: !rwkv.state<1|1xf64>) {
  // expected-error @below {{'rwkv.count' op expected a state of one number, '!rwkv.state<|1xf64>', but got '!rwkv.state<1|1xf64>'}}
  %0 = rwkv.count %n every 16 : !rwkv.state<1|1xf64>
  return
}

// -----

// count_c1: 1 must be said.
func.func @open(%n: !rwkv.state<|?xf32>) {
  // expected-error @below {{'rwkv.count' op expected a state of one number, '!rwkv.state<|1xf32>', but got '!rwkv.state<|?xf32>'}}
  %0 = rwkv.count %n every 16 : !rwkv.state<|?xf32>
  return
}

// -----

// count_c2
func.func @zero(%n: !rwkv.state<|1xf32>) {
  // expected-error @below {{'rwkv.count' op expected a period of 1 to 16777216 tokens, but got 0}}
  %0 = rwkv.count %n every 0 : !rwkv.state<|1xf32>
  return
}

// -----

// count_c2
func.func @negative(%n: !rwkv.state<|1xf32>) {
  // expected-error @below {{'rwkv.count' op expected a period of 1 to 16777216 tokens, but got -16}}
  %0 = rwkv.count %n every -16 : !rwkv.state<|1xf32>
  return
}

// -----

// count_c2
func.func @long(%n: !rwkv.state<|1xf32>) {
  // expected-error @below {{'rwkv.count' op expected a period of 1 to 16777216 tokens, but got 16777217}}
  %0 = rwkv.count %n every 16777217 : !rwkv.state<|1xf32>
  return
}

// -----

func.func @not_a_state(%n: tensor<1xf32>) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<1xf32>'}}
  %0 = rwkv.count %n every 16 : tensor<1xf32>
  return
}

// -----

func.func @not_a_state_in_the_generic_form(%n: tensor<1xf32>) {
  // expected-error @below {{'rwkv.count' op operand #0 must be }}
  %0 = "rwkv.count"(%n) <{every = 16 : i64}> : (tensor<1xf32>) -> tensor<1xf32>
  return
}

// -----

func.func @result_type(%n: !rwkv.state<|1xf32>) {
  // expected-error @below {{'rwkv.count' op failed to verify that the result has the type of the state}}
  %0 = "rwkv.count"(%n) <{every = 16 : i64}> : (!rwkv.state<|1xf32>) -> !rwkv.state<|1xf64>
  return
}
