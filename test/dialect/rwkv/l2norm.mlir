// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
!F = tensor<?x?x?xf32, #rwkv.dims<B, T, F>>

// CHECK-LABEL: func @l2norm
func.func @l2norm(%x: !X, %v: tensor<8xf32>) -> (!X, tensor<8xf32>) {
  // CHECK: rwkv.l2norm %{{.*}} over "D" floor 9.9999999999999998E-13 : !BTD
  %0 = rwkv.l2norm %x over "D" floor 1.0e-12 : !X
  // CHECK: rwkv.l2norm %{{.*}} over 0 floor 0.000000e+00 : tensor<8xf32>
  %1 = rwkv.l2norm %v over 0 floor 0.0 : tensor<8xf32>
  return %0, %1 : !X, tensor<8xf32>
}
