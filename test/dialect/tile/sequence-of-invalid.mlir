// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @element(%cu: !tile.buffer<f32>, %count: index, %token: index) {
  // expected-error @below {{'tile.sequence_of' op expected a buffer of i32, but got '!tile.buffer<f32>'}}
  %0 = tile.sequence_of %token in %cu[%count] : !tile.buffer<f32>
  return
}
