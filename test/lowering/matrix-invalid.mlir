// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: not rwkv-opt %s --tile-lower-kernels 2>&1 | FileCheck %s
// CHECK: error: expected a target with matrix instructions, but got 'x86-64-v4'
// CHECK-NOT: error:
module attributes {rwkv.target = #rwkv.target<"x86-64-v4", vector = 512, registers = 32, scratch = 65536, matrix = 16>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %y: !tile.buffer<f32>) {
  %0 = arith.constant 1.0 : f32
  tile.store %0, %y[%t] : f32, <f32>
}
}
