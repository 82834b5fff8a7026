// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
!F = tensor<?x?x?xf32, #rwkv.dims<B, T, F>>

// CHECK-LABEL: func @last
func.func @last(%x: !X, %cu: tensor<?xi32>) -> (tensor<?x?xf32, #rwkv.dims<B, D>>, tensor<?x?xf32, #rwkv.dims<S, D>>) {
  // CHECK: rwkv.last %{{.*}} : !BTD -> !BD
  %0 = rwkv.last %x : !X -> tensor<?x?xf32, #rwkv.dims<B, D>>
  // CHECK: rwkv.last %{{.*}} reset(%{{.*}} : tensor<?xi32>) : !BTD -> !SD
  %1 = rwkv.last %x reset(%cu : tensor<?xi32>) : !X -> tensor<?x?xf32, #rwkv.dims<S, D>>
  return %0, %1 : tensor<?x?xf32, #rwkv.dims<B, D>>, tensor<?x?xf32, #rwkv.dims<S, D>>
}
