// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-generalize --verify-roundtrip | FileCheck %s

// Short forms that treat the first key axis as slots: matrices on that axis. Rows are the slots that are made, columns those
// that they are made from.

!k = tensor<?x?x2x8xf32>
!v = tensor<?x?x2x4xf32>
!g = tensor<?x?x2xf32>
!S2 = !rwkv.state<2x8|4xf32>
!S3 = !rwkv.state<3x8|4xf32>

// P[0] + x P[2], of three slots.
// CHECK-LABEL: func @mix
func.func @mix(%x: !g, %s0: tensor<?x2x3x8x4xf32>) -> tensor<?x2x3x8x4xf32> {
  // CHECK: over(%[[X:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[P:.*]] = %{{.*}} : {{.*}})
  %r = rwkv.recurrence over(%xt = %x : !g) init(%P = %s0 : tensor<?x2x3x8x4xf32>) -> (tensor<?x2x3x8x4xf32>) {
    // CHECK: %[[ONE:.*]] = arith.constant dense<{{\[\[\[}}1.000000e+00, 0.000000e+00, 0.000000e+00], [0.000000e+00, 1.000000e+00, 0.000000e+00], [0.000000e+00, 0.000000e+00, 1.000000e+00]]]> : tensor<1x3x3xf32>
    // CHECK-NEXT: %[[PLACE:.*]] = arith.constant dense<{{\[\[\[}}0.000000e+00, 0.000000e+00, 1.000000e+00], [0.000000e+00, 0.000000e+00, 0.000000e+00], [0.000000e+00, 0.000000e+00, 0.000000e+00]]]> : tensor<1x3x3xf32>
    // CHECK-NEXT: %[[ALL:.*]] = rwkv.broadcast %[[X]] : f32 -> tensor<1x3x3xf32>
    // CHECK-NEXT: %[[ADDED:.*]] = arith.mulf %[[ALL]], %[[PLACE]] : tensor<1x3x3xf32>
    // CHECK-NEXT: %[[R:.*]] = arith.addf %[[ONE]], %[[ADDED]] : tensor<1x3x3xf32>
    // CHECK-NEXT: %[[P1:.*]] = rwkv.transform %[[P]], %[[R]] on "key0" : !{{state[0-9]*}}, tensor<1x3x3xf32>
    // CHECK-NEXT: rwkv.yield %[[P1]]
    %P1 = rwkv.mix %P, %xt from 2 to 0 : !S3
    rwkv.yield %P1 : !S3
  }
  return %r : tensor<?x2x3x8x4xf32>
}

// (M, P) <- (M, eta P); P <- P + c k z; (M, P) <- ((1 - alpha) M + P, P).
// CHECK-LABEL: func @momentum
func.func @momentum(%k: !k, %z: !v, %c: !g, %e: !g, %a: !g, %s0: tensor<?x2x2x8x4xf32>) -> tensor<?x2x2x8x4xf32> {
  // CHECK: over(%[[K:x.*]] = %{{.*}} : {{.*}}, %[[Z:x.*]] = %{{.*}} : {{.*}}, %[[C:x.*]] = %{{.*}} : {{.*}}, %[[E:x.*]] = %{{.*}} : {{.*}}, %[[A:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}})
  %r = rwkv.recurrence over(%kt = %k : !k, %zt = %z : !v, %ct = %c : !g, %et = %e : !g, %at = %a : !g)
      init(%S = %s0 : tensor<?x2x2x8x4xf32>) -> (tensor<?x2x2x8x4xf32>) {
    // CHECK: %[[SLOT:.*]] = arith.constant dense<[0.000000e+00, 1.000000e+00]> : tensor<2xf32>
    // CHECK-NEXT: %[[M:.*]] = arith.constant dense<{{\[\[\[}}1.000000e+00, 0.000000e+00], [0.000000e+00, 0.000000e+00]]]> : tensor<1x2x2xf32>
    // CHECK-NEXT: %[[MP:.*]] = arith.constant dense<{{\[\[\[}}0.000000e+00, 0.000000e+00], [0.000000e+00, 1.000000e+00]]]> : tensor<1x2x2xf32>
    // CHECK-NEXT: %[[EV:.*]] = rwkv.broadcast %[[E]] : f32 -> tensor<1x2x2xf32>
    // CHECK-NEXT: %[[EP:.*]] = arith.mulf %[[EV]], %[[MP]] : tensor<1x2x2xf32>
    // CHECK-NEXT: %[[R1:.*]] = arith.addf %[[M]], %[[EP]] : tensor<1x2x2xf32>
    // CHECK-NEXT: %[[S1:.*]] = rwkv.transform %[[S]], %[[R1]] on "key0"
    // CHECK-NEXT: %[[S2:.*]] = rwkv.write %[[S1]][%[[SLOT]], %[[K]]], %[[Z]] scale %[[C]]
    // CHECK: %[[F:.*]] = arith.subf %{{.*}}, %[[A]] : f32
    // CHECK: rwkv.broadcast %[[F]] : f32 -> tensor<1x2x2xf32>
    // CHECK: %[[S3:.*]] = rwkv.transform %[[S2]], %{{.*}} on "key0"
    // CHECK-NEXT: rwkv.yield %[[S3]]
    %S1 = rwkv.momentum %S[%kt], %zt scale %ct eta %et alpha %at : !S2
    rwkv.yield %S1 : !S2
  }
  return %r : tensor<?x2x2x8x4xf32>
}

// Without a scale; f64; two more key axes.
// CHECK-LABEL: func @momentum_keys
func.func @momentum_keys(%k: tensor<?x?x2x8xf64>, %e: tensor<?x?x2xf64>, %s0: tensor<?x2x2x8x8x8xf64>) {
  // CHECK: over(%[[K:x.*]] = %{{.*}} : {{.*}}, %[[E:x.*]] = %{{.*}} : {{.*}})
  %r = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf64>, %et = %e : tensor<?x?x2xf64>)
      init(%S = %s0 : tensor<?x2x2x8x8x8xf64>) -> (tensor<?x2x2x8x8x8xf64>) {
    // CHECK: %[[SLOT:.*]] = arith.constant dense<[0.000000e+00, 1.000000e+00]> : tensor<2xf64>
    // CHECK: rwkv.write %{{.*}}[%[[SLOT]], %[[K]], %[[K]]], %[[K]] : !{{state[0-9]*$}}
    %S1 = rwkv.momentum %S[%kt, %kt], %kt eta %et alpha %et : !rwkv.state<2x8x8|8xf64>
    rwkv.yield %S1 : !rwkv.state<2x8x8|8xf64>
  }
  return
}
