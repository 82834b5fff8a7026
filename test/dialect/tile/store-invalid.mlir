// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @dynamic(%x: tensor<?xf32>, %b: !tile.buffer<f32>, %i: index) {
  // expected-error @below {{'tile.store' op expected a tile of static shape, but got 'tensor<?xf32>'}}
  tile.store %x, %b[%i] : tensor<?xf32>, !tile.buffer<f32>
  return
}

// -----

func.func @stride(%x: tensor<8xf32>, %b: !tile.buffer<f32>, %i: index) {
  // expected-error @below {{'tile.store' op expected 'stride' only with rows, but got 'tensor<8xf32>'}}
  tile.store %x, %b[%i] stride 8 : tensor<8xf32>, !tile.buffer<f32>
  return
}
