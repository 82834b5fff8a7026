// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand | FileCheck %s

// Chunks of a state that is held start where its counter is a multiple of their length; before that, and behind the last
// whole chunk, tokens run one by one.

// CHECK-LABEL: tile.kernel @heads_0(
// CHECK: %[[S:.*]] = tile.load %{{.*}} -> tensor<8x8xf32>
// CHECK: %[[B:.*]] = tile.load %{{.*}} -> tensor<8x8xf32>
// CHECK: %[[N:.*]] = tile.load %{{.*}} -> tensor<1xf32>
// CHECK: %[[FOUR:.*]] = arith.constant 4 : index
// What is no count is none: a number that lies between 0 and 15 and is whole is the same after a conversion.
// CHECK: %[[NUMBER:.*]] = tile.reduce sum %[[N]] over 0
// CHECK: arith.maxnumf %[[NUMBER]], %{{.*}} : f32
// CHECK: %[[WHOLE:.*]] = arith.fptoui %{{.*}} : f32 to i64
// CHECK: %[[BACK:.*]] = arith.uitofp %[[WHOLE]] : i64 to f32
// CHECK: arith.cmpf oeq, %[[BACK]], %[[NUMBER]] : f32
// CHECK: %[[INDEX:.*]] = arith.index_cast %[[WHOLE]]
// CHECK: %[[BEHIND:.*]] = arith.remui %[[INDEX]], %[[FOUR]] : index
// CHECK: %[[MISSING:.*]] = arith.subi %[[FOUR]], %[[BEHIND]] : index
// CHECK: arith.remui %[[MISSING]], %[[FOUR]] : index
// CHECK: %[[FIRST:.*]] = arith.select

// Token by token up to there.
// CHECK: %[[HEAD:.*]]:3 = scf.for %{{.*}} = %{{.*}} to %[[FIRST]] step %{{.*}} iter_args(%[[S1:.*]] = %[[S]], %[[B1:.*]] = %[[B]], %[[N1:.*]] = %[[N]])
// CHECK:   %[[ZERO:.*]] = arith.cmpf oeq
// CHECK:   %[[HELD:.*]] = arith.select %[[ZERO]], %[[S1]], %[[B1]] : tensor<8x8xi1>, tensor<8x8xf32>
// CHECK:   arith.cmpf oge, %{{.*}}, %{{.*}} : tensor<1xf32>
// CHECK:   arith.mulf %{{.*}}, %[[HELD]] : tensor<8x8xf32>

// Four tokens: held for all of them, all reads are one product; the nonlinear function is of all of them.
// CHECK: %{{.*}}:3 = scf.for %{{.*}} = %[[FIRST]] to %{{.*}} step %{{.*}} iter_args(%[[S2:.*]] = %[[HEAD]]#0, %[[B2:.*]] = %[[HEAD]]#1, %[[N2:.*]] = %[[HEAD]]#2)
// CHECK:   %[[ZERO4:.*]] = arith.cmpf oeq
// CHECK:   %[[HELD4:.*]] = arith.select %[[ZERO4]], %[[S2]], %[[B2]] : tensor<8x8xi1>, tensor<8x8xf32>
// CHECK:   %[[READS:.*]] = tile.dot %{{.*}}, %[[HELD4]] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
// CHECK:   %[[VALUES:.*]] = math.tanh %[[READS]] : tensor<4x8xf32>
// CHECK:   tile.dot %{{.*}}, %[[VALUES]] acc %[[S2]]
// CHECK:   scf.yield %{{.*}}, %[[HELD4]], %{{.*}}

// What is left.
// CHECK: scf.for
// CHECK-NOT: scf.for

!V = tensor<?x?x2x8xf32>
!S = tensor<?x2x8x8xf32>
!N = tensor<?x2x1xf32>

func.func @held(%k: !V, %s0: !S, %b0: !S, %n0: !N) -> (!V, !S, !S, !N) {
  %0:4 = rwkv.fused heads -> (!V, !S, !S, !N) {
    %r:4 = rwkv.recurrence over(%kt = %k : !V) init(%S = %s0 : !S, %B = %b0 : !S, %n = %n0 : !N) -> (!V, !S, !S, !N) {
      %B1 = rwkv.hold %B, %S at %n : !rwkv.state<8|8xf32>
      %n1 = rwkv.count %n every 16 : !rwkv.state<|1xf32>
      %y = rwkv.read %B1[%kt] : !rwkv.state<8|8xf32>
      %z = math.tanh %y : tensor<8xf32>
      %S1 = rwkv.write %S[%kt], %z : !rwkv.state<8|8xf32>
      rwkv.yield %z, %S1, %B1, %n1 : tensor<8xf32>, !rwkv.state<8|8xf32>, !rwkv.state<8|8xf32>, !rwkv.state<|1xf32>
    } attributes {schedule = #rwkv.schedule<chunk, C = 4>}
    rwkv.yield %r#0, %r#1, %r#2, %r#3 : !V, !S, !S, !N
  }
  return %0#0, %0#1, %0#2, %0#3 : !V, !S, !S, !N
}
