// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bounds of decays that follow from what they are computed from are written down and need no check.
// RUN: rwkv-opt %s --pass-pipeline='builtin.module(func.func(rwkv-schedule{schedule=chunk chunk=8}))' | FileCheck %s

!K = tensor<?x?x2x8xf32>
!S0 = tensor<?x2x8x8xf32>
!S = !rwkv.state<8|8xf32>
!k = tensor<8xf32>

// Through the operand of the recurrence: -0.6 sigmoid(x).
// CHECK-LABEL: func @producer
// CHECK: rwkv.decay %{{.*}} on "key0" bound [-0.60000{{[0-9]+}} : f32, 0.000000e+00 : f32] certified
// CHECK: schedule = #rwkv.schedule<chunk, C = 8>
func.func @producer(%x: !K, %k: !K, %v: !K, %s0: !S0) -> !S0 {
  %c = rwkv.fill -0.6 : !K
  %p = rwkv.sigmoid %x : !K
  %g = arith.mulf %c, %p : !K
  %s = rwkv.recurrence over(%gt = %g : !K, %kt = %k : !K, %vt = %v : !K) init(%S = %s0 : !S0) -> (!S0) {
    %S1 = rwkv.decay %S, %gt on "key0" : !S
    %S2 = rwkv.write %S1[%kt], %vt : !S
    rwkv.yield %S2 : !S
  }
  return %s : !S0
}

// A softplus has no upper end, so its negative has no lower one.
// CHECK-LABEL: func @unbounded
// CHECK: rwkv.decay %{{.*}}, %{{.*}} on "key0" : !state
func.func @unbounded(%x: !K, %k: !K, %v: !K, %s0: !S0) -> !S0 {
  %p = rwkv.softplus %x : !K
  %g = arith.negf %p : !K
  %s = rwkv.recurrence over(%gt = %g : !K, %kt = %k : !K, %vt = %v : !K) init(%S = %s0 : !S0) -> (!S0) {
    %S1 = rwkv.decay %S, %gt on "key0" : !S
    %S2 = rwkv.write %S1[%kt], %vt : !S
    rwkv.yield %S2 : !S
  }
  return %s : !S0
}

// Inside of the region, and an assertion that follows; the second one does not and stays to be checked.
// CHECK-LABEL: func @asserted
// CHECK: bound [-2.000000e+00 : f32, 0.000000e+00 : f32] certified
// CHECK: bound [-5.000000e-01 : f32, 0.000000e+00 : f32] :
// CHECK: schedule = #rwkv.schedule<step>
func.func @asserted(%x: !K, %k: !K, %v: !K, %s0: !S0) -> !S0 {
  %s = rwkv.recurrence over(%xt = %x : !K, %kt = %k : !K, %vt = %v : !K) init(%S = %s0 : !S0) -> (!S0) {
    %p = rwkv.sigmoid %xt : !k
    %g = arith.negf %p : !k
    %S1 = rwkv.decay %S, %g on "key0" bound [-2.0 : f32, 0.0 : f32] : !S
    %S2 = rwkv.decay %S1, %g on "key0" bound [-0.5 : f32, 0.0 : f32] : !S
    %S3 = rwkv.write %S2[%kt], %vt : !S
    rwkv.yield %S3 : !S
  } attributes {schedule = #rwkv.schedule<step>} // what the text says is kept
  return %s : !S0
}
