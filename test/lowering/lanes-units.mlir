// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is carried in units of its own.
// RUN: rwkv-opt %s --tile-form-pipelines | FileCheck %s --check-prefix=FORM
// RUN: rwkv-opt %s --tile-form-pipelines --tile-lower-kernels --canonicalize --cse | FileCheck %s

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// To a state values are added; what chunks do to any state, here the identity at first, only decays, so that it leaves the
// range of f16 sooner or later. Both read the same keys, by products that are made together, and those that prepare give
// registers for them.
// FORM: preparers 4 appliers 4 columns 16 tasks 2 moved -24 pairs

// The exponents of all factors so far, and whether it is zero, are carried, too. By the largest size of its elements in the
// warp the power of two is found, by which the decays of its rows are multiplied, two of a lane for each of eight: not its
// elements.
// CHECK-LABEL: func.func @transition(
// CHECK: mbarrier.arrive
// CHECK: %[[LOOP:.*]]:67 = scf.while {{.*}} = %c0_i32, %{{[a-z0-9]+}} = %c0_i32, %{{[a-z0-9]+}} = %c0_i32)
// CHECK: scf.while
// CHECK: %[[LARGEST:.*]] = llvm.call_intrinsic "llvm.nvvm.redux.sync.umax"
// CHECK: %[[SIZE:.*]] = arith.shrui %[[LARGEST]], %c26_i32
// CHECK: %[[POWER:.*]] = arith.subi %c26_i32, %[[SIZE]]
// CHECK-DAG: %[[NEXT:.*]] = arith.addi %{{.*}}, %[[POWER]]
// CHECK-DAG: %[[BIASED:.*]] = arith.subi %c153_i32, %[[SIZE]]
// CHECK-DAG: %[[BITS:.*]] = arith.shli %[[BIASED]], %c23_i32
// CHECK: %[[FACTOR:.*]] = arith.bitcast %[[BITS]] : i32 to f32
// CHECK: llvm.nvvm.redux.sync.or
// CHECK: scf.if
// CHECK-COUNT-16: arith.mulf %{{.*}}, %[[FACTOR]] : f32
// CHECK-NOT: arith.mulf %{{.*}}, %[[FACTOR]] : f32
// CHECK: scf.condition({{.*}}) {{.*}}, %[[FACTOR]], %
// Whether it is zero is looked at where it is out of range.
// CHECK: llvm.nvvm.redux.sync.umax
// CHECK: %[[ANY:.*]] = llvm.call_intrinsic "llvm.nvvm.redux.sync.or"
// CHECK: %[[NONE:.*]] = arith.cmpi eq, %[[ANY]], %c0_i32
// CHECK: arith.extsi %[[NONE]] : i1 to i32
// The factors are taken out again.
// CHECK: %[[NEGATED:.*]] = arith.subi %c0_i32, %[[LOOP]]#64
// CHECK: arith.minsi %[[NEGATED]], %c252_i32
tile.kernel @transition(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                        %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %M0 = tile.load %y[%c0] : <f32> -> tensor<64x64xf32>
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0, %M = %M0) -> (tensor<64x64xf32>, tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %decay = tile.reduce sum %k over 0 : tensor<16x64xf32> -> tensor<64xf32>
    %decays = tile.broadcast %decay on 0 : tensor<64xf32> -> tensor<64x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %seen = tile.dot %k, %S precision tf32 : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    %w = arith.subf %v, %seen : tensor<16x64xf32>
    %Sn = tile.dot %kt, %w precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    %Sd = arith.mulf %Sn, %decays : tensor<64x64xf32>
    %also = tile.dot %k, %M precision tf32 : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    %u = arith.negf %also : tensor<16x64xf32>
    %Mn = tile.dot %kt, %u precision tf32 acc %M : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    %Md = arith.mulf %Mn, %decays : tensor<64x64xf32>
    scf.yield %Sd, %Md : tensor<64x64xf32>, tensor<64x64xf32>
  }
  tile.store %r#0, %z[%c0] : tensor<64x64xf32>, <f32>
  tile.store %r#1, %y[%c0] : tensor<64x64xf32>, <f32>
}

// A number by which all of it is multiplied is known before, and so is the factor: what is added to it has been multiplied
// by that number already, however small.
// CHECK-LABEL: func.func @forgotten(
// CHECK: mbarrier.arrive
// CHECK: scf.while
// CHECK: scf.while
// CHECK: nvvm.redux.sync.umax
// CHECK: arith.minsi %{{.*}}, %c90_i32
// CHECK: %[[POWER:.*]] = arith.maxsi %{{.*}}, %c-60_i32
// CHECK: %[[FACTOR:.*]] = arith.bitcast %{{.*}} : i32 to f32
// CHECK: arith.mulf %{{.*}}, %[[FACTOR]] : f32
// CHECK: nvvm.ff2f16x2.rn
// CHECK: nvvm.redux.sync.or
// CHECK: scf.if
tile.kernel @forgotten(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                       %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %M0 = tile.load %y[%c0] : <f32> -> tensor<64x64xf32>
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0, %M = %M0) -> (tensor<64x64xf32>, tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %sums = tile.reduce sum %k over 0 : tensor<16x64xf32> -> tensor<64xf32>
    %decay = tile.reduce sum %sums over 0 : tensor<64xf32> -> f32
    %decays = tile.broadcast %decay : f32 -> tensor<64x64xf32>
    %each = tile.reduce sum %k over 1 : tensor<16x64xf32> -> tensor<16xf32>
    %eachs = tile.broadcast %each on 0 : tensor<16xf32> -> tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %seen = tile.dot %k, %S precision tf32 : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    %w = arith.subf %v, %seen : tensor<16x64xf32>
    %Sd = arith.mulf %S, %decays : tensor<64x64xf32>
    %Sn = tile.dot %kt, %w precision tf32 acc %Sd : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    %also = tile.dot %k, %M precision tf32 : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    %u = arith.mulf %also, %eachs : tensor<16x64xf32>
    %Md = arith.mulf %M, %decays : tensor<64x64xf32>
    %Mn = tile.dot %kt, %u precision tf32 acc %Md : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn, %Mn : tensor<64x64xf32>, tensor<64x64xf32>
  }
  tile.store %r#0, %z[%c0] : tensor<64x64xf32>, <f32>
  tile.store %r#1, %y[%c0] : tensor<64x64xf32>, <f32>
}

// Where one reads the other, it may not be multiplied.
// CHECK-LABEL: func.func @read(
// CHECK: scf.while
// CHECK-NOT: %c26_i32
// CHECK: return
tile.kernel @read(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                  %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %M0 = tile.load %y[%c0] : <f32> -> tensor<64x64xf32>
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0, %M = %M0) -> (tensor<64x64xf32>, tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %also = tile.dot %k, %M precision tf32 : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    %w = arith.subf %v, %also : tensor<16x64xf32>
    %Sn = tile.dot %kt, %w precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    %Mn = tile.dot %kt, %also precision tf32 acc %M : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn, %Mn : tensor<64x64xf32>, tensor<64x64xf32>
  }
  tile.store %r#0, %z[%c0] : tensor<64x64xf32>, <f32>
  tile.store %r#1, %y[%c0] : tensor<64x64xf32>, <f32>
}

}
