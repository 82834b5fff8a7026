// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Masks of scores: a lane has rows g and g + 8 and columns 2 t, 2 t + 1, and those + 8, of lane 4 g + t.
// RUN: rwkv-opt %s --tile-form-pipelines --tile-lower-kernels --canonicalize --cse | FileCheck %s

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// Of the four blocks of 8 x 8 one is all kept, one is all zero, and two, on the diagonal, ask the same two questions of
// 2 t - g, a word: whether it is below 0, and below -1.
// CHECK-LABEL: func.func @masked(
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : i32
// CHECK-DAG: %[[ONE:.*]] = arith.constant -1 : i32
// CHECK: %[[BELOW_0:.*]] = arith.cmpi slt, %[[DIFFERENCE:.*]], %[[ZERO]] : i32
// CHECK: %[[BELOW_1:.*]] = arith.cmpi slt, %[[DIFFERENCE]], %[[ONE]] : i32
// CHECK-NOT: {{cmpi slt|arith.select}}
// CHECK: arith.select %[[BELOW_0]], %{{.*}} : f32
// CHECK: arith.select %[[BELOW_1]], %{{.*}} : f32
// CHECK: arith.select %[[BELOW_0]], %{{.*}} : f32
// CHECK: arith.select %[[BELOW_1]], %{{.*}} : f32
// CHECK-NOT: {{cmpi slt|arith.select .*: f32}}
// CHECK: nvvm.redux.sync.or
tile.kernel @masked(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                    %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %none = arith.constant dense<0.0> : tensor<16x16xf32>
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %A = tile.dot %k, %kt precision tf32 : tensor<16x64xf32>, tensor<64x16xf32> -> tensor<16x16xf32>
    %row = tile.iota 0 : tensor<16x16xi32>
    %column = tile.iota 1 : tensor<16x16xi32>
    %before = arith.cmpi slt, %column, %row : tensor<16x16xi32>
    %masked = arith.select %before, %A, %none : tensor<16x16xi1>, tensor<16x16xf32>
    %w = tile.dot %masked, %v precision tf32 : tensor<16x16xf32>, tensor<16x64xf32> -> tensor<16x64xf32>
    %o = tile.dot %k, %S precision tf32 acc %w : tensor<16x64xf32> : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    tile.store %o, %y[%at] : tensor<16x64xf32>, <bf16>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

}
