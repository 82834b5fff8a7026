// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-generalize -verify-diagnostics -split-input-file

// What a rung's own verifier cannot know, its region says, at the rung's place.

!io = tensor<?x?x2x8xf32>
!st = tensor<?x2x8x8xf32>

func.func @too_many_states(%x: !io, %s0: !st, %s1: !st) -> !io {
  // expected-error @below {{'rwkv.recurrence' op expected one yielded value per result, but got 2 for 3 results}}
  %o:3 = rwkv.wkv7 over(%x, %x, %x, %x, %x, %x) init(%s0, %s1) : (!io, !io, !io, !io, !io, !io, !st, !st) -> (!io, !st, !st)
  return %o#0 : !io
}

// -----

!io = tensor<?x?x2x8xf32>
!st = tensor<?x2x8x8xf32>

func.func @too_few_results(%x: !io, %s0: !st) -> !io {
  // expected-error @below {{'rwkv.recurrence' op expected one yielded value per result, but got 2 for 1 results}}
  %o = rwkv.wkv7 over(%x, %x, %x, %x, %x, %x) init(%s0) : (!io, !io, !io, !io, !io, !io, !st) -> !io
  return %o : !io
}

// -----

!io = tensor<?x?x2x8xf32>
!st = tensor<?x2x8x8xf32>

func.func @result_type(%x: !io, %s0: !st) {
  // expected-error @below {{'rwkv.recurrence' op expected a result [B, T, H, d..] for the yielded 'tensor<8xf32>', but got 'tensor<?x?x2x4xf32>'}}
  %o:2 = rwkv.wkv7 over(%x, %x, %x, %x, %x, %x) init(%s0) : (!io, !io, !io, !io, !io, !io, !st) -> (tensor<?x?x2x4xf32>, !st)
  return
}

// -----

!io = tensor<?x?x2x4xf32>
!v = tensor<?x?x2x8xf32>
!st = tensor<?x2x8x8xf32>

func.func @key_size(%x: !io, %v: !v, %s0: !st) {
  // expected-error @below {{'rwkv.read' op expected key 0 of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %o:2 = rwkv.wkv7 over(%x, %x, %x, %v, %x, %x) init(%s0) : (!io, !io, !io, !v, !io, !io, !st) -> (!v, !st)
  return
}

// -----

!io = tensor<?x?x2x8xf32>
!st = tensor<?x2x8x8xf32>

// The decay of the gated delta rule is a scalar.
func.func @vector_decay(%x: !io, %g: tensor<?x?x2xf32>, %s0: !st) {
  // expected-error @below {{'rwkv.decay' op expected decay of type 'f32', but got 'tensor<8xf32>'}}
  %o:2 = rwkv.gated_delta over(%x, %x, %x, %x, %g) init(%s0) : (!io, !io, !io, !io, tensor<?x?x2xf32>, !st) -> (!io, !st)
  return
}
