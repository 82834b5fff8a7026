// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @over_count(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %a: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv7' op expected 6 'over' operands (r, w, k, v, a, b), but got 5}}
  %y:2 = rwkv.wkv7 over(%r, %w, %k, %v, %a) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @const_count(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %a: tensor<?x?x2x8xf32>, %b: tensor<?x?x2x8xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv7' op expected 0 'const' operands (), but got 1}}
  %y:2 = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) const(%u) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @over_rank(%r: tensor<2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %a: tensor<?x?x2x8xf32>, %b: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv7' op expected 'over' operands of rank >= 3, but got 'tensor<2x8xf32>'}}
  %y:2 = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init(%s0)
    : (tensor<2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @init_rank(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %a: tensor<?x?x2x8xf32>, %b: tensor<?x?x2x8xf32>, %s0: tensor<2x8xf32>) {
  // expected-error @below {{'rwkv.wkv7' op expected 'init' operands of rank >= 3, but got 'tensor<2x8xf32>'}}
  %y:2 = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<2x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @time(%r: tensor<?x5x2x8xf32>, %w: tensor<?x7x2x8xf32>, %k: tensor<?x7x2x8xf32>, %v: tensor<?x7x2x8xf32>, %a: tensor<?x7x2x8xf32>, %b: tensor<?x7x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv7' op expected equal sizes of axis T in all 'over' operands}}
  %y:2 = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init(%s0)
    : (tensor<?x5x2x8xf32>, tensor<?x7x2x8xf32>, tensor<?x7x2x8xf32>, tensor<?x7x2x8xf32>, tensor<?x7x2x8xf32>, tensor<?x7x2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @heads(%r: tensor<?x?x3x8xf32>, %w: tensor<?x?x3x8xf32>, %k: tensor<?x?x3x8xf32>, %v: tensor<?x?x3x8xf32>, %a: tensor<?x?x3x8xf32>, %b: tensor<?x?x3x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.wkv7' op expected a number of heads that divides the 2 heads of the state, but got 3}}
  %y:2 = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init(%s0)
    : (tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @batch_with_reset(%r: tensor<2x?x2x8xf32>, %w: tensor<2x?x2x8xf32>, %k: tensor<2x?x2x8xf32>, %v: tensor<2x?x2x8xf32>, %a: tensor<2x?x2x8xf32>, %b: tensor<2x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>, %cu: tensor<?xi32>) {
  // expected-error @below {{'rwkv.wkv7' op expected a batch of 1 with 'reset', but got 'tensor<2x?x2x8xf32>'}}
  %y:2 = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init(%s0) reset(%cu)
    : (tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<?x2x8x8xf32>, tensor<?xi32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @no_state(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %a: tensor<?x?x2x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @below {{'rwkv.wkv7' op expected at least one state in 'init', but got none}}
  %y = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init()
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>)
  return
}

// -----

func.func @rounded_f64(%x: tensor<?x?x2x8xf64>, %s0: tensor<?x2x8x8xf64>) {
  // expected-error @below {{'rwkv.wkv7' op expected precision f32 for a state that is computed in f64, 'tensor<?x2x8x8xf64>', but got tf32}}
  %y:2 = rwkv.wkv7 over(%x, %x, %x, %x, %x, %x) init(%s0) {precision = #rwkv.precision<tf32>}
    : (tensor<?x?x2x8xf64>, tensor<?x?x2x8xf64>, tensor<?x?x2x8xf64>, tensor<?x?x2x8xf64>, tensor<?x?x2x8xf64>, tensor<?x?x2x8xf64>, tensor<?x2x8x8xf64>)
    -> (tensor<?x?x2x8xf64>, tensor<?x2x8x8xf64>)
  return
}
