// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// What is computed at the same points is computed in one loop; what others need at other points is written to memory.

module attributes {rwkv.target = #rwkv.target<"test", vector = 256, registers = 16, scratch = 65536>} {

// Two stores over the same points: one loop, one load, what they share is computed once.
// CHECK-LABEL: func.func @stores
// CHECK-SAME: tile.scratch = 0 : i64
// CHECK: scf.for
// CHECK: scf.for
// CHECK: llvm.load
// CHECK: %[[SHARED:.*]] = math.sqrt
// CHECK-NOT: llvm.load
// CHECK-NOT: math.sqrt
// CHECK-DAG: %[[A:.*]] = arith.negf %[[SHARED]]
// CHECK-DAG: %[[B:.*]] = arith.addf %[[SHARED]], %{{.*}}
// CHECK-DAG: llvm.store %[[A]]
// CHECK-DAG: llvm.store %[[B]]
// CHECK: llvm.load
// CHECK: math.sqrt
// CHECK-NOT: scf.for
// CHECK: return
tile.kernel @stores(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>, %z: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<64xf32>
  %1 = math.sqrt %0 : tensor<64xf32>
  %2 = arith.negf %1 : tensor<64xf32>
  tile.store %2, %y[%t] : tensor<64xf32>, <f32>
  %3 = arith.addf %1, %0 : tensor<64xf32>
  tile.store %3, %z[%t] : tensor<64xf32>, <f32>
}

// A vector that is broadcast is written once and not computed again for every row.
// CHECK-LABEL: func.func @broadcast
// CHECK-SAME: tile.scratch = 64 : i64
// CHECK: scf.for
// CHECK: math.sqrt %{{.*}} : vector<8xf32>
// CHECK: llvm.store %{{.*}} : vector<8xf32>
// CHECK: scf.for
// CHECK-NOT: math.sqrt
// CHECK: llvm.load %{{.*}} -> f32
// CHECK: vector.broadcast
// CHECK: return
tile.kernel @broadcast(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %0 = tile.load %x[%t] : <f32> -> tensor<8xf32>
  %1 = math.sqrt %0 : tensor<8xf32>
  %2 = tile.broadcast %1 on 0 : tensor<8xf32> -> tensor<8x16xf32>
  %3 = tile.load %x[%c0] : <f32> -> tensor<8x16xf32>
  %4 = arith.mulf %2, %3 : tensor<8x16xf32>
  tile.store %4, %y[%t] : tensor<8x16xf32>, <f32>
}

// A tile that comes from a region is read from its memory, also in another shape.
// CHECK-LABEL: func.func @reshape
// CHECK-SAME: tile.scratch = 64 : i64
// CHECK: scf.if
// CHECK: } else {
// CHECK: scf.for %{{.*}} to %{{.*}} step
// CHECK: llvm.load %{{.*}} -> vector<4xf32>
// CHECK: arith.mulf %{{.*}} : vector<4xf32>
tile.kernel @reshape(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<8xf32>
  %c = arith.cmpi eq, %t, %b : index
  %1 = scf.if %c -> (tensor<8xf32>) {
    scf.yield %0 : tensor<8xf32>
  } else {
    %2 = arith.negf %0 : tensor<8xf32>
    scf.yield %2 : tensor<8xf32>
  }
  %3 = tile.reshape %1 : tensor<8xf32> -> tensor<2x4xf32>
  %4 = arith.mulf %3, %3 : tensor<2x4xf32>
  tile.store %4, %y[%t] : tensor<2x4xf32>, <f32>
}

// A norm: a loop for the mean, one for the variance, one for the result; the row is not written in between.
// CHECK-LABEL: func.func @norm
// CHECK-SAME: tile.scratch = 0 : i64
// CHECK: scf.for
// CHECK: scf.for
// CHECK: %[[SUM:.*]] = vector.reduction
// CHECK: %[[MEAN:.*]] = arith.mulf %[[SUM]], %{{.*}} : f32
// CHECK: scf.for
// CHECK: vector.broadcast %[[MEAN]]
// CHECK: arith.subf
// CHECK: vector.reduction
// CHECK: math.sqrt %{{.*}} : f32
// CHECK: scf.for
// CHECK: vector.broadcast %[[MEAN]]
// CHECK: arith.subf
// CHECK: llvm.store %{{.*}} : vector<8xf32>
// CHECK-NOT: scf.for
// CHECK: return
tile.kernel @norm(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %f = arith.constant 0.001 : f32
  %0 = tile.load %x[%t] : <f32> -> tensor<768xf32>
  %1 = tile.reduce sum %0 over 0 : tensor<768xf32> -> f32
  %2 = arith.mulf %1, %f : f32
  %3 = tile.broadcast %2 : f32 -> tensor<768xf32>
  %4 = arith.subf %0, %3 : tensor<768xf32>
  %5 = arith.mulf %4, %4 : tensor<768xf32>
  %6 = tile.reduce sum %5 over 0 : tensor<768xf32> -> f32
  %7 = math.sqrt %6 : f32
  %8 = tile.broadcast %7 : f32 -> tensor<768xf32>
  %9 = arith.divf %4, %8 : tensor<768xf32>
  tile.store %9, %y[%t] : tensor<768xf32>, <f32>
}

// Places in scratch memory are multiples of 64 bytes: 17 x 4, then 64 x 8; the product, 2 x 3 x 4, comes when neither is
// needed any more.
// CHECK-LABEL: func.func @scratch
// CHECK-SAME: tile.scratch = 640 : i64
// CHECK: llvm.getelementptr %{{.*}}[128]
tile.kernel @scratch(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %d: !tile.buffer<f64>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = tile.load %x[%t] : <f32> -> tensor<17xf32>
  %1 = tile.load %d[%t] : <f64> -> tensor<64xf64>
  %2:2 = scf.for %i = %c0 to %n step %c1 iter_args(%S = %0, %T = %1) -> (tensor<17xf32>, tensor<64xf64>) {
    %3 = arith.negf %S : tensor<17xf32>
    %4 = arith.negf %T : tensor<64xf64>
    scf.yield %3, %4 : tensor<17xf32>, tensor<64xf64>
  }
  tile.store %2#0, %y[%t] : tensor<17xf32>, <f32>
  tile.store %2#1, %d[%t] : tensor<64xf64>, <f64>
  %5 = tile.load %x[%t] : <f32> -> tensor<2x5xf32>
  %6 = tile.load %x[%c0] : <f32> -> tensor<3x5xf32>
  %7 = tile.dot %5, %6 transposed : tensor<2x5xf32>, tensor<3x5xf32> -> tensor<2x3xf32>
  tile.store %7, %y[%c0] : tensor<2x3xf32>, <f32>
}
}
