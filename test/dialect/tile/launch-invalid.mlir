// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @no_kernel(%n: index, %x: tensor<?x?x8xf32>) {
  // expected-error @below {{'tile.launch' op expected the name of a 'tile.kernel', but got @k}}
  %y = tile.launch @k tasks(%n) (%x) weights [] : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

func.func private @f()
func.func @not_a_kernel(%n: index, %x: tensor<?x?x8xf32>) {
  // expected-error @below {{'tile.launch' op expected the name of a 'tile.kernel', but got @f}}
  %y = tile.launch @f tasks(%n) (%x) weights [] : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

tile.kernel @k(%task: index, %B: index, %T: index, %S: index, %in: !tile.buffer<f32>, %w: !tile.buffer<bf16>,
               %out: !tile.buffer<f32>) {
}

func.func @buffers(%n: index, %x: tensor<?x?x8xf32>) {
  // expected-error @below {{'tile.launch' op expected 3 inputs, weights and results for the buffers of @k, but got 2}}
  %y = tile.launch @k tasks(%n) (%x) weights [] : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return
}
