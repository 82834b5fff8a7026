// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @over_count(%r: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv5' op expected 3 'over' operands (r, k, v), but got 2}}
  %y:2 = rwkv.wkv5 over(%r, %k) const(%w, %u) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @const_count(%r: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv5' op expected 2 'const' operands (w, u), but got 1}}
  %y:2 = rwkv.wkv5 over(%r, %k, %v) const(%w) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @over_rank(%r: tensor<2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv5' op expected 'over' operands of rank >= 3, but got 'tensor<2x8xf32>'}}
  %y:2 = rwkv.wkv5 over(%r, %k, %v) const(%w, %u) init(%s0)
    : (tensor<2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @const_rank(%r: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<f32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv5' op expected 'const' operands of rank >= 1, but got 'tensor<f32>'}}
  %y:2 = rwkv.wkv5 over(%r, %k, %v) const(%w, %u) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<f32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @init_rank(%r: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<8xf32>) {
  // expected-error @below {{'rwkv.wkv5' op expected 'init' operands of rank >= 3, but got 'tensor<8xf32>'}}
  %y:2 = rwkv.wkv5 over(%r, %k, %v) const(%w, %u) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @time(%r: tensor<?x5x2x8xf32>, %k: tensor<?x7x2x8xf32>, %v: tensor<?x7x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv5' op expected equal sizes of axis T in all 'over' operands}}
  %y:2 = rwkv.wkv5 over(%r, %k, %v) const(%w, %u) init(%s0)
    : (tensor<?x5x2x8xf32>, tensor<?x7x2x8xf32>, tensor<?x7x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @heads(%r: tensor<?x?x3x8xf32>, %k: tensor<?x?x3x8xf32>, %v: tensor<?x?x3x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv5' op expected a number of heads that divides the 2 heads of the state, but got 3}}
  %y:2 = rwkv.wkv5 over(%r, %k, %v) const(%w, %u) init(%s0)
    : (tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @const_heads(%r: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<3x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv5' op expected a number of heads that divides the 2 heads of the state, but got 3}}
  %y:2 = rwkv.wkv5 over(%r, %k, %v) const(%w, %u) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<3x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @batch_with_reset(%r: tensor<2x?x2x8xf32>, %k: tensor<2x?x2x8xf32>, %v: tensor<2x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>, %cu: tensor<?xi32>) {
  // expected-error @below {{'rwkv.wkv5' op expected a batch of 1 with 'reset', but got 'tensor<2x?x2x8xf32>'}}
  %y:2 = rwkv.wkv5 over(%r, %k, %v) const(%w, %u) init(%s0) reset(%cu)
    : (tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>, tensor<?xi32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @no_state(%r: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>) {
  // expected-error @below {{'rwkv.wkv5' op expected at least one state in 'init', but got none}}
  %y = rwkv.wkv5 over(%r, %k, %v) const(%w, %u) init()
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>)
    -> (tensor<?x?x2x8xf32>)
  return
}
