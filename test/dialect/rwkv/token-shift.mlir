// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
!F = tensor<?x?x?xf32, #rwkv.dims<B, T, F>>

!Y = tensor<?x?xf32, #rwkv.dims<B, D>>
!Ys = tensor<?x?xf32, #rwkv.dims<S, D>>

// CHECK-LABEL: func @token_shift
func.func @token_shift(%x: !X, %y: !Y, %ys: !Ys, %cu: tensor<?xi32>, %h: tensor<?x?x2x8xbf16>, %hl: tensor<?x2x8xbf16>)
    -> (!X, !Y) {
  // CHECK: %shifted, %next = rwkv.token_shift %{{.*}}, %{{.*}} : !BTD, !BD
  %p, %n = rwkv.token_shift %x, %y : !X, !Y
  // CHECK: rwkv.token_shift %{{.*}}, %{{.*}} reset(%{{.*}} : tensor<?xi32>) : !BTD, !SD
  %q, %m = rwkv.token_shift %x, %ys reset(%cu : tensor<?xi32>) : !X, !Ys
  // CHECK: rwkv.token_shift %{{.*}}, %{{.*}} : tensor<?x?x2x8xbf16>, tensor<?x2x8xbf16>
  %r, %l = rwkv.token_shift %h, %hl : tensor<?x?x2x8xbf16>, tensor<?x2x8xbf16>
  return %p, %n : !X, !Y
}
