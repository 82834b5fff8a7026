// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What those who prepare do with several elements, or values, at once.
// RUN: rwkv-opt %s --tile-form-pipelines --tile-lower-kernels --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,SINCE90
// RUN: sed s/sm_90a/sm_80/ %s | rwkv-opt --tile-form-pipelines --tile-lower-kernels --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,SINCE80

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// A lane has two columns of 16 rows of an operand: 16 words, which are stored as the rows of blocks of 8 x 8, four of
// them at once, where the machine does that. Their range is looked at in the fragments that the product reads of them,
// 16 words again.
// CHECK-LABEL: func.func @operands(
// CHECK:            nvvm.ff2f16x2.rn
// CHECK-NOT:        llvm.intr.maximum
// SINCE90-COUNT-4:  stmatrix.sync.aligned.m8n8.x4.b16.p3
// SINCE90-NOT:      stmatrix
// SINCE80-NOT:      stmatrix
// SINCE80-COUNT-16: llvm.store {{.*}} {alignment = 4 : i64} : i32
// CHECK-NOT:        llvm.intr.maximum
// CHECK:            nvvm.ldmatrix.sync.aligned.m8n8.x4
// CHECK-COUNT-15:   llvm.intr.maximum
// CHECK-NOT:        llvm.intr.maximum
// CHECK:            mma.m16n8k16.row.col.f32.f32
// CHECK:            nvvm.redux.sync.or
tile.kernel @operands(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                      %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %kk = arith.addf %k, %k : tensor<16x64xf32>
    %kt = tile.transpose %kk : tensor<16x64xf32> -> tensor<64x16xf32>
    %A = tile.dot %kk, %kt precision tf32 : tensor<16x64xf32>, tensor<64x16xf32> -> tensor<16x16xf32>
    %w = tile.dot %A, %v precision tf32 : tensor<16x16xf32>, tensor<16x64xf32> -> tensor<16x64xf32>
    %o = tile.dot %kk, %S precision tf32 acc %w : tensor<16x64xf32> : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    tile.store %o, %y[%at] : tensor<16x64xf32>, <bf16>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// A bound of all elements of a tile is compared once. Of the 16 words that a lane has of it the largest and the smallest
// elements are found two columns at a time; then comes the largest number of all lanes, which is not below zero.
// Sums of rows that are only passed on end in the lanes of their rows: 8 + 4 + 2 + 1 + 1 exchanges, and no store of one
// lane for all.
// CHECK-LABEL: func.func @sums(
// CHECK-DAG:       nvvm.fmax.bf16x2
// CHECK-DAG:       nvvm.fmin.bf16x2
// CHECK:           nvvm.redux.sync.umax
// CHECK-COUNT-16:  nvvm.shfl.sync.bfly.f32
// CHECK-NOT:       shfl.sync.bfly
// CHECK:           nvvm.redux.sync.or
tile.kernel @sums(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                  %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %none = arith.constant 0.0 : f32
  %zero = arith.constant dense<0.0> : tensor<16x64xf32>
  %most = arith.constant dense<5.0> : tensor<16x64xf32>
  %zeros = arith.constant dense<0.0> : tensor<64xf32>
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %up = arith.maxnumf %k, %zero : tensor<16x64xf32>
    %highest = tile.reduce max %up over 0 : tensor<16x64xf32> -> tensor<64xf32>
    %down = arith.negf %k : tensor<16x64xf32>
    %bounded = arith.maxnumf %down, %most : tensor<16x64xf32>
    %lowest = tile.reduce max %bounded over 0 : tensor<16x64xf32> -> tensor<64xf32>
    %both = arith.maximumf %highest, %lowest : tensor<64xf32>
    %clamped = arith.maxnumf %both, %zeros : tensor<64xf32>
    %largest = tile.reduce max %clamped over 0 : tensor<64xf32> -> f32
    %violated = arith.cmpf ogt, %largest, %none : f32
    tile.flag %violated
    %square = arith.mulf %k, %k : tensor<16x64xf32>
    %sum = tile.reduce sum %square over 1 : tensor<16x64xf32> -> tensor<16xf32>
    %row = tile.broadcast %sum on 0 : tensor<16xf32> -> tensor<16x64xf32>
    %own = arith.mulf %row, %v : tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %o = tile.dot %k, %S precision tf32 acc %own : tensor<16x64xf32> : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    tile.store %o, %y[%at] : tensor<16x64xf32>, <bf16>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

}
