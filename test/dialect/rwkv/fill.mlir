// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @fill
func.func @fill() -> (f32, f64, tensor<8xf32>, tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
  // CHECK: rwkv.fill 1.000000e+00 : f32
  %0 = rwkv.fill 1.0 : f32
  // CHECK: rwkv.fill -0.60653065971263342 : f64
  %1 = rwkv.fill -0.6065306597126334 : f64
  // CHECK: rwkv.fill 0.000000e+00 : tensor<8xf32>
  %2 = rwkv.fill 0.0 : tensor<8xf32>
  // CHECK: rwkv.fill 0x7FF0000000000000 : !BTD
  %3 = rwkv.fill 0x7FF0000000000000 : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
  return %0, %1, %2, %3 : f32, f64, tensor<8xf32>, tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
}
