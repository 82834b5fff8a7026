// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-generalize --verify-roundtrip | FileCheck %s

!io = tensor<?x?x4x8xbf16>
!c = tensor<4x8xf32>
!st = tensor<?x4x8xf32>

// CHECK: !state = !rwkv.state<|8xf32>
// CHECK-LABEL: func @wkv4
// CHECK-SAME: %[[K:.*]]: tensor<?x?x4x8xbf16>, %[[V:.*]]: tensor<?x?x4x8xbf16>, %[[W:.*]]: tensor<4x8xf32>, %[[U:.*]]: tensor<4x8xf32>, %[[NUM0:.*]]: tensor<?x4x8xf32>, %[[DEN0:.*]]: tensor<?x4x8xf32>, %[[M0:.*]]: tensor<?x4x8xf32>, %[[CU:.*]]: tensor<?xi32>
func.func @wkv4(%k: !io, %v: !io, %w: !c, %u: !c, %num: !st, %den: !st, %m: !st, %cu: tensor<?xi32>) -> (!io, !st, !st, !st) {
  // CHECK-NOT: rwkv.wkv4
  // CHECK: %[[RES:.*]]:4 = rwkv.recurrence
  // CHECK-NEXT: over(%[[KT:x.*]] = %[[K]] : {{.*}}, %[[VT:x.*]] = %[[V]] : {{.*}})
  // CHECK-NEXT: const(%[[WT:c.*]] = %[[W]] : {{.*}}, %[[UT:c.*]] = %[[U]] : {{.*}})
  // CHECK-NEXT: init(%[[NUM:.*]] = %[[NUM0]] : {{.*}}, %[[DEN:.*]] = %[[DEN0]] : {{.*}}, %[[M:.*]] = %[[M0]] : {{.*}}) reset(%[[CU]] : tensor<?xi32>)
  // CHECK-NEXT: -> (tensor<?x?x4x8xbf16>, tensor<?x4x8xf32>, tensor<?x4x8xf32>, tensor<?x4x8xf32>) {
  // The output, relative to the larger of the exponents of the past and of this token with its bonus.
  // CHECK-NEXT: %[[BEFORE:.*]] = rwkv.read %[[M]][] : !state
  // CHECK-NEXT: %[[BONUS:.*]] = arith.addf %[[UT]], %[[KT]] : tensor<8xf32>
  // CHECK-NEXT: %[[LARGEST:.*]] = arith.maximumf %[[BEFORE]], %[[BONUS]] : tensor<8xf32>
  // CHECK: %[[NUMR:.*]] = rwkv.read %[[NUM]][] : !state
  // CHECK: %[[DENR:.*]] = rwkv.read %[[DEN]][] : !state
  // CHECK: %[[O:.*]] = arith.divf
  // The states, relative to the new exponent: one decay and one write each, and a maximum.
  // CHECK-NEXT: %[[M1:.*]] = rwkv.maximum %[[M]], %[[WT]], %[[KT]] : !state
  // CHECK-NEXT: %[[AFTER:.*]] = rwkv.read %[[M1]][] : !state
  // CHECK: %[[LOG:.*]] = arith.subf %{{.*}}, %[[AFTER]] : tensor<8xf32>
  // CHECK: %[[WEIGHT:.*]] = math.exp
  // CHECK: %[[NUM1:.*]] = rwkv.decay %[[NUM]], %[[LOG]] on "value" : !state
  // CHECK: %[[KV:.*]] = arith.mulf %[[WEIGHT]], %[[VT]] : tensor<8xf32>
  // CHECK: %[[NUM2:.*]] = rwkv.write %[[NUM1]][], %[[KV]] : !state
  // CHECK-NEXT: %[[DEN1:.*]] = rwkv.decay %[[DEN]], %[[LOG]] on "value" : !state
  // CHECK-NEXT: %[[DEN2:.*]] = rwkv.write %[[DEN1]][], %[[WEIGHT]] : !state
  // CHECK-NEXT: rwkv.yield %[[O]], %[[NUM2]], %[[DEN2]], %[[M1]] : tensor<8xf32>, !state, !state, !state
  // CHECK-NEXT: }
  // CHECK-NEXT: return %[[RES]]#0, %[[RES]]#1, %[[RES]]#2, %[[RES]]#3
  %o:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m) reset(%cu)
    : (!io, !io, !c, !c, !st, !st, !st, tensor<?xi32>) -> (!io, !st, !st, !st)
  return %o#0, %o#1, %o#2, %o#3 : !io, !st, !st, !st
}
