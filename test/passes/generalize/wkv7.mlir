// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-generalize --verify-roundtrip | FileCheck %s

!io = tensor<?x?x4x8xbf16>
!v = tensor<?x?x4x16xbf16>
!st = tensor<?x4x8x16xf32>

// CHECK: !state = !rwkv.state<8|16xf32>
// CHECK-LABEL: func @wkv7
// CHECK-SAME: %[[R:.*]]: tensor<?x?x4x8xbf16>, %[[W:.*]]: tensor<?x?x4x8xbf16>, %[[K:.*]]: tensor<?x?x4x8xbf16>, %[[V:.*]]: tensor<?x?x4x16xbf16>, %[[A:.*]]: tensor<?x?x4x8xbf16>, %[[B:.*]]: tensor<?x?x4x8xbf16>, %[[S0:.*]]: tensor<?x4x8x16xf32>, %[[CU:.*]]: tensor<?xi32>
func.func @wkv7(%r: !io, %w: !io, %k: !io, %v: !v, %a: !io, %b: !io, %s0: !st, %cu: tensor<?xi32>) -> (!v, !st) {
  // CHECK-NOT: rwkv.wkv7
  // CHECK: %[[RES:.*]]:2 = rwkv.recurrence
  // CHECK-NEXT: over(%[[RT:x.*]] = %[[R]] : {{.*}}, %[[WT:x.*]] = %[[W]] : {{.*}}, %[[KT:x.*]] = %[[K]] : {{.*}}, %[[VT:x.*]] = %[[V]] : {{.*}}, %[[AT:x.*]] = %[[A]] : {{.*}}, %[[BT:x.*]] = %[[B]] : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %[[S0]] : tensor<?x4x8x16xf32>) reset(%[[CU]] : tensor<?xi32>)
  // CHECK-NEXT: -> (tensor<?x?x4x16xbf16>, tensor<?x4x8x16xf32>) {
  // CHECK-NEXT: %[[Y:.*]] = rwkv.read %[[S]][%[[AT]]] : !state
  // CHECK-NEXT: %[[S1:.*]] = rwkv.decay %[[S]], %[[WT]] on "key0" : !state
  // CHECK-NEXT: %[[S2:.*]] = rwkv.write %[[S1]][%[[BT]]], %[[Y]] : !state
  // CHECK-NEXT: %[[S3:.*]] = rwkv.write %[[S2]][%[[KT]]], %[[VT]] : !state
  // CHECK-NEXT: %[[O:.*]] = rwkv.read %[[S3]][%[[RT]]] : !state
  // CHECK-NEXT: rwkv.yield %[[O]], %[[S3]] : tensor<16xf32>, !state
  // CHECK-NEXT: }
  // CHECK-NEXT: return %[[RES]]#0, %[[RES]]#1
  %o, %s = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init(%s0) reset(%cu)
    : (!io, !io, !io, !v, !io, !io, !st, tensor<?xi32>) -> (!v, !st)
  return %o, %s : !v, !st
}

// What is asked for of products stays asked for.
// CHECK-LABEL: func @rounded
func.func @rounded(%r: !io, %v: !v, %s0: !st) -> (!v, !st) {
  // CHECK: } attributes {precision = #rwkv.precision<bf16>}
  %o, %s = rwkv.wkv7 over(%r, %r, %r, %v, %r, %r) init(%s0) {precision = #rwkv.precision<bf16>}
    : (!io, !io, !io, !v, !io, !io, !st) -> (!v, !st)
  return %o, %s : !v, !st
}
