// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Loops of reductions: what they run over, what stays in registers, what is computed outside of them.

module attributes {rwkv.target = #rwkv.target<"test", vector = 256, registers = 16, scratch = 65536>} {

// Over rows: a loop over rows, four at a time with a sum each, over one vector of columns. What depends on the columns alone
// is computed in front of the loop, what depends on the row alone is a scalar, repeated inside.
// CHECK-LABEL: func.func @over_rows
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : vector<8xf32>
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C4:.*]] = arith.constant 4 : index
// CHECK-DAG: %[[C16:.*]] = arith.constant 16 : index
// CHECK: scf.for
// CHECK:   llvm.load %{{.*}} -> vector<8xf32>
// CHECK:   %[[E:.*]] = math.sqrt %{{.*}} : vector<8xf32>
// CHECK:   %[[SUMS:.*]]:4 = scf.for %{{.*}} = %[[C0]] to %[[C16]] step %[[C4]] iter_args(%{{.*}} = %[[ZERO]], %{{.*}} = %[[ZERO]], %{{.*}} = %[[ZERO]], %{{.*}} = %[[ZERO]])
// CHECK-NOT: math.sqrt
// CHECK-COUNT-4: arith.mulf %{{.*}}, %[[E]]
// CHECK:     scf.yield
// CHECK:   arith.addf %[[SUMS]]#0, %[[SUMS]]#1
// CHECK-NOT: scf.for
tile.kernel @over_rows(%t: index, %b: index, %n: index, %s: index, %a: !tile.buffer<f32>, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %a[%c0] : <f32> -> tensor<16x8xf32>
  %k = tile.load %x[%c0] : <f32> -> tensor<16xf32>
  %v = tile.load %x[%t] : <f32> -> tensor<8xf32>
  %K = tile.broadcast %k on 0 : tensor<16xf32> -> tensor<16x8xf32>
  %V = tile.broadcast %v on 1 : tensor<8xf32> -> tensor<16x8xf32>
  %e = math.sqrt %V : tensor<16x8xf32>
  %1 = arith.mulf %A, %K : tensor<16x8xf32>
  %2 = arith.mulf %1, %e : tensor<16x8xf32>
  %3 = tile.reduce sum %2 over 0 : tensor<16x8xf32> -> tensor<8xf32>
  tile.store %3, %y[%c0] : tensor<8xf32>, <f32>
}

// Two sums over the same rows are one loop, over three vectors of columns: one sum per vector, one row at a time.
// CHECK-LABEL: func.func @two_sums
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[C16:.*]] = arith.constant 16 : index
// CHECK: scf.for
// CHECK:   %{{.*}}:6 = scf.for %{{.*}} to %[[C16]] step %[[C1]]
// CHECK-COUNT-3: llvm.load %{{.*}} -> vector<8xf32>
// CHECK-NOT: llvm.load
// CHECK:   scf.yield
// CHECK-NOT: scf.for
tile.kernel @two_sums(%t: index, %b: index, %n: index, %s: index, %a: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %a[%c0] : <f32> -> tensor<16x24xf32>
  %1 = tile.reduce sum %A over 0 : tensor<16x24xf32> -> tensor<24xf32>
  %2 = arith.mulf %A, %A : tensor<16x24xf32>
  %3 = tile.reduce sum %2 over 0 : tensor<16x24xf32> -> tensor<24xf32>
  %4 = arith.mulf %1, %3 : tensor<24xf32>
  tile.store %4, %y[%c0] : tensor<24xf32>, <f32>
}

// Over columns: rows outside; a factor of the row is not loaded per column. One element per row is stored.
// CHECK-LABEL: func.func @over_columns
// CHECK: scf.for
// CHECK:   scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step
// CHECK:     llvm.load %{{.*}} -> f32
// CHECK-NOT: scf.for
// CHECK-COUNT-2: llvm.load %{{.*}} -> vector<8xf32>
// CHECK:     vector.reduction <add>, %{{.*}} fastmath<reassoc> : vector<8xf32> into f32
// CHECK:     llvm.store %{{.*}} : f32
tile.kernel @over_columns(%t: index, %b: index, %n: index, %s: index, %a: !tile.buffer<f32>, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %a[%c0] : <f32> -> tensor<6x16xf32>
  %k = tile.load %x[%c0] : <f32> -> tensor<6xf32>
  %K = tile.broadcast %k on 0 : tensor<6xf32> -> tensor<6x16xf32>
  %1 = arith.mulf %A, %K : tensor<6x16xf32>
  %2 = tile.reduce sum %1 over 1 : tensor<6x16xf32> -> tensor<6xf32>
  tile.store %2, %y[%c0] : tensor<6xf32>, <f32>
}

// Long vectors: a loop of four vectors at a time, each with its sum.
// CHECK-LABEL: func.func @long
// CHECK-DAG: %[[C32:.*]] = arith.constant 32 : index
// CHECK-DAG: %[[C768:.*]] = arith.constant 768 : index
// CHECK: %[[SUMS:.*]]:4 = scf.for %{{.*}} to %[[C768]] step %[[C32]]
// CHECK-DAG: arith.addf %[[SUMS]]#0, %[[SUMS]]#3
// CHECK-DAG: arith.addf %[[SUMS]]#1, %[[SUMS]]#2
// CHECK: vector.reduction <add>
// CHECK-NOT: vector.reduction
tile.kernel @long(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %1 = tile.load %x[%c0] : <f32> -> tensor<768xf32>
  %2 = tile.reduce sum %1 over 0 : tensor<768xf32> -> f32
  tile.store %2, %y[%t] : f32, <f32>
}

// The largest element; a NaN wins.
// CHECK-LABEL: func.func @largest
// CHECK: %[[LOW:.*]] = arith.constant dense<0xFF800000> : vector<8xf32>
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[LOW]]
// CHECK: arith.maximumf %{{.*}} : vector<8xf32>
// CHECK: vector.reduction <maximumf>, %{{.*}} : vector<8xf32> into f32
tile.kernel @largest(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %1 = tile.load %x[%c0] : <f32> -> tensor<768xf32>
  %2 = tile.reduce max %1 over 0 : tensor<768xf32> -> f32
  tile.store %2, %y[%t] : f32, <f32>
}
}
