// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Conversions between what is stored and what is computed.

module attributes {rwkv.target = #rwkv.target<"test", vector = 256, registers = 16, scratch = 65536>} {

// bf16 to f32: the bits, shifted. Back: rounded to nearest even in integers, a NaN stays a (quiet) NaN.
// CHECK-LABEL: func.func @bf16
// CHECK-NOT: arith.extf
// CHECK-NOT: arith.truncf
// CHECK-DAG: %[[QUIET:.*]] = arith.constant dense<4194304> : vector<8xi32>
// CHECK-DAG: %[[HALF:.*]] = arith.constant dense<32767> : vector<8xi32>
// CHECK-DAG: %[[ONE:.*]] = arith.constant dense<1> : vector<8xi32>
// CHECK-DAG: %[[SIXTEEN:.*]] = arith.constant dense<16> : vector<8xi32>
// CHECK: %[[X:.*]] = llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr -> vector<8xbf16>
// CHECK: %[[BITS:.*]] = arith.bitcast %[[X]] : vector<8xbf16> to vector<8xi16>
// CHECK: %[[WIDE:.*]] = arith.extui %[[BITS]]
// CHECK: %[[UP:.*]] = arith.shli %[[WIDE]], %[[SIXTEEN]]
// CHECK: %[[F:.*]] = arith.bitcast %[[UP]] : vector<8xi32> to vector<8xf32>
// CHECK: %[[Y:.*]] = arith.mulf %[[F]], %[[F]]
// CHECK: %[[BITS:.*]] = arith.bitcast %[[Y]] : vector<8xf32> to vector<8xi32>
// CHECK: %[[HIGH:.*]] = arith.shrui %[[BITS]], %[[SIXTEEN]]
// CHECK: %[[ODD:.*]] = arith.andi %[[HIGH]], %[[ONE]]
// CHECK: %[[SUM:.*]] = arith.addi %[[BITS]], %[[HALF]]
// CHECK: %[[ROUNDED:.*]] = arith.addi %[[SUM]], %[[ODD]]
// CHECK: %[[NAN:.*]] = arith.cmpf uno, %[[Y]], %[[Y]]
// CHECK: %[[KEPT:.*]] = arith.ori %[[BITS]], %[[QUIET]]
// CHECK: %[[CHOSEN:.*]] = arith.select %[[NAN]], %[[KEPT]], %[[ROUNDED]]
// CHECK: %[[DOWN:.*]] = arith.shrui %[[CHOSEN]], %[[SIXTEEN]]
// CHECK: %[[SHORT:.*]] = arith.trunci %[[DOWN]] : vector<8xi32> to vector<8xi16>
// CHECK: arith.bitcast %[[SHORT]] : vector<8xi16> to vector<8xbf16>
tile.kernel @bf16(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %y: !tile.buffer<bf16>) {
  %0 = tile.load %x[%t] : <bf16> -> tensor<8xf32>
  %1 = arith.mulf %0, %0 : tensor<8xf32>
  tile.store %1, %y[%t] : tensor<8xf32>, <bf16>
}

// Single elements in the same way.
// CHECK-LABEL: func.func @number
// CHECK-NOT: arith.extf
// CHECK-NOT: arith.truncf
// CHECK: llvm.load %{{.*}} -> bf16
// CHECK: arith.shli %{{.*}} : i32
// CHECK: arith.trunci %{{.*}} : i32 to i16
// CHECK: llvm.store %{{.*}} : bf16
tile.kernel @number(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %y: !tile.buffer<bf16>) {
  %0 = tile.load %x[%t] : <bf16> -> f32
  tile.store %0, %y[%t] : f32, <bf16>
}

// f16 by the target's instructions.
// CHECK-LABEL: func.func @f16
// CHECK: arith.extf %{{.*}} : vector<8xf16> to vector<8xf32>
// CHECK: arith.truncf %{{.*}} : vector<8xf32> to vector<8xf16>
tile.kernel @f16(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f16>, %y: !tile.buffer<f16>) {
  %0 = tile.load %x[%t] : <f16> -> tensor<8xf32>
  %1 = arith.negf %0 : tensor<8xf32>
  tile.store %1, %y[%t] : tensor<8xf32>, <f16>
}

// f64: half as many lanes; from and to f32.
// CHECK-LABEL: func.func @f64
// CHECK: %[[X:.*]] = llvm.load %{{.*}} -> vector<4xf32>
// CHECK: %[[Y:.*]] = arith.extf %[[X]] : vector<4xf32> to vector<4xf64>
// CHECK: %[[N:.*]] = arith.negf %[[Y]]
// CHECK: %[[Z:.*]] = arith.truncf %[[N]] : vector<4xf64> to vector<4xf32>
// CHECK: llvm.store %[[Z]]
tile.kernel @f64(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<8xf64>
  %1 = arith.negf %0 : tensor<8xf64>
  tile.store %1, %y[%t] : tensor<8xf64>, <f32>
}
}
