// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --split-input-file --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Matrix products: sums in registers, as many as the machine has room for.

// 16 registers: four rows times two rows of the weight, a vector along the depth each.
// CHECK: vector = 256, registers = 16
module attributes {rwkv.target = #rwkv.target<"a", vector = 256, registers = 16, scratch = 65536>} {
// CHECK-LABEL: func.func @depth
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : index
// CHECK-DAG: %[[C8:.*]] = arith.constant 8 : index
// CHECK-DAG: %[[C16:.*]] = arith.constant 16 : index
// CHECK-DAG: %[[C64:.*]] = arith.constant 64 : index
// CHECK: scf.for %{{.*}} to %[[C16]] step %[[C2]]
// CHECK:   %{{.*}}:8 = scf.for %{{.*}} to %[[C64]] step %[[C8]]
// CHECK-COUNT-8: math.fma
// CHECK-NOT: math.fma
// CHECK:   scf.yield
// CHECK-COUNT-8: vector.reduction <add>
// What is left of the depth: one product each.
// CHECK-COUNT-8: arith.mulf %{{.*}} : vector<4xf32>
// CHECK-COUNT-8: arith.addf %{{.*}} : f32
// CHECK-COUNT-8: llvm.store %{{.*}} : f32
tile.kernel @depth(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<bf16>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<4x68xf32>
  %1 = tile.load %w[%t] : <bf16> -> tensor<16x68xf32>
  %2 = tile.dot %0, %1 transposed : tensor<4x68xf32>, tensor<16x68xf32> -> tensor<4x16xf32>
  tile.store %2, %y[%t] : tensor<4x16xf32>, <f32>
}

// Four rows times two vectors of columns; elements of the rows are repeated.
// CHECK-LABEL: func.func @columns
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[C68:.*]] = arith.constant 68 : index
// CHECK-COUNT-2: scf.for %{{.*}} to %[[C68]] step %[[C1]] iter_args({{.*}}) -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>) {
// CHECK-COUNT-8: math.fma
// CHECK-NOT: math.fma
// CHECK: scf.yield
tile.kernel @columns(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<bf16>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<4x68xf32>
  %1 = tile.load %w[%t] stride 96 : <bf16> -> tensor<68x32xf32>
  %2 = tile.dot %0, %1 : tensor<4x68xf32>, tensor<68x32xf32> -> tensor<4x32xf32>
  tile.store %2, %y[%t] : tensor<4x32xf32>, <f32>
}

// One row: more columns at a time, also of remainders.
// CHECK-LABEL: func.func @row
// CHECK: scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<2xf32>, vector<1xf32>)
// CHECK-NOT: scf.for
tile.kernel @row(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<bf16>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<1x64xf32>
  %1 = tile.load %w[%t] : <bf16> -> tensor<64x35xf32>
  %2 = tile.dot %0, %1 : tensor<1x64xf32>, tensor<64x35xf32> -> tensor<1x35xf32>
  tile.store %2, %y[%t] : tensor<1x35xf32>, <f32>
}
}

// -----

// 32 registers, 512 bits: four rows times four rows of the weight (the largest divisor of 16 up to 5).
// CHECK: vector = 512, registers = 32
module attributes {rwkv.target = #rwkv.target<"b", vector = 512, registers = 32, scratch = 65536>} {
// CHECK-LABEL: func.func @depth
// CHECK: %{{.*}}:16 = scf.for
// CHECK-COUNT-16: math.fma {{.*}} : vector<16xf32>
// CHECK-NOT: math.fma
tile.kernel @depth(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<bf16>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<4x64xf32>
  %1 = tile.load %w[%t] : <bf16> -> tensor<16x64xf32>
  %2 = tile.dot %0, %1 transposed : tensor<4x64xf32>, tensor<16x64xf32> -> tensor<4x16xf32>
  tile.store %2, %y[%t] : tensor<4x16xf32>, <f32>
}

// One row times eight rows of the weight.
// CHECK-LABEL: func.func @row
// CHECK: %{{.*}}:8 = scf.for
// CHECK-COUNT-8: math.fma
// CHECK-NOT: math.fma
tile.kernel @row(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<bf16>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<1x64xf32>
  %1 = tile.load %w[%t] : <bf16> -> tensor<16x64xf32>
  %2 = tile.dot %0, %1 transposed : tensor<1x64xf32>, tensor<16x64xf32> -> tensor<1x16xf32>
  tile.store %2, %y[%t] : tensor<1x16xf32>, <f32>
}

// Four rows times five vectors of columns would fit; there are four, all at once.
// CHECK-LABEL: func.func @columns
// CHECK: %{{.*}}:16 = scf.for
// CHECK-COUNT-16: math.fma {{.*}} : vector<16xf32>
// CHECK-NOT: math.fma
// CHECK: scf.yield
// CHECK-NOT: math.fma
tile.kernel @columns(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<bf16>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<4x68xf32>
  %1 = tile.load %w[%t] : <bf16> -> tensor<68x64xf32>
  %2 = tile.dot %0, %1 : tensor<4x68xf32>, tensor<68x64xf32> -> tensor<4x64xf32>
  tile.store %2, %y[%t] : tensor<4x64xf32>, <f32>
}

// More rows than four: blocks of four rows, or of the largest divisor below.
// CHECK-LABEL: func.func @rows
// CHECK-DAG: %[[C3:.*]] = arith.constant 3 : index
// CHECK-DAG: %[[C6:.*]] = arith.constant 6 : index
// CHECK: scf.for %{{.*}} to %[[C6]] step %[[C3]]
// CHECK: %{{.*}}:3 = scf.for
// CHECK-COUNT-3: math.fma
// CHECK-NOT: math.fma
tile.kernel @rows(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<6x64xf32>
  %1 = tile.load %w[%t] : <f32> -> tensor<64x16xf32>
  %2 = tile.dot %0, %1 : tensor<6x64xf32>, tensor<64x16xf32> -> tensor<6x16xf32>
  tile.store %2, %y[%t] : tensor<6x16xf32>, <f32>
}

// A product per block of two rows; the two blocks on the left are used again for the last four rows.
// CHECK-LABEL: func.func @blocks
// CHECK-DAG: %[[C4:.*]] = arith.constant 4 : index
// CHECK: scf.for
// CHECK: scf.for %[[GROUP:.*]] = %{{.*}} to %[[C4]] step
// CHECK:   arith.remui %{{.*}}, %[[C4]]
// CHECK:   %{{.*}}:2 = scf.for
// CHECK-COUNT-2: math.fma
// CHECK-NOT: math.fma
tile.kernel @blocks(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<4x2xf32>
  %1 = tile.load %w[%t] : <f32> -> tensor<8x16xf32>
  %2 = tile.dot %0, %1 blocks 2 : tensor<4x2xf32>, tensor<8x16xf32> -> tensor<8x16xf32>
  tile.store %2, %y[%t] : tensor<8x16xf32>, <f32>
}
}
