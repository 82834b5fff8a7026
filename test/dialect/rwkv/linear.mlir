// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
!F = tensor<?x?x?xf32, #rwkv.dims<B, T, F>>

// CHECK-LABEL: rwkv.model @m
rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @vec "vec" #rwkv.dims<D>
  rwkv.weight @mat "mat" #rwkv.dims<D, F>

  func.func @f(%x: !X, %y: tensor<4x8xbf16>) -> (!F, tensor<4x16xbf16>) {
    // CHECK: rwkv.linear %{{.*}}, @mat : !BTD -> !BTF
    %0 = rwkv.linear %x, @mat : !X -> !F
    // CHECK: rwkv.linear %{{.*}}, @mat : tensor<4x8xbf16> -> tensor<4x16xbf16>
    %1 = rwkv.linear %y, @mat : tensor<4x8xbf16> -> tensor<4x16xbf16>
    return %0, %1 : !F, tensor<4x16xbf16>
  }
}
