// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @matvec
// CHECK-SAME: %[[M:.*]]: tensor<4x8xf32>, %[[X:.*]]: tensor<8xf32>, %[[D:.*]]: tensor<?x?xf64>, %[[Y:.*]]: tensor<?xf64>
func.func @matvec(%m: tensor<4x8xf32>, %x: tensor<8xf32>, %d: tensor<?x?xf64>, %y: tensor<?xf64>)
    -> (tensor<4xf32>, tensor<?xf64>) {
  // CHECK: rwkv.matvec %[[M]], %[[X]] : tensor<4x8xf32>, tensor<8xf32> -> tensor<4xf32>
  %0 = rwkv.matvec %m, %x : tensor<4x8xf32>, tensor<8xf32> -> tensor<4xf32>
  // CHECK: rwkv.matvec %[[D]], %[[Y]] : tensor<?x?xf64>, tensor<?xf64> -> tensor<?xf64>
  %1 = rwkv.matvec %d, %y : tensor<?x?xf64>, tensor<?xf64> -> tensor<?xf64>
  return %0, %1 : tensor<4xf32>, tensor<?xf64>
}
