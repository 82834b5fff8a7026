// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
!F = tensor<?x?x?xf32, #rwkv.dims<B, T, F>>

!H = tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>

// CHECK-LABEL: rwkv.model @m
rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @vec "vec" #rwkv.dims<D>
  rwkv.weight @mat "mat" #rwkv.dims<D, F>

  func.func @f(%x: !X, %h: !H) -> (!X, !H, !H) {
    // CHECK: rwkv.norm %{{.*}}, @vec, @vec over "D" eps @eps : !BTD
    %0 = rwkv.norm %x, @vec, @vec over "D" eps @eps : !X
    // CHECK: rwkv.norm %{{.*}}, @vec, @vec over "N" eps @eps : !BTHN
    %1 = rwkv.norm %h, @vec, @vec over "N" eps @eps : !H
    // CHECK: rwkv.norm %{{.*}}, @vec, @vec over 3 eps @eps : !BTHN
    %2 = rwkv.norm %h, @vec, @vec over 3 eps @eps : !H
    return %0, %1, %2 : !X, !H, !H
  }
}
