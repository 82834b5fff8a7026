// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// An axis by name or by position; a vector sums to a scalar.

// CHECK-LABEL: func @sum
// CHECK-SAME: %[[V:.*]]: tensor<8xf32>, %[[M:.*]]: tensor<4x8xf64>, %[[X:.*]]: !BTHN
func.func @sum(%v: tensor<8xf32>, %m: tensor<4x8xf64>, %x: tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>)
    -> (f32, tensor<8xf64>, tensor<?x?x?xf32, #rwkv.dims<B, T, N>>, tensor<?x?x?xf32, #rwkv.dims<B, T, H>>) {
  // CHECK: rwkv.sum %[[V]] over 0 : tensor<8xf32> -> f32
  %0 = rwkv.sum %v over 0 : tensor<8xf32> -> f32
  // CHECK: rwkv.sum %[[M]] over 0 : tensor<4x8xf64> -> tensor<8xf64>
  %1 = rwkv.sum %m over 0 : tensor<4x8xf64> -> tensor<8xf64>
  // CHECK: rwkv.sum %[[X]] over "H" : !BTHN -> !BTN
  %2 = rwkv.sum %x over "H" : tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>> -> tensor<?x?x?xf32, #rwkv.dims<B, T, N>>
  // CHECK: rwkv.sum %[[X]] over 3 : !BTHN -> !BTH
  %3 = rwkv.sum %x over 3 : tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>> -> tensor<?x?x?xf32, #rwkv.dims<B, T, H>>
  return %0, %1, %2, %3
    : f32, tensor<8xf64>, tensor<?x?x?xf32, #rwkv.dims<B, T, N>>, tensor<?x?x?xf32, #rwkv.dims<B, T, H>>
}
