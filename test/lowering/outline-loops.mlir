// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --tile-outline-loops=most=3 | FileCheck %s
// RUN: rwkv-opt %s --tile-lower-kernels --tile-outline-loops=most=5 | FileCheck %s --check-prefix=FEW
// RUN: sed 's/#rwkv.target<.*>}/#rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>}/' %s | rwkv-opt --tile-lower-kernels --tile-outline-loops=most=0 | FileCheck %s --check-prefix=FEW

// The body of a loop that holds four, in functions of at most three: what each needs is passed, what others need is returned.
// Constants, and addresses at constant distances, are computed again.
// CHECK-LABEL: func.func private @k_part_0(
// CHECK-SAME: %[[SCRATCH:[^:]*]]: !llvm.ptr) -> !llvm.ptr attributes {passthrough = ["noinline"]} {
// CHECK: llvm.getelementptr %{{[^[]*}}[{{[0-9]+}}]
// CHECK-COUNT-2: scf.for
// CHECK-NOT: scf.for
// CHECK: %[[ROW:.*]] = llvm.getelementptr
// CHECK: return
// CHECK-LABEL: func.func private @k_part_1(
// CHECK-SAME: %[[SUM:[^:]*]]: f32) -> f32 attributes
// CHECK: llvm.getelementptr %{{[^[]*}}[{{[0-9]+}}]
// CHECK: arith.constant
// CHECK-COUNT-2: scf.for
// CHECK-NOT: scf.for
// CHECK: %[[NEXT:.*]] = arith.addf %[[SUM]],
// CHECK: return %[[NEXT]] : f32
// A loop around one whose body is outlined does not hold what that held.
// CHECK-NOT: private
// CHECK-LABEL: func.func @k(
// CHECK: scf.for
// CHECK: scf.for %[[J:.*]] = {{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (f32) {
// CHECK: %[[P:.*]] = func.call @k_part_0({{.*}}%[[J]]
// CHECK: %[[CALL:.*]] = func.call @k_part_1({{.*}}%[[P]], {{.*}}%[[S]])
// CHECK-NEXT: scf.yield %[[CALL]] : f32
// FEW-NOT: private
// FEW: func.func @k(
module attributes {rwkv.target = #rwkv.target<"x86-64-v3", vector = 256, registers = 16, scratch = 65536, matrix = 0>} {
tile.kernel @k(%task: index, %b: index, %t: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %all = scf.for %i = %c0 to %t step %c1 iter_args(%sum = %zero) -> (f32) {
    %0 = tile.load %x[%i] : <f32> -> tensor<64x64xf32>
    %1 = tile.transpose %0 : tensor<64x64xf32> -> tensor<64x64xf32>
    %2 = tile.load %x[%c0] : <f32> -> f32
    tile.store %1, %y[%i] : tensor<64x64xf32>, <f32>
    %3 = arith.addf %sum, %2 : f32
    scf.yield %3 : f32
  }
  tile.store %all, %y[%task] : f32, <f32>
}
}
