// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Remarks say which loops become pipelines of warps, and what is in the way of the others.
// RUN: rwkv-opt %s --tile-form-pipelines --remarks-filter=tile-form-pipelines -o %t 2>&1 | FileCheck %s
// RUN: rwkv-opt %s --tile-form-pipelines -o %t 2>&1 | count 0

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// CHECK: [[#@LINE+5]]:{{.*}}pipeline: 4 warps prepare chunks, 4 apply 16 columns each; slots of {{[1-9][0-9]*}} bytes; tasks at once: 2
tile.kernel @chunks(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// CHECK: [[#@LINE+6]]:{{.*}}no pipeline: no products
// CHECK-NOT: pipeline
tile.kernel @sums(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %v = tile.load %x[%i] : <bf16> -> tensor<64x64xf32>
    %Sn = arith.addf %S, %v : tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}
