// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Rows that are not whole vectors: as many full vectors as fit, then halves, down to one element; nothing is read beyond.

module attributes {rwkv.target = #rwkv.target<"test", vector = 256, registers = 16, scratch = 65536>} {

// CHECK-LABEL: func.func @one
// CHECK-COUNT-1: -> vector<1xf32>
// CHECK-NOT: -> vector
tile.kernel @one(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<1xf32>
  tile.store %0, %y[%t] : tensor<1xf32>, <f32>
}

// CHECK-LABEL: func.func @three
// CHECK: -> vector<2xf32>
// CHECK: -> vector<1xf32>
// CHECK-NOT: -> vector
tile.kernel @three(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<3xf32>
  tile.store %0, %y[%t] : tensor<3xf32>, <f32>
}

// CHECK-LABEL: func.func @seventeen
// CHECK-COUNT-2: -> vector<8xf32>
// CHECK: -> vector<1xf32>
// CHECK-NOT: -> vector
tile.kernel @seventeen(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<17xf32>
  tile.store %0, %y[%t] : tensor<17xf32>, <f32>
}

// Twelve full vectors, two at a time, and a half.
// CHECK-LABEL: func.func @hundred
// CHECK-DAG: %[[C16:.*]] = arith.constant 16 : index
// CHECK-DAG: %[[C96:.*]] = arith.constant 96 : index
// CHECK: scf.for %{{.*}} to %[[C96]] step %[[C16]]
// CHECK-COUNT-2: -> vector<8xf32>
// CHECK: }
// CHECK: llvm.getelementptr %{{.*}}[96]
// CHECK-NEXT: -> vector<4xf32>
// CHECK-NOT: -> vector
tile.kernel @hundred(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<100xf32>
  tile.store %0, %y[%t] : tensor<100xf32>, <f32>
}

// A sum: the vectors of one width are added first, each width is summed up once.
// CHECK-LABEL: func.func @sum
// CHECK-COUNT-2: -> vector<8xf32>
// CHECK: -> vector<1xf32>
// CHECK: arith.addf %{{.*}} : vector<8xf32>
// CHECK: %[[A:.*]] = vector.reduction <add>, %{{.*}} : vector<8xf32> into f32
// CHECK: %[[B:.*]] = vector.{{(reduction|extract)}} {{.*}}vector<1xf32>
// CHECK: arith.addf %[[A]], %[[B]]
tile.kernel @sum(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<17xf32>
  %1 = tile.reduce sum %0 over 0 : tensor<17xf32> -> f32
  tile.store %1, %y[%t] : f32, <f32>
}

// Sums over rows of 3 columns: the remainder has sums of its own.
// CHECK-LABEL: func.func @rows
// CHECK: scf.for {{.*}} -> (vector<2xf32>, vector<2xf32>, vector<1xf32>, vector<1xf32>)
// CHECK: llvm.store %{{.*}} : vector<2xf32>
// CHECK: llvm.store %{{.*}} : vector<1xf32>
tile.kernel @rows(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<4x3xf32>
  %1 = tile.reduce sum %0 over 0 : tensor<4x3xf32> -> tensor<3xf32>
  tile.store %1, %y[%t] : tensor<3xf32>, <f32>
}
}
