// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @too_many_keys(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.read' expected 1 key(s) for the key axes of '!rwkv.state<8|4xf32>', but got 2}}
  %0 = rwkv.read %S[%k, %k] : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @too_few_keys(%S: !rwkv.state<8x8|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.read' op expected 2 key(s) for the key axes of '!rwkv.state<8x8|4xf32>', but got 1}}
  %0 = "rwkv.read"(%S, %k) : (!rwkv.state<8x8|4xf32>, tensor<8xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @not_a_state(%x: tensor<8xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<8xf32>'}}
  %0 = rwkv.read %x[%k] : tensor<8xf32>
  return
}

// -----

func.func @key_type(%S: !rwkv.state<8|4xf32>, %k: tensor<4xf32>) {
  // expected-error @below {{'rwkv.read' op expected key 0 of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %0 = "rwkv.read"(%S, %k) : (!rwkv.state<8|4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @second_key_type(%S: !rwkv.state<8x8|4xf32>, %k: tensor<8xf32>, %l: tensor<8xf64>) {
  // expected-error @below {{'rwkv.read' op expected key 1 of type 'tensor<8xf32>', but got 'tensor<8xf64>'}}
  %0 = "rwkv.read"(%S, %k, %l) : (!rwkv.state<8x8|4xf32>, tensor<8xf32>, tensor<8xf64>) -> tensor<4xf32>
  return
}

// -----

func.func @result_type(%S: !rwkv.state<8|4xf32>, %k: tensor<8xf32>) {
  // expected-error @below {{'rwkv.read' op expected result of type 'tensor<4xf32>', but got 'tensor<8xf32>'}}
  %0 = "rwkv.read"(%S, %k) : (!rwkv.state<8|4xf32>, tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

// expected-note @below {{prior use here}}
func.func @custom_key_type(%S: !rwkv.state<8|4xf32>, %k: tensor<4xf32>) {
  // expected-error @below {{use of value '%k' expects different type than prior uses: 'tensor<8xf32>' vs 'tensor<4xf32>'}}
  %0 = rwkv.read %S[%k] : !rwkv.state<8|4xf32>
  return
}
