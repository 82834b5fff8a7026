// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
!F = tensor<?x?x?xf32, #rwkv.dims<B, T, F>>

// CHECK-LABEL: func @reshape
func.func @reshape(%x: !X, %y: tensor<?x?x8xf32>) -> (!X, tensor<?x?x2x4xf32>) {
  // CHECK: %[[H:.*]] = rwkv.reshape %{{.*}} : !BTD -> !BTHN
  %0 = rwkv.reshape %x : !X -> tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>
  // CHECK: rwkv.reshape %[[H]] : !BTHN -> !BTD
  %1 = rwkv.reshape %0 : tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>> -> !X
  // CHECK: rwkv.reshape %{{.*}} : tensor<?x?x8xf32> -> tensor<?x?x2x4xf32>
  %2 = rwkv.reshape %y : tensor<?x?x8xf32> -> tensor<?x?x2x4xf32>
  return %1, %2 : !X, tensor<?x?x2x4xf32>
}
