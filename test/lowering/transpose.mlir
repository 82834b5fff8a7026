// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --split-input-file --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Transposes go through registers, where sizes permit.

module attributes {rwkv.target = #rwkv.target<"a", vector = 256, registers = 16, scratch = 65536>} {
// Squares of eight rows: three times every second number of two vectors.
// CHECK-LABEL: func.func @squares
// CHECK-COUNT-8: llvm.load %{{.*}} -> vector<8xf32>
// CHECK-NEXT: vector.shuffle %{{.*}}, %{{.*}} [0, 2, 4, 6, 8, 10, 12, 14] : vector<8xf32>, vector<8xf32>
// CHECK-NEXT: vector.shuffle %{{.*}}, %{{.*}} [1, 3, 5, 7, 9, 11, 13, 15] : vector<8xf32>, vector<8xf32>
// CHECK-COUNT-22: vector.shuffle
// CHECK-NOT: vector.shuffle
// CHECK: llvm.store %{{.*}} : vector<8xf32>
tile.kernel @squares(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<16x24xf32>
  %1 = tile.transpose %0 : tensor<16x24xf32> -> tensor<24x16xf32>
  tile.store %1, %y[%t] : tensor<24x16xf32>, <f32>
}

// Narrow rows side by side are taken apart, and put together.
// CHECK-LABEL: func.func @narrow
// CHECK: vector.shuffle %{{.*}}, %{{.*}} [0, 2, 4, 6, 8, 10, 12, 14] : vector<8xf32>, vector<8xf32>
// CHECK-NEXT: vector.shuffle %{{.*}}, %{{.*}} [1, 3, 5, 7, 9, 11, 13, 15] : vector<8xf32>, vector<8xf32>
// CHECK-NOT: vector.shuffle
// CHECK: llvm.store
// CHECK: vector.shuffle %{{.*}}, %{{.*}} [0, 8, 1, 9, 2, 10, 3, 11] : vector<8xf32>, vector<8xf32>
// CHECK-NEXT: vector.shuffle %{{.*}}, %{{.*}} [4, 12, 5, 13, 6, 14, 7, 15] : vector<8xf32>, vector<8xf32>
// CHECK-NOT: vector.shuffle
tile.kernel @narrow(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<16x2xf32>
  %1 = tile.transpose %0 : tensor<16x2xf32> -> tensor<2x16xf32>
  %2 = arith.addf %1, %1 : tensor<2x16xf32>
  %3 = tile.transpose %2 : tensor<2x16xf32> -> tensor<16x2xf32>
  tile.store %3, %y[%t] : tensor<16x2xf32>, <f32>
}

// Sizes with nothing in common with vectors: number by number.
// CHECK-LABEL: func.func @odd
// CHECK-NOT: vector.shuffle
// CHECK: llvm.load %{{.*}} -> f32
// CHECK: llvm.store %{{.*}} : f32
tile.kernel @odd(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<9x5xf32>
  %1 = tile.transpose %0 : tensor<9x5xf32> -> tensor<5x9xf32>
  tile.store %1, %y[%t] : tensor<5x9xf32>, <f32>
}
}
