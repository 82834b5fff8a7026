// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-generalize --verify-roundtrip | FileCheck %s

!k = tensor<?x?x2x8xf32>
!v = tensor<?x?x2x4xf32>
!g = tensor<?x?x2xf32>
!st = tensor<?x2x8x4xf32>
!wt = tensor<?x2x8x1xf32>
!S = !rwkv.state<8|4xf32>
!N = !rwkv.state<8|1xf32>

// Without a floor and with one.
// CHECK-LABEL: func @normalizer
func.func @normalizer(%k: !k, %c: !g, %s0: !st, %n0: !wt) -> (!v, !v) {
  // CHECK: over(%[[K:x.*]] = %{{.*}} : {{.*}}, %[[C:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}}, %[[N:.*]] = %{{.*}} : {{.*}})
  %r:4 = rwkv.recurrence over(%kt = %k : !k, %ct = %c : !g) init(%S = %s0 : !st, %N = %n0 : !wt) -> (!v, !v, !st, !wt) {
    // CHECK: %[[X:.*]] = rwkv.read %[[S]][%[[K]]]
    // CHECK-NEXT: %[[W:.*]] = rwkv.read %[[N]][%[[K]]]
    // CHECK-NEXT: %[[WS:.*]] = rwkv.sum %[[W]] over 0 : tensor<1xf32> -> f32
    // CHECK-NEXT: %[[ALL:.*]] = rwkv.broadcast %[[WS]] : f32 -> tensor<4xf32>
    // CHECK-NEXT: %[[A:.*]] = arith.divf %[[X]], %[[ALL]] : tensor<4xf32>
    %a = rwkv.normalizer %S by %N[%kt] : !S
    // CHECK-NEXT: %[[Y:.*]] = rwkv.read %[[S]][%[[K]]]
    // CHECK-NEXT: %[[V:.*]] = rwkv.read %[[N]][%[[K]]]
    // CHECK-NEXT: %[[VS:.*]] = rwkv.sum %[[V]] over 0 : tensor<1xf32> -> f32
    // CHECK-NEXT: %[[ABS:.*]] = math.absf %[[VS]] : f32
    // CHECK-NEXT: %[[MAX:.*]] = arith.maximumf %[[ABS]], %[[C]] : f32
    // CHECK-NEXT: %[[ALL2:.*]] = rwkv.broadcast %[[MAX]] : f32 -> tensor<4xf32>
    // CHECK-NEXT: %[[B:.*]] = arith.divf %[[Y]], %[[ALL2]] : tensor<4xf32>
    %b = rwkv.normalizer %S by %N[%kt] floor %ct : !S
    // CHECK-NEXT: rwkv.yield %[[A]], %[[B]], %[[S]], %[[N]]
    rwkv.yield %a, %b, %S, %N : tensor<4xf32>, tensor<4xf32>, !S, !N
  }
  return %r#0, %r#1 : !v, !v
}
