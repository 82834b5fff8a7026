// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Tiles that a loop carries lie in memory of their own for as long as it runs.

module attributes {rwkv.target = #rwkv.target<"test", vector = 256, registers = 16, scratch = 65536>} {

// In place: every element is read, changed and written at one point.
// CHECK-LABEL: func.func @in_place
// CHECK-SAME: tile.scratch = 256 : i64
// CHECK: scf.for
// CHECK:   scf.for
// CHECK:     %[[OLD:.*]] = llvm.load %[[AT:[^ ]*]] {{.*}} -> vector<8xf32>
// CHECK:     %[[NEW:.*]] = arith.addf %[[OLD]], %[[OLD]]
// CHECK:     llvm.store %[[NEW]], %[[AT]]
tile.kernel @in_place(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = tile.load %x[%c0] : <f32> -> tensor<64xf32>
  %1 = scf.for %i = %c0 to %n step %c1 iter_args(%S = %0) -> (tensor<64xf32>) {
    %2 = arith.addf %S, %S : tensor<64xf32>
    scf.yield %2 : tensor<64xf32>
  }
  tile.store %1, %y[%c0] : tensor<64xf32>, <f32>
}

// Two states that change places: both are read before either is written, element by element.
// CHECK-LABEL: func.func @swapped
// CHECK-SAME: tile.scratch = 128 : i64
// CHECK: scf.for
// CHECK:   scf.for
// CHECK:     %[[X:.*]] = llvm.load %[[P:[^ ]*]] {{.*}} -> vector<8xf32>
// CHECK:     %[[Y:.*]] = llvm.load %[[Q:[^ ]*]] {{.*}} -> vector<8xf32>
// CHECK-DAG: llvm.store %[[X]], %[[Q]]
// CHECK-DAG: llvm.store %[[Y]], %[[P]]
// CHECK:   }
tile.kernel @swapped(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = tile.load %x[%c0] : <f32> -> tensor<8xf32>
  %1 = tile.load %x[%t] : <f32> -> tensor<8xf32>
  %2:2 = scf.for %i = %c0 to %n step %c1 iter_args(%S = %0, %T = %1) -> (tensor<8xf32>, tensor<8xf32>) {
    scf.yield %T, %S : tensor<8xf32>, tensor<8xf32>
  }
  %3 = arith.subf %2#0, %2#1 : tensor<8xf32>
  tile.store %3, %y[%c0] : tensor<8xf32>, <f32>
}

// The old value is read again after the new one is known, at other points: the new one is written beside it and copied at the
// end of each turn.
// CHECK-LABEL: func.func @delayed
// CHECK-SAME: tile.scratch = 128 : i64
// CHECK: %[[BESIDE:.*]] = llvm.getelementptr %[[PLACE:.*]][64] : (!llvm.ptr) -> !llvm.ptr, i8
// CHECK: scf.for
// CHECK:   scf.for
// CHECK:     %[[OLD:.*]] = llvm.load %[[PLACE]] {{.*}} -> vector<8xf32>
// CHECK:     %[[NEW:.*]] = arith.addf %[[OLD]], %[[OLD]]
// CHECK:     llvm.store %[[NEW]], %[[BESIDE]]
// CHECK:     scf.for
// CHECK:       llvm.getelementptr %[[PLACE]][%{{.*}}]
// CHECK:       llvm.load %{{.*}} -> f32
// CHECK:     }
// CHECK:     %[[COPY:.*]] = llvm.load %[[BESIDE]] {{.*}} -> vector<8xf32>
// CHECK:     llvm.store %[[COPY]], %[[PLACE]]
// CHECK:   }
tile.kernel @delayed(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = tile.load %x[%c0] : <f32> -> tensor<8xf32>
  %1 = scf.for %i = %c0 to %n step %c1 iter_args(%S = %0) -> (tensor<8xf32>) {
    %2 = arith.addf %S, %S : tensor<8xf32>
    %3 = tile.reduce sum %2 over 0 : tensor<8xf32> -> f32
    %4 = tile.broadcast %3 : f32 -> tensor<8x8xf32>
    %5 = tile.broadcast %S on 0 : tensor<8xf32> -> tensor<8x8xf32>
    %6 = arith.mulf %4, %5 : tensor<8x8xf32>
    tile.store %6, %y[%i] : tensor<8x8xf32>, <f32>
    scf.yield %2 : tensor<8xf32>
  }
  tile.store %1, %y[%c0] : tensor<8xf32>, <f32>
}

// Numbers are carried in registers, beside tiles in memory; a branch writes to the memory of its result.
// CHECK-LABEL: func.func @numbers
// CHECK-SAME: tile.scratch = 128 : i64
// CHECK: scf.for
// CHECK:   %[[F:.*]] = scf.for {{.*}} iter_args(%[[SUM:.*]] = %{{.*}}) -> (f32)
// CHECK:     arith.addf %[[SUM]], %{{.*}} : f32
// CHECK:     scf.yield %{{.*}} : f32
// CHECK:   scf.if
// CHECK:     llvm.store %{{.*}}, %[[P:.*]] {alignment = 4 : i64} : vector<8xf32>
// CHECK:   } else {
// CHECK:     llvm.store %{{.*}}, %[[P]] {alignment = 4 : i64} : vector<8xf32>
// CHECK:   }
// CHECK:   llvm.load %[[P]]
// CHECK:   llvm.store %[[F]], %{{.*}} : f32
tile.kernel @numbers(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %z = arith.constant 0.0 : f32
  %0 = tile.load %x[%c0] : <f32> -> tensor<8xf32>
  %1:2 = scf.for %i = %c0 to %n step %c1 iter_args(%S = %0, %sum = %z) -> (tensor<8xf32>, f32) {
    %2 = arith.addf %S, %S : tensor<8xf32>
    %3 = tile.load %x[%i] : <f32> -> f32
    %4 = arith.addf %sum, %3 : f32
    scf.yield %2, %4 : tensor<8xf32>, f32
  }
  %c = arith.cmpi eq, %t, %b : index
  %5 = scf.if %c -> (tensor<8xf32>) {
    scf.yield %1#0 : tensor<8xf32>
  } else {
    %6 = arith.negf %1#0 : tensor<8xf32>
    scf.yield %6 : tensor<8xf32>
  }
  tile.store %5, %y[%c0] : tensor<8xf32>, <f32>
  tile.store %1#1, %y[%t] : f32, <f32>
}
}
