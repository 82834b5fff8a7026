// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// The function that the runtime calls: buffers, sizes, scratch and status from its struct, a loop over the tasks. The host
// side is gone from the module.

// CHECK-NOT: tile.launch
// CHECK-NOT: rwkv.model
module attributes {rwkv.target = #rwkv.target<"test", vector = 256, registers = 16, scratch = 65536>} {

rwkv.model @m {
  func.func @f(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
    %B = tile.size B
    %T = tile.size T
    %n = arith.muli %B, %T : index
    %0 = tile.launch @arguments tasks(%n) (%x) weights []
      : (tensor<?x?xf32>) -> tensor<?x?xf32>
    return %0 : tensor<?x?xf32>
  }
}

// CHECK-LABEL: func.func @arguments(
// CHECK-SAME: %[[ARGS:.*]]: !llvm.ptr, %[[BEGIN:.*]]: i64, %[[END:.*]]: i64)
// CHECK: %[[BUFFERS:.*]] = llvm.load %[[ARGS]]
// CHECK: %[[P:.*]] = llvm.getelementptr %[[ARGS]][1] : (!llvm.ptr) -> !llvm.ptr, i64
// CHECK: %[[SIZES:.*]] = llvm.load %[[P]]
// CHECK: %[[P:.*]] = llvm.getelementptr %[[SIZES]][1] : (!llvm.ptr) -> !llvm.ptr, i64
// CHECK: %[[WORD:.*]] = llvm.load %[[P]] {alignment = 8 : i64} : !llvm.ptr -> i64
// CHECK: %[[T:.*]] = arith.index_cast %[[WORD]]
// CHECK: %[[X:.*]] = llvm.load %[[BUFFERS]]
// CHECK: %[[P:.*]] = llvm.getelementptr %[[BUFFERS]][1] : (!llvm.ptr) -> !llvm.ptr, i64
// CHECK: %[[Y:.*]] = llvm.load %[[P]]
// CHECK-DAG: %[[FROM:.*]] = arith.index_cast %[[BEGIN]]
// CHECK-DAG: %[[TO:.*]] = arith.index_cast %[[END]]
// CHECK: scf.for %[[TASK:.*]] = %[[FROM]] to %[[TO]] step
// CHECK:   arith.muli %[[TASK]], %[[T]]
// CHECK-DAG: llvm.getelementptr %[[X]]
// CHECK-DAG: llvm.getelementptr %[[Y]]
// CHECK: return
tile.kernel @arguments(%task: index, %b: index, %t: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = arith.muli %task, %t : index
  %1 = tile.load %x[%0] : <f32> -> f32
  tile.store %1, %y[%0] : f32, <f32>
}

// The sequence of a token: bisection over cu_seqlens.
// CHECK-LABEL: func.func @sequence
// CHECK: scf.for %[[TASK:.*]] =
// CHECK: %[[FOUND:.*]]:2 = scf.while (%[[LOW:.*]] = %{{.*}}, %[[HIGH:.*]] = %{{.*}})
// CHECK:   %[[SIZE:.*]] = arith.subi %[[HIGH]], %[[LOW]]
// CHECK:   arith.cmpi sgt, %[[SIZE]], %{{.*}}
// CHECK: } do {
// CHECK:   arith.shrui
// CHECK:   %[[START:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> i32
// CHECK:   %[[INDEX:.*]] = arith.index_cast %[[START]] : i32 to index
// CHECK:   %[[BELOW:.*]] = arith.cmpi sle, %[[INDEX]], %[[TASK]]
// CHECK-COUNT-2: arith.select %[[BELOW]]
// CHECK: }
// CHECK: arith.index_cast %[[FOUND]]#0
tile.kernel @sequence(%task: index, %b: index, %t: index, %s: index, %cu: !tile.buffer<i32>, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %0 = tile.sequence_of %task in %cu[%s] : <i32>
  %1 = tile.load %x[%0] : <f32> -> f32
  tile.store %1, %y[%task] : f32, <f32>
}

// A flag is ORed into the status, whatever is there already.
// CHECK-LABEL: func.func @flag
// CHECK-SAME: %[[ARGS:.*]]: !llvm.ptr,
// CHECK: %[[P:.*]] = llvm.getelementptr %[[ARGS]][3]
// CHECK: %[[STATUS:.*]] = llvm.load %[[P]]
// CHECK: %[[BAD:.*]] = arith.cmpf ogt
// CHECK: %[[OLD:.*]] = llvm.load %[[STATUS]] {alignment = 4 : i64} : !llvm.ptr -> i32
// CHECK: %[[BIT:.*]] = arith.extui %[[BAD]] : i1 to i32
// CHECK: %[[NEW:.*]] = arith.ori %[[OLD]], %[[BIT]]
// CHECK: llvm.store %[[NEW]], %[[STATUS]]
// Each assertion has a bit, those from the last on share it.
// CHECK: arith.select %[[BAD]], %c8_i32, %c0_i32 : i32
// CHECK: arith.select %[[BAD]], %c1073741824_i32, %c0_i32 : i32
tile.kernel @flag(%task: index, %b: index, %t: index, %s: index, %x: !tile.buffer<f32>) {
  %z = arith.constant 0.0 : f32
  %0 = tile.load %x[%task] : <f32> -> f32
  %1 = arith.cmpf ogt, %0, %z : f32
  tile.flag %1
  tile.flag %1 number 3
  tile.flag %1 number 47
}
}
