// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// A loop over tokens fetches the rows of the next token, which lie apart from those of this one.
module attributes {rwkv.target = #rwkv.target<"test", vector = 256, registers = 16, scratch = 65536>} {
// CHECK-LABEL: func.func @rows
// CHECK: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %{{.*}} {
// CHECK: scf.for %[[TOKEN:.*]] = %{{.*}} to %{{.*}} step %[[STEP:.*]] {
// CHECK: %[[NEXT:.*]] = arith.addi %[[TOKEN]], %[[STEP]]
// CHECK: arith.muli %[[NEXT]]
// CHECK-COUNT-2: llvm.intr.prefetch
// CHECK-NOT: llvm.intr.prefetch
// CHECK: return
tile.kernel @rows(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>, %z: !tile.buffer<f32>) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  %c = arith.constant 512 : index
  %first = tile.load %x[%0] : <f32> -> tensor<32xf32>
  %sum = scf.for %i = %0 to %n step %1 iter_args(%a = %first) -> (tensor<32xf32>) {
    %at = arith.muli %i, %c : index
    %row = tile.load %x[%at] : <f32> -> tensor<32xf32>
    // The same for all tokens.
    %same = tile.load %y[%t] : <f32> -> tensor<32xf32>
    %p = arith.mulf %row, %same : tensor<32xf32>
    %next = arith.addf %a, %p : tensor<32xf32>
    scf.yield %next : tensor<32xf32>
  }
  tile.store %sum, %z[%t] : tensor<32xf32>, <f32>
}

// A loop over chunks fetches the rows of the next chunk, some of the eight before each of its three nests.
// CHECK-LABEL: func.func @chunks
// CHECK: scf.for
// CHECK: scf.for %[[TOKEN:.*]] = %{{.*}} to %{{.*}} step %[[STEP:.*]] {
// CHECK: %[[NEXT:.*]] = arith.addi %[[TOKEN]], %[[STEP]]
// CHECK-COUNT-3: llvm.intr.prefetch
// CHECK-NOT: llvm.intr.prefetch
// CHECK: scf.for
// CHECK: }
// CHECK-COUNT-3: llvm.intr.prefetch
// CHECK-NOT: llvm.intr.prefetch
// CHECK: vector.reduction
// CHECK-COUNT-2: llvm.intr.prefetch
// CHECK-NOT: llvm.intr.prefetch
// CHECK: return
tile.kernel @chunks(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>, %z: !tile.buffer<f32>) {
  %0 = arith.constant 0 : index
  %8 = arith.constant 8 : index
  %c = arith.constant 512 : index
  %first = tile.load %y[%0] : <f32> -> tensor<16xf32>
  %sum = scf.for %i = %0 to %n step %8 iter_args(%a = %first) -> (tensor<16xf32>) {
    %at = arith.muli %i, %c : index
    %rows = tile.load %x[%at] stride 512 : <f32> -> tensor<8x16xf32>
    %of = tile.reduce sum %rows over 0 : tensor<8x16xf32> -> tensor<16xf32>
    %all = tile.reduce sum %of over 0 : tensor<16xf32> -> f32
    %each = tile.broadcast %all : f32 -> tensor<16xf32>
    %p = arith.mulf %of, %each : tensor<16xf32>
    %next = arith.addf %a, %p : tensor<16xf32>
    scf.yield %next : tensor<16xf32>
  }
  tile.store %sum, %z[%t] : tensor<16xf32>, <f32>
}
}
