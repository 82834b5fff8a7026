// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// expected-error @below {{'tile.kernel' op expected arguments task, B, T, S before the buffers, but got 3}}
tile.kernel @sizes(%task: index, %B: index, %T: index) {
}

// -----

// expected-error @below {{'tile.kernel' op expected argument 1 to be an index, but got 'i64'}}
tile.kernel @index(%task: index, %B: i64, %T: index, %S: index) {
}

// -----

// expected-error @below {{'tile.kernel' op expected argument 4 to be a buffer, but got 'tensor<8xf32>'}}
tile.kernel @buffer(%task: index, %B: index, %T: index, %S: index, %x: tensor<8xf32>) {
}

// -----

// expected-note @below {{see existing symbol definition here}}
tile.kernel @twice(%task: index, %B: index, %T: index, %S: index) {
}
// expected-error @below {{redefinition of symbol named 'twice'}}
tile.kernel @twice(%task: index, %B: index, %T: index, %S: index) {
}

// -----

module {
  %x = arith.constant 1.0 : f32
  // expected-note @below {{required by region isolation constraints}}
  tile.kernel @k(%task: index, %B: index, %T: index, %S: index, %out: !tile.buffer<f32>) {
    // expected-error @below {{'tile.store' op using value defined outside the region}}
    tile.store %x, %out[%task] : f32, !tile.buffer<f32>
  }
}
