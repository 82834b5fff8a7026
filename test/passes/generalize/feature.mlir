// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-generalize --verify-roundtrip | FileCheck %s

!k = tensor<?x?x2x8xf32>
!v = tensor<?x?x2x4xf32>
!g = tensor<?x?x2xf32>
!sa = tensor<?x2x4xf32>
!sb = tensor<?x2x8x4xf32>
!sc = tensor<?x2x8x8x4xf32>
!sd = tensor<?x2x8x8x8x4xf32>
!A = !rwkv.state<|4xf32>
!B = !rwkv.state<8|4xf32>
!C = !rwkv.state<8x8|4xf32>
!D = !rwkv.state<8x8x8|4xf32>
!v_ = tensor<4xf32>

// One state, every key axis the same key.
// CHECK-LABEL: func @power
func.func @power(%k: !k, %v: !v, %g: !g, %c: !sc) -> (!v, !sc) {
  // CHECK: over(%[[K:x.*]] = %{{.*}} : {{.*}}, %[[V:x.*]] = %{{.*}} : {{.*}}, %[[G:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[C:.*]] = %{{.*}} : {{.*}})
  %r:2 = rwkv.recurrence over(%kt = %k : !k, %vt = %v : !v, %gt = %g : !g) init(%C = %c : !sc) -> (!v, !sc) {
    // CHECK: %[[C1:.*]] = rwkv.write %[[C]][%[[K]], %[[K]]], %[[V]] scale %[[G]]
    %C1 = rwkv.feature_write power %C[%kt], %vt scale %gt : !C
    // CHECK-NEXT: %[[Y:.*]] = rwkv.read %[[C1]][%[[K]], %[[K]]]
    %y = rwkv.feature_read power %C1[%kt] : !C
    // CHECK-NEXT: rwkv.yield %[[Y]], %[[C1]]
    rwkv.yield %y, %C1 : !v_, !C
  }
  return %r#0, %r#1 : !v, !sc
}

// A state per term; the results of the write are the states of the recurrence, each of its own.
// CHECK-LABEL: func @taylor
func.func @taylor(%k: !k, %v: !v, %a: !sa, %b: !sb, %c: !sc, %d: !sd) -> (!v, !sa, !sb, !sc, !sd) {
  // CHECK: over(%[[K:x.*]] = %{{.*}} : {{.*}}, %[[V:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[A:.*]] = %{{.*}} : {{.*}}, %[[B:.*]] = %{{.*}} : {{.*}}, %[[C:.*]] = %{{.*}} : {{.*}}, %[[D:.*]] = %{{.*}} : {{.*}})
  %r:5 = rwkv.recurrence over(%kt = %k : !k, %vt = %v : !v) init(%A = %a : !sa, %B = %b : !sb, %C = %c : !sc, %D = %d : !sd)
      -> (!v, !sa, !sb, !sc, !sd) {
    // CHECK: %[[A1:.*]] = rwkv.write %[[A]][], %[[V]]
    // CHECK-NEXT: %[[B1:.*]] = rwkv.write %[[B]][%[[K]]], %[[V]]
    // CHECK-NEXT: %[[C1:.*]] = rwkv.write %[[C]][%[[K]], %[[K]]], %[[V]]
    // CHECK-NEXT: %[[D1:.*]] = rwkv.write %[[D]][%[[K]], %[[K]], %[[K]]], %[[V]]
    %s:4 = rwkv.feature_write taylor %A, %B, %C, %D[%kt], %vt : !D
    // CHECK-NEXT: %[[R0:.*]] = rwkv.read %[[A1]][]
    // CHECK-NEXT: %[[R1:.*]] = rwkv.read %[[B1]][%[[K]]]
    // CHECK-NEXT: %[[S1:.*]] = arith.addf %[[R0]], %[[R1]]
    // CHECK-NEXT: %[[R2:.*]] = rwkv.read %[[C1]][%[[K]], %[[K]]]
    // CHECK-NEXT: %[[HALF:.*]] = rwkv.fill 5.000000e-01
    // CHECK-NEXT: %[[P2:.*]] = arith.mulf %[[R2]], %[[HALF]]
    // CHECK-NEXT: %[[S2:.*]] = arith.addf %[[S1]], %[[P2]]
    // CHECK-NEXT: %[[R3:.*]] = rwkv.read %[[D1]][%[[K]], %[[K]], %[[K]]]
    // CHECK-NEXT: %[[SIXTH:.*]] = rwkv.fill 0.16666666666666666
    // CHECK-NEXT: %[[P3:.*]] = arith.mulf %[[R3]], %[[SIXTH]]
    // CHECK-NEXT: %[[S3:.*]] = arith.addf %[[S2]], %[[P3]]
    %y = rwkv.feature_read taylor %s#0, %s#1, %s#2, %s#3[%kt] : !D
    // CHECK-NEXT: rwkv.yield %[[S3]], %[[A1]], %[[B1]], %[[C1]], %[[D1]]
    rwkv.yield %y, %s#0, %s#1, %s#2, %s#3 : !v_, !A, !B, !C, !D
  }
  return %r#0, %r#1, %r#2, %r#3, %r#4 : !v, !sa, !sb, !sc, !sd
}
