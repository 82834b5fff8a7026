// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Token by token on lanes: nothing waits for memory while something else has not been asked for.

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// Where no lane needs what another one has, there is a lane for every point, no shared memory, and no meeting. The first
// token is asked for before the loop, if there is one; each iteration asks for the next one before it computes.
// CHECK-LABEL: func.func @points(
// CHECK-SAME: tile.lanes = 64 : i64, tile.scratch = 0 : i64, tile.shared = 0 : i64
// CHECK-NOT: barrier
// CHECK: %[[FIRST:.*]] = scf.if %{{.*}} -> (bf16) {
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> bf16
// CHECK: } else {
// CHECK-NOT: llvm.load
// CHECK: }
// CHECK-NOT: arith.mulf
// CHECK-COUNT-2: llvm.load %{{.*}} : !llvm.ptr<1> -> f32
// CHECK-NOT: llvm.load %{{.*}} : !llvm.ptr<1>
// CHECK: scf.for %{{.*}} iter_args(%[[NOW:.*]] = %[[FIRST]]) -> (bf16) {
// CHECK: arith.bitcast %[[NOW]]
// CHECK: %[[NEXT:.*]] = scf.if %{{.*}} -> (bf16) {
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> bf16
// CHECK: } else {
// CHECK-NEXT: scf.yield %[[NOW]] : bf16
// CHECK: arith.mulf
// CHECK: arith.truncf %{{.*}} : f32 to bf16
// CHECK: llvm.store %{{.*}} : bf16, !llvm.ptr<1>
// CHECK: scf.yield %[[NEXT]] : bf16
// CHECK-NOT: barrier
// CHECK: return
tile.kernel @points(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %u: !tile.buffer<f32>, %a: !tile.buffer<f32>, %y: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %at = arith.muli %t, %c64 : index
  %factor = tile.load %u[%c0] : <f32> -> tensor<64xf32>
  %init = tile.load %a[%at] : <f32> -> tensor<64xf32>
  %last = scf.for %i = %c0 to %n step %c1 iter_args(%S = %init) -> (tensor<64xf32>) {
    %o = arith.muli %i, %c64 : index
    %k = tile.load %x[%o] : <bf16> -> tensor<64xf32>
    %1 = arith.mulf %S, %factor : tensor<64xf32>
    %2 = arith.addf %1, %k : tensor<64xf32>
    tile.store %2, %y[%o] : tensor<64xf32>, <bf16>
    scf.yield %2 : tensor<64xf32>
  }
  tile.store %last, %z[%at] : tensor<64xf32>, <f32>
}

// Of a column that lanes share they all have the elements of vectors along the rows (v), and of the sums over rows (y). What
// goes with rows (k) meets in shared memory, as does what is made of w, before the states are waited for. There are three
// meetings: of those, of the parts of y, and of those of the output; and one where another token comes, which is behind
// the output. The bound is looked at by each lane for itself.
// CHECK-LABEL: func.func @matrix(
// CHECK-SAME: tile.lanes = 256
// CHECK-NOT: barrier
// CHECK: scf.if %{{.*}} -> (bf16) {
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> bf16
// CHECK: scf.if %{{.*}} -> (bf16, bf16) {
// CHECK-COUNT-2: llvm.load %{{.*}} : !llvm.ptr<1> -> bf16
// CHECK-NOT: llvm.store %{{.*}} : f32, !llvm.ptr{{$}}
// CHECK: scf.yield
// CHECK-COUNT-16: llvm.load %{{.*}} : !llvm.ptr<1> -> f32
// CHECK-NOT: barrier
// CHECK: scf.for
// CHECK-NOT: barrier
// CHECK: math.sqrt
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr{{$}}
// CHECK-NOT: shfl
// CHECK: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// CHECK-NOT: shfl
// CHECK: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// CHECK-NOT: math.sqrt
// CHECK: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// CHECK-NOT: shfl
// CHECK: llvm.store %{{.*}} : bf16, !llvm.ptr<1>
// CHECK: %[[OUT:.*]] = arith.cmpf ogt
// CHECK-NEXT: scf.if %[[OUT]] {
// CHECK-NEXT: llvm.atomicrmw
// CHECK: scf.if %{{.*}} {
// CHECK-NEXT: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// CHECK-NEXT: }
// CHECK-NEXT: scf.yield
// CHECK-NOT: barrier
// CHECK: return
tile.kernel @matrix(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %g: !tile.buffer<bf16>, %h: !tile.buffer<bf16>, %a: !tile.buffer<f32>, %y: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %c4096 = arith.constant 4096 : index
  %bound = arith.constant 1.0 : f32
  %at = arith.muli %t, %c4096 : index
  %init = tile.load %a[%at] : <f32> -> tensor<64x64xf32>
  %last = scf.for %i = %c0 to %n step %c1 iter_args(%S = %init) -> (tensor<64x64xf32>) {
    %o = arith.muli %i, %c64 : index
    %k = tile.load %x[%o] : <bf16> -> tensor<64xf32>
    %v = tile.load %g[%o] : <bf16> -> tensor<64xf32>
    %w = tile.load %h[%o] : <bf16> -> tensor<64xf32>
    %K = tile.broadcast %k on 0 : tensor<64xf32> -> tensor<64x64xf32>
    %V = tile.broadcast %v on 1 : tensor<64xf32> -> tensor<64x64xf32>
    %1 = arith.mulf %K, %S : tensor<64x64xf32>
    %2 = tile.reduce sum %1 over 0 : tensor<64x64xf32> -> tensor<64xf32>
    %Y = tile.broadcast %2 on 1 : tensor<64xf32> -> tensor<64x64xf32>
    %most = tile.reduce max %w over 0 : tensor<64xf32> -> f32
    %violated = arith.cmpf ogt, %most, %bound : f32
    tile.flag %violated
    %3 = math.sqrt %w : tensor<64xf32>
    %W = tile.broadcast %3 on 0 : tensor<64xf32> -> tensor<64x64xf32>
    %4 = arith.mulf %W, %S : tensor<64x64xf32>
    %5 = arith.subf %V, %Y : tensor<64x64xf32>
    %6 = arith.mulf %K, %5 : tensor<64x64xf32>
    %7 = arith.addf %4, %6 : tensor<64x64xf32>
    %8 = arith.mulf %K, %7 : tensor<64x64xf32>
    %9 = tile.reduce sum %8 over 0 : tensor<64x64xf32> -> tensor<64xf32>
    tile.store %9, %y[%o] : tensor<64xf32>, <bf16>
    scf.yield %7 : tensor<64x64xf32>
  }
  tile.store %last, %z[%at] : tensor<64x64xf32>, <f32>
}

// A maximum that something else needs, too, is that of all lanes. A vector that is summed along rows is dealt out in another
// way there: it meets in shared memory.
// CHECK-LABEL: func.func @others(
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr{{$}}
// CHECK: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// CHECK: shfl
// CHECK: arith.cmpf ogt
// CHECK: return
tile.kernel @others(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %a: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %bound = arith.constant 1.0 : f32
  %w = tile.load %x[%c0] : <f32> -> tensor<64xf32>
  %A = tile.load %a[%c0] : <f32> -> tensor<64x64xf32>
  %W = tile.broadcast %w on 1 : tensor<64xf32> -> tensor<64x64xf32>
  %1 = arith.mulf %A, %W : tensor<64x64xf32>
  %2 = tile.reduce sum %1 over 1 : tensor<64x64xf32> -> tensor<64xf32>
  %most = tile.reduce max %w over 0 : tensor<64xf32> -> f32
  %violated = arith.cmpf ogt, %most, %bound : f32
  tile.flag %violated
  %3 = tile.broadcast %most : f32 -> tensor<64xf32>
  %4 = arith.subf %2, %3 : tensor<64xf32>
  tile.store %4, %y[%t] : tensor<64xf32>, <f32>
}

// A loop over chunks, which loads matrices, fetches the next one ahead, too.
// CHECK-LABEL: func.func @matrices(
// CHECK-SAME: tile.lanes = 256 : i64
// CHECK: %[[FIRST:.*]]:4 = scf.if %{{.*}} -> (bf16, bf16, bf16, bf16) {
// CHECK: scf.for %{{.*}} iter_args(%[[NOW:.*]] = %[[FIRST]]#0, %{{.*}} = %[[FIRST]]#1, %{{.*}} = %[[FIRST]]#2, %{{.*}} = %[[FIRST]]#3)
// CHECK: arith.bitcast %[[NOW]]
// CHECK: %[[NEXT:.*]]:4 = scf.if %{{.*}} -> (bf16, bf16, bf16, bf16) {
// CHECK: barrier
// CHECK: scf.yield %[[NEXT]]#0, %[[NEXT]]#1, %[[NEXT]]#2, %[[NEXT]]#3
// CHECK: return
tile.kernel @matrices(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %a: !tile.buffer<f32>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %init = tile.load %a[%c0] : <f32> -> tensor<64x64xf32>
  %last = scf.for %i = %c0 to %n step %c1 iter_args(%S = %init) -> (tensor<64x64xf32>) {
    %o = arith.muli %i, %c1024 : index
    %k = tile.load %x[%o] : <bf16> -> tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %1 = tile.dot %kt, %k precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %1 : tensor<64x64xf32>
  }
  tile.store %last, %z[%c0] : tensor<64x64xf32>, <f32>
}

// But not more than eight elements of a tile for a lane.
// CHECK-LABEL: func.func @chunks(
// CHECK: scf.for
// CHECK-NOT: -> (bf16
// CHECK: return
tile.kernel @chunks(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %a: !tile.buffer<f32>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %init = tile.load %a[%c0] : <f32> -> tensor<64xf32>
  %last = scf.for %i = %c0 to %n step %c1 iter_args(%S = %init) -> (tensor<64xf32>) {
    %o = arith.muli %i, %c1024 : index
    %k = tile.load %x[%o] : <bf16> -> tensor<16x64xf32>
    %1 = tile.reduce sum %k over 0 : tensor<16x64xf32> -> tensor<64xf32>
    %2 = arith.addf %S, %1 : tensor<64xf32>
    scf.yield %2 : tensor<64xf32>
  }
  tile.store %last, %z[%c0] : tensor<64xf32>, <f32>
}

// Sixteen points of the largest tile for a lane. What is loaded does not count where products of it are added up,
// CHECK-LABEL: func.func @sums(
// CHECK-SAME: tile.lanes = 64 : i64
tile.kernel @sums(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %a: !tile.buffer<f32>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4096 = arith.constant 4096 : index
  %init = tile.load %a[%c0] : <f32> -> tensor<64x16xf32>
  %last = scf.for %i = %c0 to %n step %c1 iter_args(%S = %init) -> (tensor<64x16xf32>) {
    %o = arith.muli %i, %c4096 : index
    %m = tile.load %x[%o] : <f32> -> tensor<64x64xf32>
    %v = tile.load %a[%o] : <f32> -> tensor<64x16xf32>
    %1 = tile.dot %m, %v acc %S : tensor<64x16xf32> : tensor<64x64xf32>, tensor<64x16xf32> -> tensor<64x16xf32>
    scf.yield %1 : tensor<64x16xf32>
  }
  tile.store %last, %z[%c0] : tensor<64x16xf32>, <f32>
}

// but where what is carried is multiplied by it, and nothing can go on before it is there.
// CHECK-LABEL: func.func @multiplied(
// CHECK-SAME: tile.lanes = 256 : i64
tile.kernel @multiplied(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %a: !tile.buffer<f32>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4096 = arith.constant 4096 : index
  %init = tile.load %a[%c0] : <f32> -> tensor<64x16xf32>
  %last = scf.for %i = %c0 to %n step %c1 iter_args(%S = %init) -> (tensor<64x16xf32>) {
    %o = arith.muli %i, %c4096 : index
    %m = tile.load %x[%o] : <f32> -> tensor<64x64xf32>
    %v = tile.load %a[%o] : <f32> -> tensor<64x16xf32>
    %1 = tile.dot %m, %S acc %v : tensor<64x16xf32> : tensor<64x64xf32>, tensor<64x16xf32> -> tensor<64x16xf32>
    scf.yield %1 : tensor<64x16xf32>
  }
  tile.store %last, %z[%c0] : tensor<64x16xf32>, <f32>
}

}
