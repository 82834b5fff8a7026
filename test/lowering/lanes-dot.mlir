// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Matrix products of lanes: fragments of matrix instructions where operands may be rounded, else blocks of results.

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// Sixteen rows of 8 columns per instruction, 8 of the 16 deep: two for each of a warp's fragments.
// CHECK-LABEL: func.func @rounded(
// Operands are brought to the middle of what the instruction leaves out.
// CHECK: %[[MIDDLE:.*]] = arith.constant 1.000{{.*}} : f32
// CHECK-COUNT-4: arith.mulf %{{.*}}, %[[MIDDLE]]
// CHECK: llvm.nvvm.mma.m16n8k8.row.col.tf32
// CHECK-NOT: math.fma
// CHECK: return
tile.kernel @rounded(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<f32>,
                     %y: !tile.buffer<f32>) {
  %A = tile.load %x[%t] : <f32> -> tensor<64x16xf32>
  %B = tile.load %w[%t] : <f32> -> tensor<16x64xf32>
  %C = tile.load %w[%t] : <f32> -> tensor<64x64xf32>
  %D = tile.dot %A, %B precision tf32 acc %C : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
  tile.store %D, %y[%t] : tensor<64x64xf32>, <f32>
}

// Every lane has a block of results; the operands are used as they are.
// CHECK-LABEL: func.func @exact(
// CHECK-NOT: mma
// CHECK: math.fma
// CHECK-NOT: mma
// CHECK: return
tile.kernel @exact(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<f32>,
                   %y: !tile.buffer<f32>) {
  %A = tile.load %x[%t] : <f32> -> tensor<64x16xf32>
  %B = tile.load %w[%t] : <f32> -> tensor<16x64xf32>
  %D = tile.dot %A, %B : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
  tile.store %D, %y[%t] : tensor<64x64xf32>, <f32>
}

// Three rows are no fragment.
// CHECK-LABEL: func.func @odd(
// CHECK-NOT: mma
// CHECK: math.fma
// CHECK: return
tile.kernel @odd(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<f32>,
                 %y: !tile.buffer<f32>) {
  %A = tile.load %x[%t] : <f32> -> tensor<3x16xf32>
  %B = tile.load %w[%t] : <f32> -> tensor<16x64xf32>
  %D = tile.dot %A, %B precision tf32 : tensor<3x16xf32>, tensor<16x64xf32> -> tensor<3x64xf32>
  tile.store %D, %y[%t] : tensor<3x64xf32>, <f32>
}

// Two products of one sum: the first is neither stored nor waited for.
// CHECK-LABEL: func.func @joined(
// CHECK-COUNT-1: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// CHECK: llvm.nvvm.mma.m16n8k8.row.col.tf32
// CHECK-NOT: barrier
// CHECK-NOT: llvm.store
// CHECK: llvm.nvvm.mma.m16n8k8.row.col.tf32
// CHECK: llvm.store
// CHECK: return
tile.kernel @joined(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %w: !tile.buffer<f32>,
                    %y: !tile.buffer<f32>) {
  %A = tile.load %x[%t] : <f32> -> tensor<16x8xf32>
  %B = tile.load %w[%t] : <f32> -> tensor<8x8xf32>
  %C = tile.load %w[%n] : <f32> -> tensor<8x8xf32>
  %D = tile.dot %A, %B precision tf32 : tensor<16x8xf32>, tensor<8x8xf32> -> tensor<16x8xf32>
  %E = tile.dot %A, %C precision tf32 acc %D : tensor<16x8xf32> : tensor<16x8xf32>, tensor<8x8xf32> -> tensor<16x8xf32>
  tile.store %E, %y[%t] : tensor<16x8xf32>, <f32>
}

}
