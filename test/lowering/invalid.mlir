// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: not rwkv-opt %s --tile-lower-kernels 2>&1 | FileCheck %s
// CHECK: error: expected the module to have a #rwkv.target as 'rwkv.target'
// CHECK-NOT: error:
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %y: !tile.buffer<f32>) {
  %0 = arith.constant 1.0 : f32
  tile.store %0, %y[%t] : f32, <f32>
}
