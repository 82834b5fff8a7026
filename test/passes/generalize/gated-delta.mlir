// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-generalize --verify-roundtrip | FileCheck %s

!q = tensor<?x?x?x?xf64>
!g = tensor<?x?x?xf64>
!st = tensor<?x?x?x?xf64>

// f64 operands give an f64 region.
// CHECK: !state = !rwkv.state<?|?xf64>
// CHECK-LABEL: func @gated_delta
// CHECK-SAME: %[[Q:.*]]: tensor<?x?x?x?xf64>, %[[K:.*]]: tensor<?x?x?x?xf64>, %[[V:.*]]: tensor<?x?x?x?xf64>, %[[G:.*]]: tensor<?x?x?xf64>, %[[BETA:.*]]: tensor<?x?x?xf64>, %[[S0:.*]]: tensor<?x?x?x?xf64>)
func.func @gated_delta(%q: !q, %k: !q, %v: !q, %g: !g, %beta: !g, %s0: !st) -> (!q, !st) {
  // CHECK-NOT: rwkv.gated_delta
  // CHECK: %[[RES:.*]]:2 = rwkv.recurrence
  // CHECK-NEXT: over(%[[QT:x.*]] = %[[Q]] : {{.*}}, %[[KT:x.*]] = %[[K]] : {{.*}}, %[[VT:x.*]] = %[[V]] : {{.*}}, %[[GT:x.*]] = %[[G]] : {{.*}}, %[[BT:x.*]] = %[[BETA]] : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %[[S0]] : tensor<?x?x?x?xf64>)
  // CHECK-NEXT: -> (tensor<?x?x?x?xf64>, tensor<?x?x?x?xf64>) {
  // CHECK-NEXT: %[[S1:.*]] = rwkv.decay %[[S]], %[[GT]] on "all" : !state
  // CHECK-NEXT: %[[Y:.*]] = rwkv.read %[[S1]][%[[KT]]] : !state
  // CHECK-NEXT: %[[E:.*]] = arith.subf %[[VT]], %[[Y]] : tensor<?xf64>
  // CHECK-NEXT: %[[S2:.*]] = rwkv.write %[[S1]][%[[KT]]], %[[E]] scale %[[BT]] : !state
  // CHECK-NEXT: %[[O:.*]] = rwkv.read %[[S2]][%[[QT]]] : !state
  // CHECK-NEXT: rwkv.yield %[[O]], %[[S2]] : tensor<?xf64>, !state
  // CHECK-NEXT: }
  // CHECK-NEXT: return %[[RES]]#0, %[[RES]]#1
  %o, %s = rwkv.gated_delta over(%q, %k, %v, %g, %beta) init(%s0) : (!q, !q, !q, !g, !g, !st) -> (!q, !st)
  return %o, %s : !q, !st
}
