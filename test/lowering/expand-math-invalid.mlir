// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels are linked with no library: a function without an expansion is an error where it stands.
// RUN: rwkv-opt %s --tile-expand-math -verify-diagnostics

tile.kernel @functions(%task: index, %B: index, %T: index, %S: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %t = tile.load %x[%task] : <f32> -> tensor<8xf32>
  // expected-error @below {{'math.sincos' op has no expansion for 'f32'}}
  %s, %c = math.sincos %t : tensor<8xf32>
  // expected-error @below {{'arith.remf' op has no expansion for 'f32'}}
  %r = arith.remf %s, %t : tensor<8xf32>
  tile.store %r, %y[%task] : tensor<8xf32>, <f32>
}
