// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
!Y = tensor<?x?xf32, #rwkv.dims<B, D>>
!Ys = tensor<?x?x?xf32, #rwkv.dims<L, B, D>>

// CHECK-LABEL: func @when
func.func @when(%x: !X, %y: !X) -> (!X, !X) {
  // CHECK: %[[R:.*]]:2 = rwkv.when "l > 0" -> (!BTD, !BTD) {
  // CHECK-NEXT: rwkv.yield %[[A:.*]], %[[B:.*]] : !BTD, !BTD
  // CHECK-NEXT: } else {
  // CHECK-NEXT: rwkv.yield %[[B]], %[[A]] : !BTD, !BTD
  // CHECK-NEXT: }
  %r:2 = rwkv.when "l > 0" -> (!X, !X) {
    rwkv.yield %x, %y : !X, !X
  } else {
    rwkv.yield %y, %x : !X, !X
  }
  // CHECK: rwkv.when " l>=3 "
  // CHECK: } {note = "x"}
  %s = rwkv.when " l>=3 " -> (!X) {
    rwkv.yield %x : !X
  } else {
    rwkv.yield %y : !X
  } {note = "x"}
  return %r#0, %r#1 : !X, !X
}
