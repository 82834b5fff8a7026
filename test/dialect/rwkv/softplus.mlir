// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @softplus
// CHECK-SAME: %[[V:.*]]: tensor<8xf32>, %[[S:.*]]: f32, %[[D:.*]]: f64, %[[X:.*]]: !BTD_bf16
func.func @softplus(%v: tensor<8xf32>, %s: f32, %d: f64, %x: tensor<?x?x?xbf16, #rwkv.dims<B, T, D>>)
    -> (tensor<8xf32>, f32, f64, tensor<?x?x?xbf16, #rwkv.dims<B, T, D>>) {
  // CHECK: rwkv.softplus %[[V]] : tensor<8xf32>
  %0 = rwkv.softplus %v : tensor<8xf32>
  // CHECK: rwkv.softplus %[[S]] : f32
  %1 = rwkv.softplus %s : f32
  // CHECK: rwkv.softplus %[[D]] : f64
  %2 = rwkv.softplus %d : f64
  // CHECK: rwkv.softplus %[[X]] : !BTD_bf16
  %3 = rwkv.softplus %x : tensor<?x?x?xbf16, #rwkv.dims<B, T, D>>
  return %0, %1, %2, %3 : tensor<8xf32>, f32, f64, tensor<?x?x?xbf16, #rwkv.dims<B, T, D>>
}
