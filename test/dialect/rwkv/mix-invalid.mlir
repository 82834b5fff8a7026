// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// mix_c1
func.func @same_slot(%P: !rwkv.state<2x8|4xf32>, %x: f32) {
  // expected-error @below {{'rwkv.mix' op expected two different slots of the first key axis of '!rwkv.state<2x8|4xf32>', but got from 1 to 1}}
  %0 = rwkv.mix %P, %x from 1 to 1 : !rwkv.state<2x8|4xf32>
  return
}

// -----

// mix_c1
func.func @no_such_source(%P: !rwkv.state<2x8|4xf32>, %x: f32) {
  // expected-error @below {{'rwkv.mix' op expected two different slots of the first key axis of '!rwkv.state<2x8|4xf32>', but got from 2 to 0}}
  %0 = rwkv.mix %P, %x from 2 to 0 : !rwkv.state<2x8|4xf32>
  return
}

// -----

// mix_c1
func.func @no_such_target(%P: !rwkv.state<2x8|4xf32>, %x: f32) {
  // expected-error @below {{'rwkv.mix' op expected two different slots of the first key axis of '!rwkv.state<2x8|4xf32>', but got from 0 to 2}}
  %0 = rwkv.mix %P, %x from 0 to 2 : !rwkv.state<2x8|4xf32>
  return
}

// -----

// mix_c1
func.func @negative(%P: !rwkv.state<2x8|4xf32>, %x: f32) {
  // expected-error @below {{'rwkv.mix' op expected two different slots of the first key axis of '!rwkv.state<2x8|4xf32>', but got from -1 to 0}}
  %0 = rwkv.mix %P, %x from -1 to 0 : !rwkv.state<2x8|4xf32>
  return
}

// -----

// mix_c1: how many slots there are must be known.
func.func @open(%P: !rwkv.state<?x8|4xf32>, %x: f32) {
  // expected-error @below {{'rwkv.mix' op expected two different slots of the first key axis of '!rwkv.state<?x8|4xf32>', but got from 1 to 0}}
  %0 = rwkv.mix %P, %x from 1 to 0 : !rwkv.state<?x8|4xf32>
  return
}

// -----

// mix_c1
func.func @no_keys(%P: !rwkv.state<|4xf32>, %x: f32) {
  // expected-error @below {{'rwkv.mix' op expected two different slots of the first key axis of '!rwkv.state<|4xf32>', but got from 1 to 0}}
  %0 = rwkv.mix %P, %x from 1 to 0 : !rwkv.state<|4xf32>
  return
}

// -----

func.func @x_type(%P: !rwkv.state<2x8|4xf32>, %x: f64) {
  // expected-error @below {{'rwkv.mix' op expected x of type 'f32', but got 'f64'}}
  %0 = "rwkv.mix"(%P, %x) <{from = 1 : i64, to = 0 : i64}> : (!rwkv.state<2x8|4xf32>, f64) -> !rwkv.state<2x8|4xf32>
  return
}

// -----

func.func @result_type(%P: !rwkv.state<2x8|4xf32>, %x: f32) {
  // expected-error @below {{'rwkv.mix' op failed to verify that the result has the type of the state}}
  %0 = "rwkv.mix"(%P, %x) <{from = 1 : i64, to = 0 : i64}> : (!rwkv.state<2x8|4xf32>, f32) -> !rwkv.state<8x2|4xf32>
  return
}

// -----

func.func @not_a_state(%v: tensor<4xf32>, %x: f32) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<4xf32>'}}
  %0 = rwkv.mix %v, %x from 1 to 0 : tensor<4xf32>
  return
}
