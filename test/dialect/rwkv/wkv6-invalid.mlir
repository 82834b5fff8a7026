// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @over_count(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv6' op expected 4 'over' operands (r, w, k, v), but got 3}}
  %y:2 = rwkv.wkv6 over(%r, %w, %k) const(%u) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @const_count(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv6' op expected 1 'const' operands (u), but got 0}}
  %y:2 = rwkv.wkv6 over(%r, %w, %k, %v) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @over_rank(%r: tensor<2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv6' op expected 'over' operands of rank >= 3, but got 'tensor<2x8xf32>'}}
  %y:2 = rwkv.wkv6 over(%r, %w, %k, %v) const(%u) init(%s0)
    : (tensor<2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @const_rank(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %u: tensor<f32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv6' op expected 'const' operands of rank >= 1, but got 'tensor<f32>'}}
  %y:2 = rwkv.wkv6 over(%r, %w, %k, %v) const(%u) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<f32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @init_rank(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<8xf32>) {
  // expected-error @below {{'rwkv.wkv6' op expected 'init' operands of rank >= 3, but got 'tensor<8xf32>'}}
  %y:2 = rwkv.wkv6 over(%r, %w, %k, %v) const(%u) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @time(%r: tensor<?x5x2x8xf32>, %w: tensor<?x7x2x8xf32>, %k: tensor<?x7x2x8xf32>, %v: tensor<?x7x2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv6' op expected equal sizes of axis T in all 'over' operands}}
  %y:2 = rwkv.wkv6 over(%r, %w, %k, %v) const(%u) init(%s0)
    : (tensor<?x5x2x8xf32>, tensor<?x7x2x8xf32>, tensor<?x7x2x8xf32>, tensor<?x7x2x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @heads(%r: tensor<?x?x3x8xf32>, %w: tensor<?x?x3x8xf32>, %k: tensor<?x?x3x8xf32>, %v: tensor<?x?x3x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv6' op expected a number of heads that divides the 2 heads of the state, but got 3}}
  %y:2 = rwkv.wkv6 over(%r, %w, %k, %v) const(%u) init(%s0)
    : (tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @const_heads(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %u: tensor<3x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv6' op expected a number of heads that divides the 2 heads of the state, but got 3}}
  %y:2 = rwkv.wkv6 over(%r, %w, %k, %v) const(%u) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<3x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @batch_with_reset(%r: tensor<2x?x2x8xf32>, %w: tensor<2x?x2x8xf32>, %k: tensor<2x?x2x8xf32>, %v: tensor<2x?x2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>, %cu: tensor<?xi32>) {
  // expected-error @below {{'rwkv.wkv6' op expected a batch of 1 with 'reset', but got 'tensor<2x?x2x8xf32>'}}
  %y:2 = rwkv.wkv6 over(%r, %w, %k, %v) const(%u) init(%s0) reset(%cu)
    : (tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>, tensor<?xi32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @no_state(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %u: tensor<2x8xf32>) {
  // expected-error @below {{'rwkv.wkv6' op expected at least one state in 'init', but got none}}
  %y = rwkv.wkv6 over(%r, %w, %k, %v) const(%u) init()
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>)
    -> (tensor<?x?x2x8xf32>)
  return
}
