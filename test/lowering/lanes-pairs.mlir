// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of pairs of f16 for chunks of 8 tokens.
// RUN: rwkv-opt %s --tile-form-pipelines --tile-lower-kernels --canonicalize --cse | FileCheck %s

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// Those who apply read a state of 128 x 128, of which they have 32 columns each: 64 pairs of a lane are its operands. One
// of each fragment is looked at whether it is large enough (1 .. 16), and the products, one element for each of their four
// columns, whether they are finite; blocks of two fragments are loaded at once. The depth of what is read is 128, that
// of what is written 8.
// CHECK-LABEL: func.func @short(
// CHECK: mbarrier.arrive
// CHECK: scf.while
// CHECK: scf.while
// CHECK-COUNT-64: nvvm.ff2f16x2.rn
// CHECK-NOT:      nvvm.ff2f16x2.rn
// CHECK-COUNT-15: llvm.intr.maximum
// CHECK-NOT:      {{llvm.intr.maximum|nvvm.ff2f16x2.rn}}
// CHECK:          nvvm.ldmatrix.sync.aligned.m8n8.x2.trans.b16.p3
// CHECK-COUNT-4:  nvvm.ff2f16x2.rn
// CHECK:          nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3
// CHECK-COUNT-16: mma.m16n8k16.row.col.f32.f32
// CHECK-NOT:      mma
// CHECK-COUNT-4:  math.fma
// CHECK-NOT:      {{math.fma|ff2f16x2}}
// CHECK:          nvvm.ff2f16x2.rn
// CHECK:          nvvm.redux.sync.or
// CHECK:          scf.if
// CHECK-COUNT-32: mma.m16n8k8.row.col.f32.f32
// CHECK-NOT:      mma
// CHECK:          scf.condition
tile.kernel @short(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                   %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<128x128xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<128x128xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<8x128xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<8x128xf32>
    %o = tile.dot %k, %S precision tf32 : tensor<8x128xf32>, tensor<128x128xf32> -> tensor<8x128xf32>
    tile.store %o, %y[%at] : tensor<8x128xf32>, <bf16>
    %kt = tile.transpose %k : tensor<8x128xf32> -> tensor<128x8xf32>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<128x128xf32> : tensor<128x8xf32>, tensor<8x128xf32> -> tensor<128x128xf32>
    scf.yield %Sn : tensor<128x128xf32>
  }
  tile.store %r, %z[%c0] : tensor<128x128xf32>, <f32>
}

}
