// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @over_count(%q: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %g: tensor<?x?x2xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.gated_delta' op expected 5 'over' operands (q, k, v, g, beta), but got 4}}
  %y:2 = rwkv.gated_delta over(%q, %k, %v, %g) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @const_count(%q: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %g: tensor<?x?x2xf32>, %beta: tensor<?x?x2xf32>, %u: tensor<2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.gated_delta' op expected 0 'const' operands (), but got 1}}
  %y:2 = rwkv.gated_delta over(%q, %k, %v, %g, %beta) const(%u) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @over_rank(%q: tensor<2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %g: tensor<?x?x2xf32>, %beta: tensor<?x?x2xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.gated_delta' op expected 'over' operands of rank >= 3, but got 'tensor<2x8xf32>'}}
  %y:2 = rwkv.gated_delta over(%q, %k, %v, %g, %beta) init(%s0)
    : (tensor<2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c1
func.func @init_rank(%q: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %g: tensor<?x?x2xf32>, %beta: tensor<?x?x2xf32>, %s0: tensor<2x8xf32>) {
  // expected-error @below {{'rwkv.gated_delta' op expected 'init' operands of rank >= 3, but got 'tensor<2x8xf32>'}}
  %y:2 = rwkv.gated_delta over(%q, %k, %v, %g, %beta) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<2x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @time(%q: tensor<?x5x2x8xf32>, %k: tensor<?x7x2x8xf32>, %v: tensor<?x7x2x8xf32>, %g: tensor<?x7x2xf32>, %beta: tensor<?x7x2xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.gated_delta' op expected equal sizes of axis T in all 'over' operands}}
  %y:2 = rwkv.gated_delta over(%q, %k, %v, %g, %beta) init(%s0)
    : (tensor<?x5x2x8xf32>, tensor<?x7x2x8xf32>, tensor<?x7x2x8xf32>, tensor<?x7x2xf32>, tensor<?x7x2xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

// recurrence_c2
func.func @heads(%q: tensor<?x?x3x8xf32>, %k: tensor<?x?x3x8xf32>, %v: tensor<?x?x3x8xf32>, %g: tensor<?x?x3xf32>, %beta: tensor<?x?x3xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.gated_delta' op expected a number of heads that divides the 2 heads of the state, but got 3}}
  %y:2 = rwkv.gated_delta over(%q, %k, %v, %g, %beta) init(%s0)
    : (tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<?x?x3x8xf32>, tensor<?x?x3xf32>, tensor<?x?x3xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @batch_with_reset(%q: tensor<2x?x2x8xf32>, %k: tensor<2x?x2x8xf32>, %v: tensor<2x?x2x8xf32>, %g: tensor<2x?x2xf32>, %beta: tensor<2x?x2xf32>, %s0: tensor<?x2x8x8xf32>, %cu: tensor<?xi32>) {
  // expected-error @below {{'rwkv.gated_delta' op expected a batch of 1 with 'reset', but got 'tensor<2x?x2x8xf32>'}}
  %y:2 = rwkv.gated_delta over(%q, %k, %v, %g, %beta) init(%s0) reset(%cu)
    : (tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>, tensor<2x?x2xf32>, tensor<2x?x2xf32>, tensor<?x2x8x8xf32>, tensor<?xi32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// -----

func.func @no_state(%q: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %g: tensor<?x?x2xf32>, %beta: tensor<?x?x2xf32>) {
  // expected-error @below {{'rwkv.gated_delta' op expected at least one state in 'init', but got none}}
  %y = rwkv.gated_delta over(%q, %k, %v, %g, %beta) init()
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>)
    -> (tensor<?x?x2x8xf32>)
  return
}
