// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-expand-math | FileCheck %s --check-prefixes=CHECK,PLAIN
// RUN: rwkv-opt %s --tile-expand-math=native-exp2 | FileCheck %s --check-prefixes=CHECK,NATIVE

// Powers that may be approximate are left to a machine that has an instruction for them; all others become arithmetic.

// CHECK-LABEL: tile.kernel @exact(
// CHECK-NOT: math.exp
// CHECK: tile.store
tile.kernel @exact(%task: index, %B: index, %T: index, %S: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%task] : <f32> -> tensor<8xf32>
  %1 = math.exp %0 : tensor<8xf32>
  %2 = math.exp2 %1 : tensor<8xf32>
  tile.store %2, %y[%task] : tensor<8xf32>, <f32>
}

// CHECK-LABEL: tile.kernel @approximate(
// PLAIN-NOT: math.exp
// NATIVE: %[[X:.*]] = tile.load
// NATIVE: %[[LOG2E:.*]] = arith.constant dense<1.44269502> : tensor<8xf32>
// NATIVE: %[[PRODUCT:.*]] = arith.mulf %[[X]], %[[LOG2E]] : tensor<8xf32>
// NATIVE: %[[EXP:.*]] = math.exp2 %[[PRODUCT]] fastmath<afn> : tensor<8xf32>
// NATIVE: %[[EXP2:.*]] = math.exp2 %[[EXP]] fastmath<afn> : tensor<8xf32>
// NATIVE: tile.store %[[EXP2]]
// PLAIN: tile.store
tile.kernel @approximate(%task: index, %B: index, %T: index, %S: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%task] : <f32> -> tensor<8xf32>
  %1 = math.exp %0 fastmath<afn> : tensor<8xf32>
  %2 = math.exp2 %1 fastmath<afn> : tensor<8xf32>
  tile.store %2, %y[%task] : tensor<8xf32>, <f32>
}

// CHECK-LABEL: tile.kernel @number(
// PLAIN-NOT: math.exp
// NATIVE: %[[LOG2E:.*]] = arith.constant 1.44269502 : f32
// NATIVE: %[[PRODUCT:.*]] = arith.mulf %{{.*}}, %[[LOG2E]] : f32
// NATIVE: math.exp2 %[[PRODUCT]] fastmath<afn> : f32
// CHECK: tile.store
tile.kernel @number(%task: index, %B: index, %T: index, %S: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%task] : <f32> -> f32
  %1 = math.exp %0 fastmath<afn> : f32
  tile.store %1, %y[%task] : f32, <f32>
}

// What is broadcast is multiplied before it is: the power of a difference takes one instruction for each element.
// CHECK-LABEL: tile.kernel @difference(
// NATIVE: %[[X:.*]] = tile.load %{{.*}} -> tensor<2x8xf32>
// NATIVE: %[[ROW:.*]] = tile.load %{{.*}} -> tensor<8xf32>
// NATIVE: %[[MINUS:.*]] = arith.constant dense<-1.44269502> : tensor<8xf32>
// NATIVE: %[[SCALED:.*]] = arith.mulf %[[ROW]], %[[MINUS]] : tensor<8xf32>
// NATIVE: %[[REST:.*]] = tile.broadcast %[[SCALED]] on 1
// NATIVE: %[[LOG2E:.*]] = arith.constant dense<1.44269502> : tensor<2x8xf32>
// NATIVE: %[[POWER:.*]] = math.fma %[[X]], %[[LOG2E]], %[[REST]] : tensor<2x8xf32>
// NATIVE: math.exp2 %[[POWER]] fastmath<afn> : tensor<2x8xf32>
// NATIVE: %[[LOG2E:.*]] = arith.constant dense<1.44269502> : tensor<8xf32>
// NATIVE: %[[SCALED:.*]] = arith.mulf %[[ROW]], %[[LOG2E]] : tensor<8xf32>
// NATIVE: %[[REST:.*]] = tile.broadcast %[[SCALED]] on 1
// NATIVE: %[[MINUS:.*]] = arith.constant dense<-1.44269502> : tensor<2x8xf32>
// NATIVE: %[[POWER:.*]] = math.fma %[[X]], %[[MINUS]], %[[REST]] : tensor<2x8xf32>
// NATIVE: math.exp2 %[[POWER]] fastmath<afn> : tensor<2x8xf32>
// CHECK: tile.store
tile.kernel @difference(%task: index, %B: index, %T: index, %S: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%task] : <f32> -> tensor<2x8xf32>
  %1 = tile.load %y[%task] : <f32> -> tensor<8xf32>
  %2 = tile.broadcast %1 on 1 : tensor<8xf32> -> tensor<2x8xf32>
  %3 = arith.subf %0, %2 : tensor<2x8xf32>
  %4 = math.exp %3 fastmath<afn> : tensor<2x8xf32>
  %5 = arith.subf %2, %0 : tensor<2x8xf32>
  %6 = math.exp %5 fastmath<afn> : tensor<2x8xf32>
  %7 = arith.mulf %4, %6 : tensor<2x8xf32>
  tile.store %7, %y[%task] : tensor<2x8xf32>, <f32>
}

// The machine has no such instruction for f64, and none for other functions.
// CHECK-LABEL: tile.kernel @others(
// CHECK-NOT: math.exp
// CHECK-NOT: math.log
// CHECK: tile.store
tile.kernel @others(%task: index, %B: index, %T: index, %S: index, %x: !tile.buffer<f64>, %y: !tile.buffer<f32>) {
  %0 = tile.load %x[%task] : <f64> -> tensor<8xf64>
  %1 = math.exp %0 fastmath<afn> : tensor<8xf64>
  tile.store %1, %x[%task] : tensor<8xf64>, <f64>
  %2 = tile.load %y[%task] : <f32> -> tensor<8xf32>
  %3 = math.log %2 fastmath<afn> : tensor<8xf32>
  tile.store %3, %y[%task] : tensor<8xf32>, <f32>
}
