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

  func.func @f() -> (!X, tensor<?x?x4x8xbf16>) {
    // By name.
    // CHECK: rwkv.get @vec : !BTD
    %0 = rwkv.get @vec : !X
    // By position.
    // CHECK: rwkv.get @mat on [2, 3] : tensor<?x?x4x8xbf16>
    %1 = rwkv.get @mat on [2, 3] : tensor<?x?x4x8xbf16>
    return %0, %1 : !X, tensor<?x?x4x8xbf16>
  }
}
