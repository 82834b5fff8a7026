// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Branches in what is prepared for a chunk.
// RUN: rwkv-opt %s --tile-form-pipelines --tile-lower-kernels --canonicalize --cse | FileCheck %s
// RUN: rwkv-opt %s --tile-form-pipelines --remarks-filter=tile-form-pipelines -o %t 2>&1 | FileCheck %s --check-prefix=REMARK

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// The lanes of a warp agree on the way to go, by exchanges of what each of them has found. Either side leaves keys and scores
// where those who apply the chunk find them, whichever it was; keys lie there before they are multiplied.
// REMARK: [[#@LINE+49]]:{{.*}}pipeline: 4 warps prepare chunks, 4 apply 16 columns each
// CHECK-LABEL: func.func @sides(
// CHECK: scf.for
// CHECK:   shfl.sync.bfly
// CHECK:   %[[IS_MILD:.*]] = arith.cmpf ole
// CHECK:   scf.if %[[IS_MILD]] {
// CHECK-NOT: seldom
// CHECK:     llvm.store {{.*}} : vector<2xf32>, !llvm.ptr
// CHECK:     nvvm.bar.warp.sync
// Both operands of scores are read as they lie in memory, four blocks of 8 x 4 at a time.
// CHECK:     nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3
// CHECK:     mma.m16n8k8.row.col.tf32
// CHECK:     llvm.store {{.*}} : vector<2xf32>, !llvm.ptr
// CHECK:   } else {
// CHECK-NOT: mma
// CHECK:     llvm.store {{.*}} : vector<2xf32>, !llvm.ptr
// CHECK:   }
// What has been found there is passed on as pairs, all once more with units where one of them is out of range, but for
// the branch: what it made is still there.
// CHECK:   llvm.nvvm.ff2f16x2.rn
// CHECK:   llvm.inline_asm has_side_effects "// seldom"
// CHECK-NOT: mma
// CHECK:   llvm.nvvm.ff2f16x2.rn
// CHECK-NOT: mma
// CHECK:   mbarrier.arrive
// CHECK:   mbarrier.try_wait
// Those who apply it do not know of the branch: theirs is whether pairs are in range.
// CHECK: scf.while
// CHECK: scf.while
// CHECK-NOT: scf.if
// CHECK:   mbarrier.try_wait
// CHECK-NOT: scf.if
// CHECK:   mma.m16n8k16
// CHECK:   scf.if
// CHECK-NOT: scf.if
// CHECK:   mbarrier.arrive
// CHECK-NOT: "// seldom"
// CHECK:   scf.condition
// CHECK:   scf.if
// CHECK:   llvm.inline_asm has_side_effects "// seldom"
// CHECK:   mbarrier.arrive
tile.kernel @sides(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                   %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %limit = arith.constant 40.0 : f32
  %zeros = arith.constant dense<0.0> : tensor<16x16xf32>
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %sums = tile.reduce sum %k over 0 : tensor<16x64xf32> -> tensor<64xf32>
    %largest = tile.reduce max %sums over 0 : tensor<64xf32> -> f32
    %mild = arith.cmpf ole, %largest, %limit : f32
    %c:2 = scf.if %mild -> (tensor<16x64xf32>, tensor<16x16xf32>) {
      %d = arith.addf %k, %k : tensor<16x64xf32>
      %dt = tile.transpose %d : tensor<16x64xf32> -> tensor<64x16xf32>
      %A = tile.dot %d, %dt precision tf32 : tensor<16x64xf32>, tensor<64x16xf32> -> tensor<16x16xf32>
      scf.yield %d, %A : tensor<16x64xf32>, tensor<16x16xf32>
    } else {
      %d = arith.negf %k : tensor<16x64xf32>
      scf.yield %d, %zeros : tensor<16x64xf32>, tensor<16x16xf32>
    }
    %w = tile.dot %c#1, %v precision tf32 : tensor<16x16xf32>, tensor<16x64xf32> -> tensor<16x64xf32>
    %o = tile.dot %c#0, %S precision tf32 acc %w : tensor<16x64xf32> : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    tile.store %o, %y[%at] : tensor<16x64xf32>, <bf16>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// A side that is much longer is seldom taken: it reads its operands again, so that nothing is kept for it, as two tasks share the
// registers of a multiprocessor. Eight tokens are half of what the rows of an instruction are, whose blocks would be read twice.
// CHECK-LABEL: func.func @seldom(
// CHECK: scf.for
// CHECK:   %[[IS_MILD:.*]] = arith.cmpf ole
// CHECK:   scf.if %[[IS_MILD]] {
// CHECK-NOT: seldom
// CHECK-NOT: ldmatrix
// CHECK:     mma.m16n8k8.row.col.tf32
// CHECK:   } else {
// CHECK:     llvm.inline_asm has_side_effects "// seldom"
// CHECK:     llvm.load {{.*}} : !llvm.ptr<1> -> i32
// CHECK:   mbarrier.arrive
tile.kernel @seldom(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                    %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %limit = arith.constant 40.0 : f32
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<8x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<8x64xf32>
    %kt = tile.transpose %k : tensor<8x64xf32> -> tensor<64x8xf32>
    %sums = tile.reduce sum %k over 0 : tensor<8x64xf32> -> tensor<64xf32>
    %largest = tile.reduce max %sums over 0 : tensor<64xf32> -> f32
    %mild = arith.cmpf ole, %largest, %limit : f32
    %c:2 = scf.if %mild -> (tensor<8x64xf32>, tensor<8x8xf32>) {
      %A = tile.dot %k, %kt precision tf32 : tensor<8x64xf32>, tensor<64x8xf32> -> tensor<8x8xf32>
      scf.yield %k, %A : tensor<8x64xf32>, tensor<8x8xf32>
    } else {
      %d0 = arith.negf %k : tensor<8x64xf32>
      %d1 = math.exp2 %d0 : tensor<8x64xf32>
      %d2 = arith.mulf %d1, %k : tensor<8x64xf32>
      %dt = tile.transpose %d2 : tensor<8x64xf32> -> tensor<64x8xf32>
      %A = tile.dot %d2, %dt precision tf32 : tensor<8x64xf32>, tensor<64x8xf32> -> tensor<8x8xf32>
      scf.yield %d2, %A : tensor<8x64xf32>, tensor<8x8xf32>
    }
    %w = tile.dot %c#1, %v precision tf32 : tensor<8x8xf32>, tensor<8x64xf32> -> tensor<8x64xf32>
    %o = tile.dot %c#0, %S precision tf32 acc %w : tensor<8x64xf32> : tensor<8x64xf32>, tensor<64x64xf32> -> tensor<8x64xf32>
    tile.store %o, %y[%at] : tensor<8x64xf32>, <bf16>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x8xf32>, tensor<8x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// What depends on the state is not prepared.
// REMARK: [[#@LINE+8]]:{{.*}}no pipeline: a branch with columns of the state, or that does more than compute
// CHECK-LABEL: func.func @depends(
// CHECK-NOT: mbarrier.arrive
tile.kernel @depends(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %limit = arith.constant 40.0 : f32
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %sums = tile.reduce sum %k over 0 : tensor<64x16xf32> -> tensor<16xf32>
    %largest = tile.reduce max %sums over 0 : tensor<16xf32> -> f32
    %mild = arith.cmpf ole, %largest, %limit : f32
    %d = scf.if %mild -> (tensor<64x64xf32>) {
      %twice = arith.addf %S, %S : tensor<64x64xf32>
      scf.yield %twice : tensor<64x64xf32>
    } else {
      scf.yield %S : tensor<64x64xf32>
    }
    %Sn = tile.dot %k, %v precision tf32 acc %d : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// Of states of different widths only the widest are split; all who apply would have all of the others.
// REMARK: [[#@LINE+6]]:{{.*}}no pipeline: a state of many columns, but fewer than another has
tile.kernel @widths(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %M0 = tile.load %z[%c0] : <f32> -> tensor<64x32xf32>
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0, %M = %M0) -> (tensor<64x64xf32>, tensor<64x32xf32>) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %u = tile.load %x[%i] : <bf16> -> tensor<16x32xf32>
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    %Mn = tile.dot %k, %u precision tf32 acc %M : tensor<64x32xf32> : tensor<64x16xf32>, tensor<16x32xf32> -> tensor<64x32xf32>
    scf.yield %Sn, %Mn : tensor<64x64xf32>, tensor<64x32xf32>
  }
  tile.store %r#0, %z[%c0] : tensor<64x64xf32>, <f32>
  tile.store %r#1, %z[%c0] : tensor<64x32xf32>, <f32>
}

}
