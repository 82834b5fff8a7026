// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @over_count(%k: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %num: tensor<?x2x8xf32>, %den: tensor<?x2x8xf32>, %m: tensor<?x2x8xf32>) {
  // expected-error @below {{'rwkv.wkv4' op expected 2 'over' operands (k, v), but got 1}}
  %y:4 = rwkv.wkv4 over(%k) const(%w, %u) init(%num, %den, %m)
    : (tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
  return
}

// -----

func.func @const_count(%k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %num: tensor<?x2x8xf32>, %den: tensor<?x2x8xf32>, %m: tensor<?x2x8xf32>) {
  // expected-error @below {{'rwkv.wkv4' op expected 2 'const' operands (w, u), but got 1}}
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w) init(%num, %den, %m)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @over_rank(%k: tensor<2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %num: tensor<?x2x8xf32>, %den: tensor<?x2x8xf32>, %m: tensor<?x2x8xf32>) {
  // expected-error @below {{'rwkv.wkv4' op expected 'over' operands of rank >= 3, but got 'tensor<2x8xf32>'}}
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m)
    : (tensor<2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @const_rank(%k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<f32>, %u: tensor<2x8xf32>, %num: tensor<?x2x8xf32>, %den: tensor<?x2x8xf32>, %m: tensor<?x2x8xf32>) {
  // expected-error @below {{'rwkv.wkv4' op expected 'const' operands of rank >= 1, but got 'tensor<f32>'}}
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<f32>, tensor<2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @init_rank(%k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %num: tensor<8xf32>, %den: tensor<?x2x8xf32>, %m: tensor<?x2x8xf32>) {
  // expected-error @below {{'rwkv.wkv4' op expected 'init' operands of rank >= 3, but got 'tensor<8xf32>'}}
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @time(%k: tensor<?x5x2x8xf32>, %v: tensor<?x7x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %num: tensor<?x2x8xf32>, %den: tensor<?x2x8xf32>, %m: tensor<?x2x8xf32>) {
  // expected-error @below {{'rwkv.wkv4' op expected equal sizes of axis T in all 'over' operands}}
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m)
    : (tensor<?x5x2x8xf32>, tensor<?x7x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @heads(%k: tensor<?x?x3x8xf32>, %v: tensor<?x?x3x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %num: tensor<?x2x8xf32>, %den: tensor<?x2x8xf32>, %m: tensor<?x2x8xf32>) {
  // expected-error @below {{'rwkv.wkv4' op expected a number of heads that divides the 2 heads of the state, but got 3}}
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m)
    : (tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @const_heads(%k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<3x8xf32>, %num: tensor<?x2x8xf32>, %den: tensor<?x2x8xf32>, %m: tensor<?x2x8xf32>) {
  // expected-error @below {{'rwkv.wkv4' op expected a number of heads that divides the 2 heads of the state, but got 3}}
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<3x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @state_heads(%k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %num: tensor<?x2x8xf32>, %den: tensor<?x4x8xf32>, %m: tensor<?x2x8xf32>) {
  // expected-error @below {{'rwkv.wkv4' op expected equal numbers of heads in all 'init' operands, but got 'tensor<?x2x8xf32>' and 'tensor<?x4x8xf32>'}}
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8xf32>, tensor<?x4x8xf32>, tensor<?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
  return
}

// -----

func.func @batch_with_reset(%k: tensor<2x?x2x8xf32>, %v: tensor<2x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %num: tensor<?x2x8xf32>, %den: tensor<?x2x8xf32>, %m: tensor<?x2x8xf32>, %cu: tensor<?xi32>) {
  // expected-error @below {{'rwkv.wkv4' op expected a batch of 1 with 'reset', but got 'tensor<2x?x2x8xf32>'}}
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m) reset(%cu)
    : (tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?xi32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
  return
}

// -----

func.func @no_state(%k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>) {
  // expected-error @below {{'rwkv.wkv4' op expected at least one state in 'init', but got none}}
  %y = rwkv.wkv4 over(%k, %v) const(%w, %u) init()
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>)
    -> (tensor<?x?x2x8xf32>)
  return
}
