// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-generalize --verify-roundtrip | FileCheck %s

// Every form, one after the other: which key is read, which is written, and with which scale.

!k = tensor<?x?x2x8xf32>
!v = tensor<?x?x2x4xf32>
!g = tensor<?x?x2xf32>
!st = tensor<?x2x8x4xf32>
!S = !rwkv.state<8|4xf32>

// CHECK: !state = !rwkv.state<8|4xf32>
// CHECK-LABEL: func @delta
// CHECK-SAME: %[[K0:.*]]: tensor<?x?x2x8xf32>, %[[A0:.*]]: tensor<?x?x2x8xf32>, %[[V0:.*]]: tensor<?x?x2x4xf32>, %[[C0:.*]]: tensor<?x?x2xf32>, %[[S0:.*]]: tensor<?x2x8x4xf32>)
func.func @delta(%k: !k, %a: !k, %v: !v, %c: !g, %s0: !st) -> (!v, !st) {
  // CHECK: over(%[[K:x.*]] = %[[K0]] : {{.*}}, %[[A:x.*]] = %[[A0]] : {{.*}}, %[[V:x.*]] = %[[V0]] : {{.*}}, %[[C:x.*]] = %[[C0]] : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %[[S0]] : tensor<?x2x8x4xf32>)
  // CHECK-NEXT: -> (
  %o, %s = rwkv.recurrence over(%kt = %k : !k, %at = %a : !k, %vt = %v : !v, %ct = %c : !g) init(%S = %s0 : !st) -> (!v, !st) {
    // CHECK-NEXT: %[[Y1:.*]] = rwkv.read %[[S]][%[[K]]] : !state
    // CHECK-NEXT: %[[E1:.*]] = arith.subf %[[V]], %[[Y1]] : tensor<4xf32>
    // CHECK-NEXT: %[[T1:.*]] = rwkv.write %[[S]][%[[K]]], %[[E1]] : !state
    %S1 = rwkv.delta %S[%kt], %vt : !S
    // CHECK-NEXT: %[[Y2:.*]] = rwkv.read %[[T1]][%[[K]]] : !state
    // CHECK-NEXT: %[[E2:.*]] = arith.subf %[[V]], %[[Y2]] : tensor<4xf32>
    // CHECK-NEXT: %[[T2:.*]] = rwkv.write %[[T1]][%[[K]]], %[[E2]] scale %[[C]] : !state
    %S2 = rwkv.delta %S1[%kt], %vt scale %ct : !S
    // CHECK-NEXT: %[[Y3:.*]] = rwkv.read %[[T2]][%[[A]]] : !state
    // CHECK-NEXT: %[[E3:.*]] = arith.subf %[[V]], %[[Y3]] : tensor<4xf32>
    // CHECK-NEXT: %[[T3:.*]] = rwkv.write %[[T2]][%[[K]]], %[[E3]] : !state
    %S3 = rwkv.delta %S2[%kt], %vt reads [%at] : !S
    // CHECK-NEXT: %[[Y4:.*]] = rwkv.read %[[T3]][%[[A]]] : !state
    // CHECK-NEXT: %[[E4:.*]] = arith.subf %[[V]], %[[Y4]] : tensor<4xf32>
    // CHECK-NEXT: %[[T4:.*]] = rwkv.write %[[T3]][%[[K]]], %[[E4]] scale %[[C]] : !state
    %S4 = rwkv.delta %S3[%kt], %vt scale %ct reads [%at] : !S
    // CHECK-NEXT: %[[O:.*]] = rwkv.read %[[T4]][%[[K]]] : !state
    // CHECK-NEXT: rwkv.yield %[[O]], %[[T4]]
    %ot = rwkv.read %S4[%kt] : !S
    rwkv.yield %ot, %S4 : tensor<4xf32>, !S
  }
  return %o, %s : !v, !st
}

// Two key axes; a peek; f64.
// CHECK-LABEL: func @keys
func.func @keys(%k: tensor<?x?x?x?xf64>, %l: tensor<?x?x?x?xf64>, %v: tensor<?x?x?x?xf64>, %s0: tensor<?x?x?x?x?xf64>) {
  // CHECK: over(%[[K:x.*]] = %{{.*}} : {{.*}}, %[[L:x.*]] = %{{.*}} : {{.*}}, %[[V:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}})
  %o:2 = rwkv.recurrence over(%kt = %k : tensor<?x?x?x?xf64>, %lt = %l : tensor<?x?x?x?xf64>, %vt = %v : tensor<?x?x?x?xf64>)
      init(%S = %s0 : tensor<?x?x?x?x?xf64>) -> (tensor<?x?x?x?xf64>, tensor<?x?x?x?x?xf64>) {
    // CHECK: %[[Y:.*]] = rwkv.read %[[S]][%[[L]], %[[K]]] : ![[T:state[0-9]*]]
    // CHECK-NEXT: %[[E:.*]] = arith.subf %[[V]], %[[Y]] : tensor<?xf64>
    // CHECK-NEXT: %[[PEEK:.*]] = rwkv.write %[[S]][%[[K]], %[[L]]], %[[E]] : ![[T]]
    // CHECK-NEXT: %[[O:.*]] = rwkv.read %[[PEEK]][%[[K]], %[[L]]] : ![[T]]
    // CHECK-NEXT: rwkv.yield %[[O]], %[[S]]
    %P = rwkv.delta %S[%kt, %lt], %vt reads [%lt, %kt] : !rwkv.state<?x?|?xf64>
    %ot = rwkv.read %P[%kt, %lt] : !rwkv.state<?x?|?xf64>
    rwkv.yield %ot, %S : tensor<?xf64>, !rwkv.state<?x?|?xf64>
  }
  return
}
