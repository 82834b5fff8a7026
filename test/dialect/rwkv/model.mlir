// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// A model is a symbol and a table of symbols; functions keep their state attributes.

// CHECK-LABEL: rwkv.model @empty {
// CHECK-NEXT: }
rwkv.model @empty {}

// CHECK-LABEL: rwkv.model @m attributes {family = "x"} {
// CHECK-NEXT: rwkv.param @eps = 1.000000e-05
// CHECK-NEXT: rwkv.weight @w "w" #rwkv.dims<D>
// CHECK-NEXT: func.func @f(%{{.*}}: !BTD, %[[S:.*]]: !BD {rwkv.state = "shift"}) -> (!BTD, !BD {rwkv.state = "shift"}) {
rwkv.model @m attributes {family = "x"} {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @w "w" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, %s: tensor<?x?xf32, #rwkv.dims<B, D>> {rwkv.state = "shift"})
      -> (tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, tensor<?x?xf32, #rwkv.dims<B, D>> {rwkv.state = "shift"}) {
    return %x, %s : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, tensor<?x?xf32, #rwkv.dims<B, D>>
  }
}
