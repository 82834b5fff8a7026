// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-expand-math=native-exp2 --tile-form-pipelines --tile-lower-kernels --canonicalize --cse | FileCheck %s

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// As much is carried as leaves no registers for pairs of f16, so operands are tf32.
// Keys that a power of a difference scales are rounded by its exponent, once for each column of a lane, not one by one.
// CHECK-LABEL: func.func @powers(
// CHECK-DAG: %[[FACTOR:.*]] = arith.constant 1.00036621 : f32
// CHECK-DAG: %[[LOG2E:.*]] = arith.constant 1.44269502 : f32
// CHECK-DAG: %[[UP:.*]] = arith.constant 5.282340e-04 : f32
// CHECK: scf.for
// CHECK-NOT: %[[FACTOR]] : f32
// CHECK: %[[REST:.*]] = arith.addf %{{.*}}, %[[UP]]
// CHECK-NOT: %[[FACTOR]] : f32
// CHECK: %[[POWER:.*]] = math.fma %{{.*}}, %[[LOG2E]], %[[REST]]
// CHECK-NOT: %[[FACTOR]] : f32
// CHECK: "llvm.nvvm.ex2.approx.ftz.f32"(%[[POWER]])
// CHECK-NOT: %[[FACTOR]] : f32
// CHECK: mbarrier.arrive
// CHECK: arith.mulf %{{.*}}, %[[FACTOR]] : f32
tile.kernel @powers(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                    %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c512 = arith.constant 512 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<128x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<128x64xf32>) {
    %at = arith.muli %i, %c512 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<8x128xf32>
    %w = tile.load %x[%at] : <bf16> -> tensor<8x128xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<8x64xf32>
    %row = tile.slice %w[%c4, %c0] : tensor<8x128xf32> -> tensor<128xf32>
    %middle = tile.broadcast %row on 1 : tensor<128xf32> -> tensor<8x128xf32>
    %d = arith.subf %w, %middle : tensor<8x128xf32>
    %e = math.exp %d fastmath<afn> : tensor<8x128xf32>
    %ke = arith.mulf %k, %e : tensor<8x128xf32>
    %o = tile.dot %ke, %S precision tf32 : tensor<8x128xf32>, tensor<128x64xf32> -> tensor<8x64xf32>
    tile.store %o, %y[%at] : tensor<8x64xf32>, <bf16>
    %kt = tile.transpose %ke : tensor<8x128xf32> -> tensor<128x8xf32>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<128x64xf32> : tensor<128x8xf32>, tensor<8x64xf32> -> tensor<128x64xf32>
    scf.yield %Sn : tensor<128x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<128x64xf32>, <f32>
}

// A state that is scaled before it is read is an operand of products and nothing else: its factors are rounded, one for each row
// that a lane has of a fragment, not its elements.
// CHECK-LABEL: func.func @scaled(
// CHECK-DAG: %[[FACTOR:.*]] = arith.constant 1.00036621 : f32
// CHECK: mbarrier.arrive
// CHECK: scf.for {{.*}} iter_args(%[[S0:[a-z0-9]+]] = %{{[0-9]+}}, %[[S1:[a-z0-9]+]] = %{{[0-9]+}}, %[[S2:[a-z0-9]+]] = %{{[0-9]+}},
// CHECK: %[[EVEN:.*]] = arith.mulf %{{[0-9]+}}, %[[FACTOR]] : f32
// CHECK: arith.mulf %[[S0]], %[[EVEN]] : f32
// CHECK: arith.mulf %[[S2]], %[[EVEN]] : f32
// CHECK: %[[ODD:.*]] = arith.mulf %{{[0-9]+}}, %[[FACTOR]] : f32
// CHECK: arith.mulf %[[S1]], %[[ODD]] : f32
// CHECK: mma.m16n8k8.row.col.tf32
tile.kernel @scaled(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                    %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c512 = arith.constant 512 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<128x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<128x64xf32>) {
    %at = arith.muli %i, %c512 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<8x128xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<8x64xf32>
    %sums = tile.reduce sum %k over 0 : tensor<8x128xf32> -> tensor<128xf32>
    %factors = tile.broadcast %sums on 0 : tensor<128xf32> -> tensor<128x64xf32>
    %scaled = arith.mulf %S, %factors : tensor<128x64xf32>
    %o = tile.dot %k, %scaled precision tf32 : tensor<8x128xf32>, tensor<128x64xf32> -> tensor<8x64xf32>
    tile.store %o, %y[%at] : tensor<8x64xf32>, <bf16>
    %kt = tile.transpose %k : tensor<8x128xf32> -> tensor<128x8xf32>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<128x64xf32> : tensor<128x8xf32>, tensor<8x64xf32> -> tensor<128x64xf32>
    scf.yield %Sn : tensor<128x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<128x64xf32>, <f32>
}

}
