// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of 8 rows, half of what the instruction has.
// RUN: rwkv-opt %s --tile-form-pipelines --tile-lower-kernels --canonicalize --cse | FileCheck %s

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// Both scores of a chunk are one product, of blocks of keys and queries in turn: 16 instructions for a depth of 128.
// CHECK-LABEL: func.func @stacked(
// CHECK: scf.for
// CHECK:   nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3
// CHECK-COUNT-16: mma.m16n8k8.row.col.tf32
// CHECK-NOT: mma
// CHECK:   mbarrier.arrive
tile.kernel @stacked(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %u: !tile.buffer<bf16>,
                     %z: !tile.buffer<f32>, %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c512 = arith.constant 512 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<128x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<128x64xf32>) {
    %at = arith.muli %i, %c512 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<8x128xf32>
    %q = tile.load %u[%at] : <bf16> -> tensor<8x128xf32>
    %ks = arith.mulf %k, %k : tensor<8x128xf32>
    %qs = arith.mulf %q, %q : tensor<8x128xf32>
    %w = arith.addf %k, %q : tensor<8x128xf32>
    %wt = tile.transpose %w : tensor<8x128xf32> -> tensor<128x8xf32>
    %A = tile.dot %ks, %wt precision tf32 : tensor<8x128xf32>, tensor<128x8xf32> -> tensor<8x8xf32>
    %B = tile.dot %qs, %wt precision tf32 : tensor<8x128xf32>, tensor<128x8xf32> -> tensor<8x8xf32>
    %e = arith.subf %k, %q : tensor<8x128xf32>
    %et = tile.transpose %e : tensor<8x128xf32> -> tensor<128x8xf32>
    %seen = tile.dot %ks, %S precision tf32 : tensor<8x128xf32>, tensor<128x64xf32> -> tensor<8x64xf32>
    %v = tile.dot %A, %seen precision tf32 : tensor<8x8xf32>, tensor<8x64xf32> -> tensor<8x64xf32>
    %read = tile.dot %qs, %S precision tf32 : tensor<8x128xf32>, tensor<128x64xf32> -> tensor<8x64xf32>
    %o = tile.dot %B, %v precision tf32 acc %read : tensor<8x64xf32> : tensor<8x8xf32>, tensor<8x64xf32> -> tensor<8x64xf32>
    tile.store %o, %y[%at] : tensor<8x64xf32>, <bf16>
    %Sn = tile.dot %et, %v precision tf32 acc %S : tensor<128x64xf32> : tensor<128x8xf32>, tensor<8x64xf32> -> tensor<128x64xf32>
    scf.yield %Sn : tensor<128x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<128x64xf32>, <f32>
}

}
