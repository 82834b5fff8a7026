// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels are linked with no library: a function without an expansion is an error where it stands.
// RUN: rwkv-opt %s --tile-expand-math -verify-diagnostics

tile.kernel @sine(%task: index, %B: index, %T: index, %S: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %t = tile.load %x[%task] : <f32> -> tensor<8xf32>
  // expected-error @below {{'math.sin' op has no expansion for 'f32': a kernel has exp, exp2, log,}}
  %s = math.sin %t : tensor<8xf32>
  // expected-error @below {{'arith.remf' op has no expansion for 'f32'}}
  %r = arith.remf %s, %t : tensor<8xf32>
  tile.store %r, %y[%task] : tensor<8xf32>, <f32>
}
