// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @not_last(%x: tensor<?x2x4xf32>) -> tensor<?x2x4xf32> {
  // expected-error @below {{'rwkv.yield' op expects parent op to be one of 'rwkv.recurrence, rwkv.layers, rwkv.when, rwkv.fused'}}
  rwkv.yield %x : tensor<?x2x4xf32>
  return %x : tensor<?x2x4xf32>
}

// -----

func.func @type_count(%x: tensor<?x2x4xf32>) {
  // expected-error @below {{number of operands and types do not match: got 2 operands and 1 types}}
  rwkv.yield %x, %x : tensor<?x2x4xf32>
}

// -----

// A yield ends the regions of rwkv ops, not a function.
func.func @parent(%x: tensor<?x2x4xf32>) {
  // expected-error @below {{'rwkv.yield' op expects parent op to be one of 'rwkv.recurrence, rwkv.layers, rwkv.when, rwkv.fused'}}
  rwkv.yield %x : tensor<?x2x4xf32>
}
