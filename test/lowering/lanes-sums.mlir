// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Tile kernels as programs of lanes: how points and the parts of sums are dealt out. Checked is what lanes agree on, not how a
// lane does its part.

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// The memory that the lanes of a task share has no size of its own.
// CHECK: llvm.mlir.global external @rwkv_shared() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<0 x i8>

// 8192 points on 256 lanes: 128 lanes side by side along the columns, two rows at a time; neighbours in a row are neighbours in
// memory. A task is a block of the grid, counted from the first of this launch. Buffers are in memory that all tasks see.
// CHECK-LABEL: func.func @points(
// CHECK-SAME: %[[X:.*]]: !llvm.ptr<1> {llvm.noalias}, %[[Y:.*]]: !llvm.ptr<1> {llvm.noalias}, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %[[FIRST:.*]]: i64)
// CHECK-SAME: "rwkv-lanes", "256"
// CHECK-SAME: tile.lanes = 256
// CHECK-DAG: %[[MASK:.*]] = arith.constant 127 : index
// CHECK-DAG: %[[SHIFT:.*]] = arith.constant 7 : index
// CHECK: llvm.nvvm.read.ptx.sreg.ctaid.x
// CHECK: arith.index_cast %[[FIRST]]
// CHECK: %[[ID:.*]] = llvm.call_intrinsic "llvm.nvvm.read.ptx.sreg.tid.x"
// CHECK: %[[LANE:.*]] = arith.index_cast %[[ID]]
// CHECK-DAG: arith.andi %[[LANE]], %[[MASK]]
// CHECK-DAG: arith.shrui %[[LANE]], %[[SHIFT]]
// CHECK-NOT: shfl
// CHECK: llvm.getelementptr %[[X]]
// CHECK: math.sqrt
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<1>
// CHECK: return
tile.kernel @points(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %x[%c0] : <f32> -> tensor<64x128xf32>
  %1 = math.sqrt %A : tensor<64x128xf32>
  tile.store %1, %y[%t] : tensor<64x128xf32>, <f32>
}

// A sum over the columns is that of a warp: every lane adds its own columns, five exchanges give all lanes the sum, one of them
// writes it.
// CHECK-LABEL: func.func @row_sums(
// CHECK: barrier
// CHECK-DAG: shfl.sync.bfly.f32"(%{{.*}}, %{{.*}}, %c1_i32, %c31_i32)
// CHECK: arith.addf
// CHECK: shfl.sync.bfly.f32"(%{{.*}}, %{{.*}}, %c2_i32, %c31_i32)
// CHECK: arith.addf
// CHECK: shfl.sync.bfly.f32"(%{{.*}}, %{{.*}}, %c4_i32, %c31_i32)
// CHECK: arith.addf
// CHECK: shfl.sync.bfly.f32"(%{{.*}}, %{{.*}}, %c8_i32, %c31_i32)
// CHECK: arith.addf
// CHECK: shfl.sync.bfly.f32"(%{{.*}}, %{{.*}}, %c16_i32, %c31_i32)
// CHECK: %[[SUM:.*]] = arith.addf
// CHECK-NOT: shfl
// CHECK: %[[ONE:.*]] = arith.cmpi eq, %{{.*}}, %c0
// CHECK: scf.if %[[ONE]] {
// CHECK:   llvm.store %[[SUM]]
// Nobody reads the sums before all are there.
// CHECK: barrier
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<1>
// CHECK: return
tile.kernel @row_sums(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %x[%c0] : <f32> -> tensor<16x64xf32>
  %1 = tile.reduce sum %A over 1 : tensor<16x64xf32> -> tensor<16xf32>
  tile.store %1, %y[%t] : tensor<16xf32>, <f32>
}

// The largest of a row is found as its sum is.
// CHECK-LABEL: func.func @row_maxima(
// CHECK-COUNT-5: shfl.sync.bfly.f32
// CHECK: arith.maximumf
// CHECK: return
tile.kernel @row_maxima(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %x[%c0] : <f32> -> tensor<16x64xf32>
  %1 = tile.reduce max %A over 1 : tensor<16x64xf32> -> tensor<16xf32>
  tile.store %1, %y[%t] : tensor<16xf32>, <f32>
}

// Eight lanes add different rows of a column. They are in different warps: their parts meet in the shared memory, after a
// barrier.
// CHECK-LABEL: func.func @column_sums(
// CHECK-SAME: tile.lanes = 256
// CHECK-NOT: shfl
// CHECK: %[[PART:.*]] = scf.for {{.*}} iter_args
// CHECK: llvm.store %[[PART]], %{{.*}} : f32, !llvm.ptr{{$}}
// CHECK: barrier
// CHECK-COUNT-7: arith.addf
// CHECK-NOT: shfl
// CHECK: return
tile.kernel @column_sums(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %x[%c0] : <f32> -> tensor<256x32xf32>
  %1 = arith.mulf %A, %A : tensor<256x32xf32>
  %2 = tile.reduce sum %1 over 0 : tensor<256x32xf32> -> tensor<32xf32>
  tile.store %2, %y[%t] : tensor<32xf32>, <f32>
}

// Of eight columns a warp has four rows at a time: it adds them up by exchanges, then eight warps meet.
// CHECK-LABEL: func.func @few_columns(
// CHECK-SAME: tile.lanes = 256
// CHECK: %[[PART:.*]] = scf.for {{.*}} iter_args
// CHECK: shfl.sync.bfly.f32"(%{{.*}}, %{{.*}}, %c8_i32, %c31_i32)
// CHECK: arith.addf
// CHECK: shfl.sync.bfly.f32"(%{{.*}}, %{{.*}}, %c16_i32, %c31_i32)
// CHECK: %[[SUM:.*]] = arith.addf
// CHECK-NOT: shfl
// CHECK: arith.cmpi ult, %{{.*}}, %c8
// CHECK: llvm.store %[[SUM]], %{{.*}} : f32, !llvm.ptr{{$}}
// CHECK: barrier
// CHECK-COUNT-7: arith.addf
// CHECK: return
tile.kernel @few_columns(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %x[%c0] : <f32> -> tensor<1024x8xf32>
  %1 = arith.mulf %A, %A : tensor<1024x8xf32>
  %2 = tile.reduce sum %1 over 0 : tensor<1024x8xf32> -> tensor<8xf32>
  tile.store %2, %y[%t] : tensor<8xf32>, <f32>
}

// A total of eight warps: each finds its own by exchanges, one lane of each writes it, then all lanes add the eight. A number
// that all lanes have is stored by the first alone.
// CHECK-LABEL: func.func @total(
// CHECK-SAME: tile.lanes = 256
// CHECK: %[[ID:.*]] = llvm.call_intrinsic "llvm.nvvm.read.ptx.sreg.tid.x"
// CHECK: %[[LANE:.*]] = arith.index_cast %[[ID]]
// CHECK-COUNT-5: shfl.sync.bfly.f32
// CHECK: %[[WARP:.*]] = arith.shrui %[[LANE]], %c5
// CHECK: %[[IN_WARP:.*]] = arith.andi %[[LANE]], %c31
// CHECK: %[[ONE:.*]] = arith.cmpi eq, %[[IN_WARP]], %c0
// CHECK: scf.if %[[ONE]] {
// CHECK:   llvm.store
// CHECK: }
// CHECK: barrier
// CHECK-COUNT-6: arith.addf
// CHECK: %[[TOTAL:.*]] = arith.addf
// CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[LANE]], %c0
// CHECK-NEXT: scf.if %[[FIRST]] {
// CHECK-NEXT:   llvm.store %[[TOTAL]], %{{.*}} : f32, !llvm.ptr<1>
// CHECK-NEXT: }
// CHECK-NOT: llvm.store
// CHECK: return
tile.kernel @total(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %x[%c0] : <f32> -> tensor<8192xf32>
  %1 = arith.mulf %A, %A : tensor<8192xf32>
  %2 = tile.reduce sum %1 over 0 : tensor<8192xf32> -> f32
  tile.store %2, %y[%t] : f32, <f32>
}

}
