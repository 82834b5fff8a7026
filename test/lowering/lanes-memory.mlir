// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Tile kernels as programs of lanes: where tiles lie, and when lanes wait for each other.

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// Between two nests all lanes wait: the second reads what other lanes have written.
// CHECK-LABEL: func.func @nests(
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> f32
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr{{$}}
// CHECK: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// CHECK: shfl
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr{{$}}
// CHECK: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// CHECK: arith.subf
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<1>
// CHECK: return
tile.kernel @nests(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %x[%c0] : <f32> -> tensor<16x64xf32>
  %1 = tile.reduce sum %A over 1 : tensor<16x64xf32> -> tensor<16xf32>
  %2 = tile.broadcast %1 on 0 : tensor<16xf32> -> tensor<16x64xf32>
  %3 = arith.subf %A, %2 : tensor<16x64xf32>
  tile.store %3, %y[%t] : tensor<16x64xf32>, <f32>
}

// What is small is brought to the shared memory before it is used, as it is often used by many lanes; what is large is read
// where it is.
// CHECK-LABEL: func.func @large(
// CHECK-SAME: tile.scratch = 0 : i64, tile.shared = 0 : i64
// CHECK-NOT: !llvm.ptr<3>
// CHECK: return
tile.kernel @large(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %x[%c0] : <f32> -> tensor<128x128xf32>
  %1 = math.sqrt %A : tensor<128x128xf32>
  tile.store %1, %y[%t] : tensor<128x128xf32>, <f32>
}

// Five tiles of 64 KiB, of which two are needed at a time: they take turns in the same memory, or they would not fit.
// CHECK-LABEL: func.func @one_after_the_other(
// CHECK-SAME: tile.scratch = 0 : i64, tile.shared = {{1[0-9]+}} : i64
// CHECK: llvm.mlir.addressof @rwkv_shared : !llvm.ptr<3>
// CHECK-COUNT-5: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// CHECK: return
tile.kernel @one_after_the_other(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %x[%c0] : <f32> -> tensor<128x128xf32>
  %1 = tile.transpose %A : tensor<128x128xf32> -> tensor<128x128xf32>
  %2 = tile.transpose %1 : tensor<128x128xf32> -> tensor<128x128xf32>
  %3 = tile.transpose %2 : tensor<128x128xf32> -> tensor<128x128xf32>
  %4 = tile.transpose %3 : tensor<128x128xf32> -> tensor<128x128xf32>
  %5 = tile.transpose %4 : tensor<128x128xf32> -> tensor<128x128xf32>
  tile.store %5, %y[%t] : tensor<128x128xf32>, <f32>
}

// Four of them at a time are more than there is: one lies in the scratch buffer, in the part of this block. Rows are 4
// elements longer than they need, so that they start at different banks.
// CHECK-LABEL: func.func @all_at_once(
// CHECK-SAME: %[[SCRATCH:[a-z0-9]+]]: !llvm.ptr<1>, %{{[a-z0-9]+}}: !llvm.ptr<1>, %{{[a-z0-9]+}}: i64) attributes
// CHECK-SAME: tile.scratch = 67584 : i64, tile.shared = {{[12][0-9]+}} : i64
// CHECK: %[[SIZE:.*]] = arith.constant 67584 : i64
// CHECK: %[[BLOCK:.*]] = llvm.call_intrinsic "llvm.nvvm.read.ptx.sreg.ctaid.x"
// CHECK: %[[OFFSET:.*]] = arith.muli %{{.*}}, %[[SIZE]]
// CHECK: %[[MINE:.*]] = llvm.getelementptr %[[SCRATCH]][%[[OFFSET]]]
// CHECK: llvm.addrspacecast %[[MINE]] : !llvm.ptr<1> to !llvm.ptr
// CHECK: return
tile.kernel @all_at_once(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %A = tile.load %x[%c0] : <f32> -> tensor<128x128xf32>
  %1 = tile.transpose %A : tensor<128x128xf32> -> tensor<128x128xf32>
  %2 = tile.transpose %1 : tensor<128x128xf32> -> tensor<128x128xf32>
  %3 = tile.transpose %2 : tensor<128x128xf32> -> tensor<128x128xf32>
  %4 = tile.transpose %3 : tensor<128x128xf32> -> tensor<128x128xf32>
  %a = arith.addf %1, %2 : tensor<128x128xf32>
  %c = arith.addf %3, %4 : tensor<128x128xf32>
  %e = arith.addf %a, %c : tensor<128x128xf32>
  tile.store %e, %y[%t] : tensor<128x128xf32>, <f32>
}

}
