// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @no_kernel(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'tile.launch' op expected the name of a 'tile.kernel', but got @k}}
  %y = tile.launch @k tasks affine_map<()[B, T, S] -> (B * T)> (%x) weights [] : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

func.func private @f()
func.func @not_a_kernel(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'tile.launch' op expected the name of a 'tile.kernel', but got @f}}
  %y = tile.launch @f tasks affine_map<()[B, T, S] -> (B * T)> (%x) weights [] : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

tile.kernel @k(%task: index, %B: index, %T: index, %S: index, %in: !tile.buffer<f32>, %w: !tile.buffer<bf16>,
               %out: !tile.buffer<f32>) {
}

func.func @buffers(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'tile.launch' op expected 3 inputs, weights and results for the buffers of @k, but got 2}}
  %y = tile.launch @k tasks affine_map<()[B, T, S] -> (B * T)> (%x) weights [] : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

tile.kernel @k(%task: index, %B: index, %T: index, %S: index, %in: !tile.buffer<f32>, %w: !tile.buffer<bf16>,
               %out: !tile.buffer<f32>) {
}

func.func @sizes(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'tile.launch' op expected a map ()[B, T, S] -> (tasks), but got affine_map<()[s0, s1] -> (s0 * s1)>}}
  %y:2 = tile.launch @k tasks affine_map<()[B, T] -> (B * T)> (%x) weights [] : (tensor<?x?x8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  return
}

// -----

tile.kernel @k(%task: index, %B: index, %T: index, %S: index, %in: !tile.buffer<f32>, %w: !tile.buffer<bf16>,
               %out: !tile.buffer<f32>) {
}

func.func @tasks(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'tile.launch' op expected a map ()[B, T, S] -> (tasks), but got affine_map<()[s0, s1, s2] -> (s0, s1)>}}
  %y:2 = tile.launch @k tasks affine_map<()[B, T, S] -> (B, T)> (%x) weights [] : (tensor<?x?x8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  return
}

// -----

tile.kernel @k(%task: index, %B: index, %T: index, %S: index, %in: !tile.buffer<f32>, %w: !tile.buffer<bf16>,
               %out: !tile.buffer<f32>) {
}

func.func @dims(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'tile.launch' op expected a map ()[B, T, S] -> (tasks), but got affine_map<(d0)[s0, s1, s2] -> (d0 * s0)>}}
  %y:2 = tile.launch @k tasks affine_map<(n)[B, T, S] -> (B * n)> (%x) weights [] : (tensor<?x?x8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  return
}
