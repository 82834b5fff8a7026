// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: tile.kernel @pipeline
tile.kernel @pipeline(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                      %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %limit = arith.constant 40.0 : f32
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %M0 = tile.load %z[%n] : <f32> -> tensor<64x64xf32>
  // What both phases share is what is passed on: numbers and tiles as a whole, columns as they have been loaded.
  // CHECK: tile.pipeline %{{.*}} to %{{.*}} step %{{.*}} carries(%{{.*}}, %{{.*}}) : (tensor<32x64xf32>, tensor<64x64xf32>) -> (tensor<32x64xf32>, tensor<64x64xf32>)
  // CHECK-NEXT: preparers 4 appliers 4 columns 16 tasks 2{{$}}
  // CHECK-NEXT: prepare (%[[I:.*]]: index) {
  // CHECK: tile.load %{{.*}}[%[[I]]]
  // CHECK: scf.if
  // CHECK: tile.flag
  // CHECK: tile.pass %{{.*}}, %{{.*}} : tensor<32x16xf32>, f32 columns %{{.*}} : tensor<16x64xf32>
  // CHECK: } apply (%[[J:.*]]: index, %[[S:.*]]: tensor<32x64xf32>, %{{.*}}: tensor<64x64xf32>, %[[K:.*]]: tensor<32x16xf32>, %{{.*}}: f32, %[[V:.*]]: tensor<16x64xf32>) {
  // CHECK: tile.dot %[[K]], %[[V]] acc %[[S]]
  // CHECK: tile.store %{{.*}}, %{{.*}}[%[[J]]]
  // CHECK: tile.carry %{{.*}}, %{{.*}} : tensor<32x64xf32>, tensor<64x64xf32>
  // CHECK: }
  %r:2 = tile.pipeline %c0 to %n step %c16 carries(%S0, %M0) : (tensor<32x64xf32>, tensor<64x64xf32>) -> (tensor<32x64xf32>, tensor<64x64xf32>)
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k0 = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %g = tile.load %z[%i] : <f32> -> f32
    %large = arith.cmpf ogt, %g, %limit : f32
    %k = scf.if %large -> tensor<32x16xf32> {
      %half = arith.mulf %k0, %k0 : tensor<32x16xf32>
      scf.yield %half : tensor<32x16xf32>
    } else {
      scf.yield %k0 : tensor<32x16xf32>
    }
    tile.flag %large
    tile.pass %k, %g : tensor<32x16xf32>, f32 columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %M: tensor<64x64xf32>, %k: tensor<32x16xf32>, %g: f32, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    %gs = tile.broadcast %g : f32 -> tensor<64x64xf32>
    %Mn = arith.mulf %M, %gs : tensor<64x64xf32>
    tile.store %v, %y[%i] : tensor<16x64xf32>, <bf16>
    tile.carry %Sn, %Mn : tensor<32x64xf32>, tensor<64x64xf32>
  }
  tile.store %r#0, %z[%c0] : tensor<32x64xf32>, <f32>
  tile.store %r#1, %z[%n] : tensor<64x64xf32>, <f32>
}

// Everything that can be said of warps; nothing is loaded.
// CHECK-LABEL: tile.kernel @warps
tile.kernel @warps(%t: index, %b: index, %n: index, %s: index, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<16x64xf32>
  // CHECK: preparers 3 idle 1 appliers 4 columns 16 tasks 1 moved 24 pairs {note = "x"}{{$}}
  // CHECK-NEXT: prepare (%{{.*}}: index) {
  // CHECK-NEXT: tile.pass{{$}}
  // CHECK-NEXT: } apply (%{{.*}}: index, %[[S:.*]]: tensor<16x64xf32>) {
  // CHECK-NEXT: tile.carry %[[S]] : tensor<16x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<16x64xf32>) -> tensor<16x64xf32>
      preparers 3 idle 1 appliers 4 columns 16 tasks 1 moved 24 pairs {note = "x"}
  prepare(%i: index) {
    tile.pass
  } apply(%i: index, %S: tensor<16x64xf32>) {
    tile.carry %S : tensor<16x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<16x64xf32>, <f32>
}
