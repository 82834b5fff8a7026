// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK: #[[TASKS:.*]] = affine_map<()[s0, s1, s2] -> (s0 * s1)>
// CHECK: #[[BLOCKS:.*]] = affine_map<()[s0, s1, s2] -> ((s0 * s1) ceildiv 8 + s2)>

tile.kernel @k(%task: index, %B: index, %T: index, %S: index, %in: !tile.buffer<f32>, %w: !tile.buffer<bf16>,
               %out: !tile.buffer<f32>) {
}

tile.kernel @fill(%task: index, %B: index, %T: index, %S: index, %out: !tile.buffer<f32>) {
}

// The sizes are symbols: a product of dimensions is not affine.
rwkv.model @m {
  rwkv.weight @w "w" tensor<8x8xbf16>
  // CHECK-LABEL: func @launch
  func.func @launch(%x: tensor<?x?x8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>) {
    // CHECK: tile.launch @k tasks #[[TASKS]](%{{.*}}) weights [@w] : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    %y = tile.launch @k tasks affine_map<()[B, T, S] -> (B * T)> (%x) weights [@w]
      : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    // CHECK: tile.launch @fill tasks #[[BLOCKS]]() weights [] {note = "x"} : () -> tensor<?x?x8xf32>
    %z = tile.launch @fill tasks affine_map<()[B, T, S] -> ((T * B) ceildiv 8 + S)> () weights [] {note = "x"}
      : () -> tensor<?x?x8xf32>
    return %y, %z : tensor<?x?x8xf32>, tensor<?x?x8xf32>
  }
}
