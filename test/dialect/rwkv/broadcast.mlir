// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// Axes by name, by position, or a scalar.

// CHECK-LABEL: func @broadcast
// CHECK-SAME: %[[X:.*]]: !BTH, %[[V:.*]]: tensor<8xf32>, %[[M:.*]]: tensor<4x8xf32>, %[[S:.*]]: f32
func.func @broadcast(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, H>>, %v: tensor<8xf32>, %m: tensor<4x8xf32>, %s: f32) {
  // CHECK: rwkv.broadcast %[[X]] : !BTH -> !BTHN
  %0 = rwkv.broadcast %x : tensor<?x?x?xf32, #rwkv.dims<B, T, H>> -> tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>
  // CHECK: rwkv.broadcast %[[V]] on [0] : tensor<8xf32> -> tensor<8x8xf32>
  %1 = rwkv.broadcast %v on [0] : tensor<8xf32> -> tensor<8x8xf32>
  // CHECK: rwkv.broadcast %[[V]] on [1] : tensor<8xf32> -> tensor<8x8xf32>
  %2 = rwkv.broadcast %v on [1] : tensor<8xf32> -> tensor<8x8xf32>
  // CHECK: rwkv.broadcast %[[M]] on [0, 2] : tensor<4x8xf32> -> tensor<4x2x8xf32>
  %3 = rwkv.broadcast %m on [0, 2] : tensor<4x8xf32> -> tensor<4x2x8xf32>
  // CHECK: rwkv.broadcast %[[S]] : f32 -> tensor<8xf32>
  %4 = rwkv.broadcast %s : f32 -> tensor<8xf32>
  return
}
