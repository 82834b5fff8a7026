// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels | FileCheck %s

// Tiles that are never needed at the same time share the arena. Here each running sum is read by the next one alone, so
// that two places of 512 bytes are enough for the first and the third, and for the second.
module attributes {rwkv.target = #rwkv.target<"test", vector = 256, registers = 16, scratch = 65536>} {
// CHECK-LABEL: func.func @shared
// CHECK-SAME: tile.scratch = 1024 : i64
// CHECK: %[[ARENA:.*]] = llvm.load
// CHECK-DAG: llvm.getelementptr %{{.*}}[0] : (!llvm.ptr) -> !llvm.ptr, i8
// CHECK-DAG: llvm.getelementptr %{{.*}}[512] : (!llvm.ptr) -> !llvm.ptr, i8
tile.kernel @shared(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<8x16xf32>
  %1 = tile.cumsum %0 blocks 8 : tensor<8x16xf32>
  %2 = tile.cumsum %1 blocks 8 : tensor<8x16xf32>
  %3 = tile.cumsum %2 blocks 8 : tensor<8x16xf32>
  tile.store %3, %y[%t] : tensor<8x16xf32>, <f32>
}

// What is used in a loop and before it is needed until the loop ends, whatever is made in between.
// CHECK-LABEL: func.func @kept
// CHECK-SAME: tile.scratch = 1536 : i64
tile.kernel @kept(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = tile.load %x[%t] : <f32> -> tensor<8x16xf32>
  %kept = tile.cumsum %0 blocks 8 : tensor<8x16xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %0) -> (tensor<8x16xf32>) {
    %1 = arith.addf %S, %kept : tensor<8x16xf32>
    %2 = tile.cumsum %1 blocks 8 : tensor<8x16xf32>
    %3 = arith.addf %2, %2 : tensor<8x16xf32>
    scf.yield %3 : tensor<8x16xf32>
  }
  tile.store %r, %y[%t] : tensor<8x16xf32>, <f32>
}
}
