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

  rwkv.weight @emb "emb" #rwkv.dims<V, D>
  func.func @f(%t: tensor<?x?xi32, #rwkv.dims<B, T>>) -> !X {
    // CHECK: rwkv.embed %{{.*}}, @emb : !BT_i32 -> !BTD
    %0 = rwkv.embed %t, @emb : tensor<?x?xi32, #rwkv.dims<B, T>> -> !X
    return %0 : !X
  }
}
