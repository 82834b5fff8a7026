// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-generalize --verify-roundtrip | FileCheck %s

!io = tensor<?x?x4x8xbf16>
!v = tensor<?x?x4x16xbf16>
!c = tensor<4x8xf32>
!st = tensor<?x4x8x16xf32>

// CHECK: !state = !rwkv.state<8|16xf32>
// CHECK-LABEL: func @wkv6
// CHECK-SAME: %[[R:.*]]: tensor<?x?x4x8xbf16>, %[[W:.*]]: tensor<?x?x4x8xbf16>, %[[K:.*]]: tensor<?x?x4x8xbf16>, %[[V:.*]]: tensor<?x?x4x16xbf16>, %[[U:.*]]: tensor<4x8xf32>, %[[S0:.*]]: tensor<?x4x8x16xf32>, %[[CU:.*]]: tensor<?xi32>
func.func @wkv6(%r: !io, %w: !io, %k: !io, %v: !v, %u: !c, %s0: !st, %cu: tensor<?xi32>) -> (!v, !st) {
  // CHECK-NOT: rwkv.wkv6
  // CHECK: %[[RES:.*]]:2 = rwkv.recurrence
  // CHECK-NEXT: over(%[[RT:x.*]] = %[[R]] : {{.*}}, %[[WT:x.*]] = %[[W]] : {{.*}}, %[[KT:x.*]] = %[[K]] : {{.*}}, %[[VT:x.*]] = %[[V]] : {{.*}})
  // CHECK-NEXT: const(%[[UT:c.*]] = %[[U]] : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %[[S0]] : tensor<?x4x8x16xf32>) reset(%[[CU]] : tensor<?xi32>)
  // CHECK-NEXT: -> (tensor<?x?x4x16xbf16>, tensor<?x4x8x16xf32>) {
  // The bonus is read and not yielded.
  // CHECK-NEXT: %[[UK:.*]] = arith.mulf %[[UT]], %[[KT]] : tensor<8xf32>
  // CHECK-NEXT: %[[PEEK:.*]] = rwkv.write %[[S]][%[[UK]]], %[[VT]] : !state
  // CHECK-NEXT: %[[O:.*]] = rwkv.read %[[PEEK]][%[[RT]]] : !state
  // CHECK-NEXT: %[[S1:.*]] = rwkv.decay %[[S]], %[[WT]] on "key0" : !state
  // CHECK-NEXT: %[[S2:.*]] = rwkv.write %[[S1]][%[[KT]]], %[[VT]] : !state
  // CHECK-NEXT: rwkv.yield %[[O]], %[[S2]] : tensor<16xf32>, !state
  // CHECK-NEXT: }
  // CHECK-NEXT: return %[[RES]]#0, %[[RES]]#1
  %o, %s = rwkv.wkv6 over(%r, %w, %k, %v) const(%u) init(%s0) reset(%cu)
    : (!io, !io, !io, !v, !c, !st, tensor<?xi32>) -> (!v, !st)
  return %o, %s : !v, !st
}
