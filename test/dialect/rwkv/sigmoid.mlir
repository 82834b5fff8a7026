// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @sigmoid
// CHECK-SAME: %[[V:.*]]: tensor<8xf32>, %[[S:.*]]: f32, %[[D:.*]]: f64, %[[X:.*]]: !BTD_bf16
func.func @sigmoid(%v: tensor<8xf32>, %s: f32, %d: f64, %x: tensor<?x?x?xbf16, #rwkv.dims<B, T, D>>)
    -> (tensor<8xf32>, f32, f64, tensor<?x?x?xbf16, #rwkv.dims<B, T, D>>) {
  // CHECK: rwkv.sigmoid %[[V]] : tensor<8xf32>
  %0 = rwkv.sigmoid %v : tensor<8xf32>
  // CHECK: rwkv.sigmoid %[[S]] : f32
  %1 = rwkv.sigmoid %s : f32
  // CHECK: rwkv.sigmoid %[[D]] : f64
  %2 = rwkv.sigmoid %d : f64
  // CHECK: rwkv.sigmoid %[[X]] : !BTD_bf16
  %3 = rwkv.sigmoid %x : tensor<?x?x?xbf16, #rwkv.dims<B, T, D>>
  return %0, %1, %2, %3 : tensor<8xf32>, f32, f64, tensor<?x?x?xbf16, #rwkv.dims<B, T, D>>
}
