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

  func.func @f(%x: !X, %p: !X) -> !X {
    // CHECK: rwkv.lerp %[[X:.*]], %[[P:.*]] by @vec : !BTD
    %0 = rwkv.lerp %x, %p by @vec : !X
    return %0 : !X
  }
}
