// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Products by matrix instructions: what is packed, and when.
module attributes {rwkv.target = #rwkv.target<"x86-64-amx", vector = 512, registers = 32, scratch = 1048576, matrix = 16>} {
// An operand of two products is packed once. f32 is split, the left operand in rows as they are ..
// CHECK-LABEL: func.func @shared
// CHECK: llvm.call_intrinsic "llvm.x86.ldtilecfg"
// CHECK-NOT: llvm.intr.memset
// CHECK: arith.subf
// CHECK-COUNT-4: vector.shuffle {{.*}} : vector<64xi16>, vector<64xi16>
// CHECK-NOT: vector.shuffle
// .. the right one by pairs of rows.
// CHECK-COUNT-8: llvm.store {{.*}} : vector<16xi32>
// Three products of each pair of blocks, four blocks at a time.
// CHECK: scf.for
// CHECK-COUNT-4: "llvm.x86.tilezero"
// CHECK: scf.for
// CHECK-COUNT-12: "llvm.x86.tdpbf16ps"
// CHECK-NOT: "llvm.x86.tdpbf16ps"
// CHECK-COUNT-4: "llvm.x86.tilestored64"
// The right operand of the second product alone.
// CHECK-NOT: vector.shuffle
// CHECK-COUNT-8: llvm.store {{.*}} : vector<16xi32>
// CHECK-NOT: vector.shuffle
// CHECK-COUNT-4: "llvm.x86.tileloadd64"
// CHECK: scf.for
// CHECK-COUNT-12: "llvm.x86.tdpbf16ps"
// CHECK-NOT: "llvm.x86.tdpbf16ps"
// CHECK: "llvm.x86.tilerelease"
// CHECK-NEXT: return
tile.kernel @shared(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>, %z: !tile.buffer<f32>, %o: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<32x64xf32>
  %1 = tile.load %y[%t] : <f32> -> tensor<64x64xf32>
  %2 = tile.load %z[%t] : <f32> -> tensor<64x64xf32>
  %3 = tile.dot %0, %1 precision tf32 : tensor<32x64xf32>, tensor<64x64xf32> -> tensor<32x64xf32>
  %4 = tile.dot %0, %2 precision tf32 acc %3 : tensor<32x64xf32> : tensor<32x64xf32>, tensor<64x64xf32> -> tensor<32x64xf32>
  tile.store %4, %o[%t] : tensor<32x64xf32>, <f32>
}

// Rows of bf16 are taken from where they lie, and there is one product.
// CHECK-LABEL: func.func @exact
// CHECK-NOT: arith.subf
// CHECK-NOT: vector.shuffle
// CHECK: arith.extui {{.*}} : vector<16xi16> to vector<16xi32>
// CHECK-NOT: arith.subf
// CHECK-COUNT-4: "llvm.x86.tdpbf16ps"
// CHECK-NOT: "llvm.x86.tdpbf16ps"
// CHECK: "llvm.x86.tilerelease"
tile.kernel @exact(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %y: !tile.buffer<bf16>, %o: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] stride 768 : <bf16> -> tensor<32x64xf32>
  %1 = tile.load %y[%t] : <bf16> -> tensor<64x32xf32>
  %2 = tile.dot %0, %1 precision tf32 : tensor<32x64xf32>, tensor<64x32xf32> -> tensor<32x32xf32>
  tile.store %2, %o[%t] : tensor<32x32xf32>, <f32>
}

// What a block has too much is zero along the depth; rows and columns that stick out are not stored.
// CHECK-LABEL: func.func @edges
// CHECK-COUNT-4: llvm.intr.memset
// CHECK-COUNT-12: "llvm.x86.tdpbf16ps"
// CHECK-NOT: "llvm.x86.tdpbf16ps"
// CHECK: "llvm.x86.tilerelease"
tile.kernel @edges(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>, %o: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<17x20xf32>
  %1 = tile.load %y[%t] : <f32> -> tensor<20x19xf32>
  %2 = tile.dot %0, %1 precision tf32 : tensor<17x20xf32>, tensor<20x19xf32> -> tensor<17x19xf32>
  tile.store %2, %o[%t] : tensor<17x19xf32>, <f32>
}

// Rounded to bf16, an operand has one plane, there is one product, and a NaN stays one.
// CHECK-LABEL: func.func @rounded
// CHECK: llvm.call_intrinsic "llvm.x86.ldtilecfg"
// CHECK-NOT: arith.subf
// CHECK: arith.cmpf uno
// CHECK: arith.select
// CHECK-COUNT-2: vector.shuffle {{.*}} : vector<64xi16>, vector<64xi16>
// CHECK-NOT: vector.shuffle
// CHECK: arith.cmpf uno
// CHECK-COUNT-2: llvm.store {{.*}} : vector<16xi32>
// CHECK-NOT: llvm.store {{.*}} : vector<16xi32>
// CHECK-NOT: arith.subf
// CHECK-COUNT-4: "llvm.x86.tdpbf16ps"
// CHECK-NOT: "llvm.x86.tdpbf16ps"
// The same operand for a product that is not so rough is packed again.
// CHECK: arith.subf
// CHECK-COUNT-12: "llvm.x86.tdpbf16ps"
// CHECK-NOT: "llvm.x86.tdpbf16ps"
// CHECK: "llvm.x86.tilerelease"
tile.kernel @rounded(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>, %o: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<32x64xf32>
  %1 = tile.load %y[%t] : <f32> -> tensor<64x32xf32>
  %2 = tile.dot %0, %1 precision bf16 : tensor<32x64xf32>, tensor<64x32xf32> -> tensor<32x32xf32>
  %3 = tile.dot %0, %1 precision tf32 acc %2 : tensor<32x32xf32> : tensor<32x64xf32>, tensor<64x32xf32> -> tensor<32x32xf32>
  tile.store %3, %o[%t] : tensor<32x32xf32>, <f32>
}

// Few rows, and products that may not be rounded, are for vectors.
// CHECK-LABEL: func.func @vectors
// CHECK-NOT: llvm.x86
// CHECK: math.fma
// CHECK-NOT: llvm.x86
// CHECK: return
tile.kernel @vectors(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>, %o: !tile.buffer<f32>) {
  %0 = tile.load %x[%t] : <f32> -> tensor<4x64xf32>
  %1 = tile.load %y[%t] : <f32> -> tensor<64x64xf32>
  %2 = tile.dot %0, %1 precision tf32 : tensor<4x64xf32>, tensor<64x64xf32> -> tensor<4x64xf32>
  tile.store %2, %o[%t] : tensor<4x64xf32>, <f32>
  %3 = tile.dot %1, %1 : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
  tile.store %3, %o[%t] : tensor<64x64xf32>, <f32>
}
}
