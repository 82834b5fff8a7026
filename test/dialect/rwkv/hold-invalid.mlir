// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @source_type(%B: !rwkv.state<8|4xf32>, %S: !rwkv.state<4|8xf32>, %n: !rwkv.state<|1xf32>) {
  // expected-error @below {{'rwkv.hold' op expected source of type '!rwkv.state<8|4xf32>', but got '!rwkv.state<4|8xf32>'}}
  %0 = "rwkv.hold"(%B, %S, %n) : (!rwkv.state<8|4xf32>, !rwkv.state<4|8xf32>, !rwkv.state<|1xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @counter_type(%B: !rwkv.state<8|4xf32>, %n: !rwkv.state<|2xf32>) {
  // expected-error @below {{'rwkv.hold' op expected counter of type '!rwkv.state<|1xf32>', but got '!rwkv.state<|2xf32>'}}
  %0 = "rwkv.hold"(%B, %B, %n) : (!rwkv.state<8|4xf32>, !rwkv.state<8|4xf32>, !rwkv.state<|2xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @counter_element(%B: !rwkv.state<8|4xf64>, %n: !rwkv.state<|1xf32>) {
  // expected-error @below {{'rwkv.hold' op expected counter of type '!rwkv.state<|1xf64>', but got '!rwkv.state<|1xf32>'}}
  %0 = "rwkv.hold"(%B, %B, %n) : (!rwkv.state<8|4xf64>, !rwkv.state<8|4xf64>, !rwkv.state<|1xf32>) -> !rwkv.state<8|4xf64>
  return
}

// -----

// expected-note @below {{prior use here}}
func.func @custom_source(%B: !rwkv.state<8|4xf32>, %S: !rwkv.state<4|8xf32>, %n: !rwkv.state<|1xf32>) {
  // expected-error @below {{use of value '%S' expects different type than prior uses: '!rwkv.state<8|4xf32>' vs '!rwkv.state<4|8xf32>'}}
  %0 = rwkv.hold %B, %S at %n : !rwkv.state<8|4xf32>
  return
}

// -----

// expected-note @below {{prior use here}}
func.func @custom_counter(%B: !rwkv.state<8|4xf32>, %n: f32) {
  // expected-error @below {{use of value '%n' expects different type than prior uses: '!rwkv.state<|1xf32>' vs 'f32'}}
  %0 = rwkv.hold %B, %B at %n : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @not_a_state(%x: tensor<8xf32>, %n: !rwkv.state<|1xf32>) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<8xf32>'}}
  %0 = rwkv.hold %x, %x at %n : tensor<8xf32>
  return
}

// -----

func.func @result_type(%B: !rwkv.state<8|4xf32>, %n: !rwkv.state<|1xf32>) {
  // expected-error @below {{'rwkv.hold' op failed to verify that the result has the type of the state}}
  %0 = "rwkv.hold"(%B, %B, %n) : (!rwkv.state<8|4xf32>, !rwkv.state<8|4xf32>, !rwkv.state<|1xf32>) -> !rwkv.state<4|8xf32>
  return
}
