// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// momentum_c1
func.func @three_slots(%P: !rwkv.state<3x8|4xf32>, %k: tensor<8xf32>, %z: tensor<4xf32>, %e: f32) {
  // expected-error @below {{'rwkv.momentum' op expected a state with two slots on its first key axis, but got '!rwkv.state<3x8|4xf32>'}}
  %0 = rwkv.momentum %P[%k], %z eta %e alpha %e : !rwkv.state<3x8|4xf32>
  return
}

// -----

// momentum_c1: that there are two must be known.
func.func @open(%P: !rwkv.state<?x8|4xf32>, %k: tensor<8xf32>, %z: tensor<4xf32>, %e: f32) {
  // expected-error @below {{'rwkv.momentum' op expected a state with two slots on its first key axis, but got '!rwkv.state<?x8|4xf32>'}}
  %0 = rwkv.momentum %P[%k], %z eta %e alpha %e : !rwkv.state<?x8|4xf32>
  return
}

// -----

// momentum_c1
func.func @no_keys(%P: !rwkv.state<|4xf32>, %z: tensor<4xf32>, %e: f32) {
  // expected-error @below {{'rwkv.momentum' op expected a state with two slots on its first key axis, but got '!rwkv.state<|4xf32>'}}
  %0 = "rwkv.momentum"(%P, %z, %e, %e) <{operandSegmentSizes = array<i32: 1, 0, 1, 0, 1, 1>}>
    : (!rwkv.state<|4xf32>, tensor<4xf32>, f32, f32) -> !rwkv.state<|4xf32>
  return
}

// -----

func.func @slot_key(%P: !rwkv.state<2x8|4xf32>, %m: tensor<2xf32>, %k: tensor<8xf32>, %z: tensor<4xf32>, %e: f32) {
  // expected-error @below {{'rwkv.momentum' expected one key for each key axis of '!rwkv.state<2x8|4xf32>' behind that of the slots, but got 2}}
  %0 = rwkv.momentum %P[%m, %k], %z eta %e alpha %e : !rwkv.state<2x8|4xf32>
  return
}

// -----

func.func @no_key_axis(%P: !rwkv.state<|4xf32>, %z: tensor<4xf32>, %e: f32) {
  // expected-error @below {{'rwkv.momentum' expected one key for each key axis of '!rwkv.state<|4xf32>' behind that of the slots, but got 0}}
  %0 = rwkv.momentum %P[], %z eta %e alpha %e : !rwkv.state<|4xf32>
  return
}

// -----

func.func @key_count(%P: !rwkv.state<2x8|4xf32>, %z: tensor<4xf32>, %e: f32) {
  // expected-error @below {{'rwkv.momentum' op expected one key for each key axis of '!rwkv.state<2x8|4xf32>' behind that of the slots, but got 0}}
  %0 = "rwkv.momentum"(%P, %z, %e, %e) <{operandSegmentSizes = array<i32: 1, 0, 1, 0, 1, 1>}>
    : (!rwkv.state<2x8|4xf32>, tensor<4xf32>, f32, f32) -> !rwkv.state<2x8|4xf32>
  return
}

// -----

func.func @key_type(%P: !rwkv.state<2x8|4xf32>, %z: tensor<4xf32>, %e: f32) {
  // expected-error @below {{'rwkv.momentum' op expected key 0 of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %0 = "rwkv.momentum"(%P, %z, %z, %e, %e) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 1>}>
    : (!rwkv.state<2x8|4xf32>, tensor<4xf32>, tensor<4xf32>, f32, f32) -> !rwkv.state<2x8|4xf32>
  return
}

// -----

func.func @value_type(%P: !rwkv.state<2x8|4xf32>, %k: tensor<8xf32>, %e: f32) {
  // expected-error @below {{'rwkv.momentum' op expected value of type 'tensor<4xf32>', but got 'tensor<8xf32>'}}
  %0 = "rwkv.momentum"(%P, %k, %k, %e, %e) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 1>}>
    : (!rwkv.state<2x8|4xf32>, tensor<8xf32>, tensor<8xf32>, f32, f32) -> !rwkv.state<2x8|4xf32>
  return
}

// -----

func.func @scale_type(%P: !rwkv.state<2x8|4xf32>, %k: tensor<8xf32>, %z: tensor<4xf32>, %e: f32, %d: f64) {
  // expected-error @below {{'rwkv.momentum' op expected a scalar of type 'f32', but got 'f64'}}
  %0 = "rwkv.momentum"(%P, %k, %z, %d, %e, %e) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1>}>
    : (!rwkv.state<2x8|4xf32>, tensor<8xf32>, tensor<4xf32>, f64, f32, f32) -> !rwkv.state<2x8|4xf32>
  return
}

// -----

func.func @eta_type(%P: !rwkv.state<2x8|4xf32>, %k: tensor<8xf32>, %z: tensor<4xf32>, %e: f32, %d: f64) {
  // expected-error @below {{'rwkv.momentum' op expected a scalar of type 'f32', but got 'f64'}}
  %0 = "rwkv.momentum"(%P, %k, %z, %d, %e) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 1>}>
    : (!rwkv.state<2x8|4xf32>, tensor<8xf32>, tensor<4xf32>, f64, f32) -> !rwkv.state<2x8|4xf32>
  return
}

// -----

func.func @alpha_type(%P: !rwkv.state<2x8|4xf32>, %k: tensor<8xf32>, %z: tensor<4xf32>, %e: f32, %d: f64) {
  // expected-error @below {{'rwkv.momentum' op expected a scalar of type 'f32', but got 'f64'}}
  %0 = "rwkv.momentum"(%P, %k, %z, %e, %d) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 1>}>
    : (!rwkv.state<2x8|4xf32>, tensor<8xf32>, tensor<4xf32>, f32, f64) -> !rwkv.state<2x8|4xf32>
  return
}

// -----

func.func @result_type(%P: !rwkv.state<2x8|4xf32>, %k: tensor<8xf32>, %z: tensor<4xf32>, %e: f32) {
  // expected-error @below {{'rwkv.momentum' op failed to verify that the result has the type of the state}}
  %0 = "rwkv.momentum"(%P, %k, %z, %e, %e) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 1>}>
    : (!rwkv.state<2x8|4xf32>, tensor<8xf32>, tensor<4xf32>, f32, f32) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @not_a_state(%x: tensor<4xf32>, %e: f32) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<4xf32>'}}
  %0 = rwkv.momentum %x[%x], %x eta %e alpha %e : tensor<4xf32>
  return
}
