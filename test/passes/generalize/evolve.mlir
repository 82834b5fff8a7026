// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-generalize --verify-roundtrip | FileCheck %s

// Which keys are read and which are written, and in which order: all reads of the state as it was, then one write per key.
// The products of the keys come first; the numbers that they give are tested in test/numerics.

!k = tensor<?x?x2x8xf32>
!v = tensor<?x?x2x4xf32>
!g = tensor<?x?x2xf32>
!st = tensor<?x2x8x4xf32>
!S = !rwkv.state<8|4xf32>

// CHECK: !state = !rwkv.state<8|4xf32>

// CHECK-LABEL: func @exp_1
func.func @exp_1(%a: !k, %b: !k, %s: !g, %s0: !st) -> !st {
  // CHECK: over(%[[A:x.*]] = %{{.*}} : {{.*}}, %[[B:x.*]] = %{{.*}} : {{.*}}, %[[C:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}})
  // CHECK-NOT: rwkv.read
  // CHECK-NOT: rwkv.write
  // CHECK: rwkv.dot %[[A]], %[[B]] : tensor<8xf32> -> f32
  // CHECK-NOT: rwkv.dot
  // CHECK-NOT: rwkv.write
  // CHECK: %[[PSI:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[Y:.*]] = rwkv.read %[[S]][%[[A]]] : !state
  // CHECK-NEXT: %[[W:.*]] = rwkv.broadcast %[[PSI]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: %[[Z:.*]] = arith.mulf %[[W]], %[[Y]] : tensor<4xf32>
  // CHECK-NEXT: %[[S1:.*]] = rwkv.write %[[S]][%[[B]]], %[[Z]] : !state
  // CHECK-NEXT: rwkv.yield %[[A]], %[[S1]]
  %o, %r = rwkv.recurrence over(%at = %a : !k, %bt = %b : !k, %ct = %s : !g) init(%S = %s0 : !st) -> (!k, !st) {
    %S1 = rwkv.evolve exp %S, %ct reads [%at] writes [%bt] : !S
    rwkv.yield %at, %S1 : tensor<8xf32>, !S
  }
  return %r : !st
}

// CHECK-LABEL: func @exp_2
func.func @exp_2(%a: !k, %b: !k, %c: !k, %d: !k, %s: !g, %s0: !st) -> !st {
  // CHECK: over(%[[A0:x.*]] = %{{.*}} : {{.*}}, %[[A1:x.*]] = %{{.*}} : {{.*}}, %[[B0:x.*]] = %{{.*}} : {{.*}}, %[[B1:x.*]] = %{{.*}} : {{.*}}, %[[C:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}})
  // CHECK-NOT: rwkv.read
  // CHECK-NOT: rwkv.write
  // CHECK: rwkv.dot %[[A0]], %[[B0]] : tensor<8xf32> -> f32
  // CHECK: rwkv.dot %[[A0]], %[[B1]] : tensor<8xf32> -> f32
  // CHECK: rwkv.dot %[[A1]], %[[B0]] : tensor<8xf32> -> f32
  // CHECK: rwkv.dot %[[A1]], %[[B1]] : tensor<8xf32> -> f32
  // CHECK-NOT: rwkv.dot
  // CHECK-NOT: rwkv.write
  // CHECK: %[[PSI00:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[PSI01:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[PSI10:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[PSI11:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[Y0:.*]] = rwkv.read %[[S]][%[[A0]]] : !state
  // CHECK-NEXT: %[[Y1:.*]] = rwkv.read %[[S]][%[[A1]]] : !state
  // CHECK-NEXT: %[[W00:.*]] = rwkv.broadcast %[[PSI00]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W00]], %[[Y0]] : tensor<4xf32>
  // CHECK-NEXT: %[[W01:.*]] = rwkv.broadcast %[[PSI01]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W01]], %[[Y1]] : tensor<4xf32>
  // CHECK-NEXT: %[[Z0:.*]] = arith.addf
  // CHECK-NEXT: %[[S1:.*]] = rwkv.write %[[S]][%[[B0]]], %[[Z0]] : !state
  // CHECK-NEXT: %[[W10:.*]] = rwkv.broadcast %[[PSI10]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W10]], %[[Y0]] : tensor<4xf32>
  // CHECK-NEXT: %[[W11:.*]] = rwkv.broadcast %[[PSI11]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W11]], %[[Y1]] : tensor<4xf32>
  // CHECK-NEXT: %[[Z1:.*]] = arith.addf
  // CHECK-NEXT: %[[S2:.*]] = rwkv.write %[[S1]][%[[B1]]], %[[Z1]] : !state
  // CHECK-NEXT: rwkv.yield %[[A0]], %[[S2]]
  %o, %r = rwkv.recurrence over(%a0 = %a : !k, %a1 = %b : !k, %b0 = %c : !k, %b1 = %d : !k, %ct = %s : !g) init(%S = %s0 : !st) -> (!k, !st) {
    %S1 = rwkv.evolve exp %S, %ct reads [%a0, %a1] writes [%b0, %b1] : !S
    rwkv.yield %a0, %S1 : tensor<8xf32>, !S
  }
  return %r : !st
}

// CHECK-LABEL: func @resolvent_1
func.func @resolvent_1(%a: !k, %b: !k, %s: !g, %s0: !st) -> !st {
  // CHECK: over(%[[A:x.*]] = %{{.*}} : {{.*}}, %[[B:x.*]] = %{{.*}} : {{.*}}, %[[C:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}})
  // CHECK-NOT: rwkv.read
  // CHECK-NOT: rwkv.write
  // CHECK: rwkv.dot %[[A]], %[[B]] : tensor<8xf32> -> f32
  // CHECK-NOT: rwkv.dot
  // CHECK-NOT: rwkv.write
  // CHECK: %[[PSI:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[Y:.*]] = rwkv.read %[[S]][%[[A]]] : !state
  // CHECK-NEXT: %[[W:.*]] = rwkv.broadcast %[[PSI]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: %[[Z:.*]] = arith.mulf %[[W]], %[[Y]] : tensor<4xf32>
  // CHECK-NEXT: %[[S1:.*]] = rwkv.write %[[S]][%[[B]]], %[[Z]] : !state
  // CHECK-NEXT: rwkv.yield %[[A]], %[[S1]]
  %o, %r = rwkv.recurrence over(%at = %a : !k, %bt = %b : !k, %ct = %s : !g) init(%S = %s0 : !st) -> (!k, !st) {
    %S1 = rwkv.evolve resolvent %S, %ct reads [%at] writes [%bt] : !S
    rwkv.yield %at, %S1 : tensor<8xf32>, !S
  }
  return %r : !st
}

// CHECK-LABEL: func @resolvent_2
func.func @resolvent_2(%a: !k, %b: !k, %c: !k, %d: !k, %s: !g, %s0: !st) -> !st {
  // CHECK: over(%[[A0:x.*]] = %{{.*}} : {{.*}}, %[[A1:x.*]] = %{{.*}} : {{.*}}, %[[B0:x.*]] = %{{.*}} : {{.*}}, %[[B1:x.*]] = %{{.*}} : {{.*}}, %[[C:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}})
  // CHECK-NOT: rwkv.read
  // CHECK-NOT: rwkv.write
  // CHECK: rwkv.dot %[[A0]], %[[B0]] : tensor<8xf32> -> f32
  // CHECK: rwkv.dot %[[A0]], %[[B1]] : tensor<8xf32> -> f32
  // CHECK: rwkv.dot %[[A1]], %[[B0]] : tensor<8xf32> -> f32
  // CHECK: rwkv.dot %[[A1]], %[[B1]] : tensor<8xf32> -> f32
  // CHECK-NOT: rwkv.dot
  // CHECK-NOT: rwkv.write
  // CHECK: %[[PSI00:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[PSI01:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[PSI10:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[PSI11:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[Y0:.*]] = rwkv.read %[[S]][%[[A0]]] : !state
  // CHECK-NEXT: %[[Y1:.*]] = rwkv.read %[[S]][%[[A1]]] : !state
  // CHECK-NEXT: %[[W00:.*]] = rwkv.broadcast %[[PSI00]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W00]], %[[Y0]] : tensor<4xf32>
  // CHECK-NEXT: %[[W01:.*]] = rwkv.broadcast %[[PSI01]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W01]], %[[Y1]] : tensor<4xf32>
  // CHECK-NEXT: %[[Z0:.*]] = arith.addf
  // CHECK-NEXT: %[[S1:.*]] = rwkv.write %[[S]][%[[B0]]], %[[Z0]] : !state
  // CHECK-NEXT: %[[W10:.*]] = rwkv.broadcast %[[PSI10]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W10]], %[[Y0]] : tensor<4xf32>
  // CHECK-NEXT: %[[W11:.*]] = rwkv.broadcast %[[PSI11]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W11]], %[[Y1]] : tensor<4xf32>
  // CHECK-NEXT: %[[Z1:.*]] = arith.addf
  // CHECK-NEXT: %[[S2:.*]] = rwkv.write %[[S1]][%[[B1]]], %[[Z1]] : !state
  // CHECK-NEXT: rwkv.yield %[[A0]], %[[S2]]
  %o, %r = rwkv.recurrence over(%a0 = %a : !k, %a1 = %b : !k, %b0 = %c : !k, %b1 = %d : !k, %ct = %s : !g) init(%S = %s0 : !st) -> (!k, !st) {
    %S1 = rwkv.evolve resolvent %S, %ct reads [%a0, %a1] writes [%b0, %b1] : !S
    rwkv.yield %a0, %S1 : tensor<8xf32>, !S
  }
  return %r : !st
}

// CHECK-LABEL: func @cayley_1
func.func @cayley_1(%a: !k, %b: !k, %s: !g, %s0: !st) -> !st {
  // CHECK: over(%[[A:x.*]] = %{{.*}} : {{.*}}, %[[B:x.*]] = %{{.*}} : {{.*}}, %[[C:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}})
  // CHECK-NOT: rwkv.read
  // CHECK-NOT: rwkv.write
  // CHECK: rwkv.dot %[[A]], %[[B]] : tensor<8xf32> -> f32
  // CHECK-NOT: rwkv.dot
  // CHECK-NOT: rwkv.write
  // CHECK: %[[PSI:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[Y:.*]] = rwkv.read %[[S]][%[[A]]] : !state
  // CHECK-NEXT: %[[W:.*]] = rwkv.broadcast %[[PSI]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: %[[Z:.*]] = arith.mulf %[[W]], %[[Y]] : tensor<4xf32>
  // CHECK-NEXT: %[[S1:.*]] = rwkv.write %[[S]][%[[B]]], %[[Z]] : !state
  // CHECK-NEXT: rwkv.yield %[[A]], %[[S1]]
  %o, %r = rwkv.recurrence over(%at = %a : !k, %bt = %b : !k, %ct = %s : !g) init(%S = %s0 : !st) -> (!k, !st) {
    %S1 = rwkv.evolve cayley %S, %ct reads [%at] writes [%bt] : !S
    rwkv.yield %at, %S1 : tensor<8xf32>, !S
  }
  return %r : !st
}

// CHECK-LABEL: func @cayley_2
func.func @cayley_2(%a: !k, %b: !k, %c: !k, %d: !k, %s: !g, %s0: !st) -> !st {
  // CHECK: over(%[[A0:x.*]] = %{{.*}} : {{.*}}, %[[A1:x.*]] = %{{.*}} : {{.*}}, %[[B0:x.*]] = %{{.*}} : {{.*}}, %[[B1:x.*]] = %{{.*}} : {{.*}}, %[[C:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}})
  // CHECK-NOT: rwkv.read
  // CHECK-NOT: rwkv.write
  // CHECK: rwkv.dot %[[A0]], %[[B0]] : tensor<8xf32> -> f32
  // CHECK: rwkv.dot %[[A0]], %[[B1]] : tensor<8xf32> -> f32
  // CHECK: rwkv.dot %[[A1]], %[[B0]] : tensor<8xf32> -> f32
  // CHECK: rwkv.dot %[[A1]], %[[B1]] : tensor<8xf32> -> f32
  // CHECK-NOT: rwkv.dot
  // CHECK-NOT: rwkv.write
  // CHECK: %[[PSI00:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[PSI01:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[PSI10:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[PSI11:.*]] = arith.mulf %{{.*}}, %[[C]] : f32
  // CHECK-NEXT: %[[Y0:.*]] = rwkv.read %[[S]][%[[A0]]] : !state
  // CHECK-NEXT: %[[Y1:.*]] = rwkv.read %[[S]][%[[A1]]] : !state
  // CHECK-NEXT: %[[W00:.*]] = rwkv.broadcast %[[PSI00]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W00]], %[[Y0]] : tensor<4xf32>
  // CHECK-NEXT: %[[W01:.*]] = rwkv.broadcast %[[PSI01]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W01]], %[[Y1]] : tensor<4xf32>
  // CHECK-NEXT: %[[Z0:.*]] = arith.addf
  // CHECK-NEXT: %[[S1:.*]] = rwkv.write %[[S]][%[[B0]]], %[[Z0]] : !state
  // CHECK-NEXT: %[[W10:.*]] = rwkv.broadcast %[[PSI10]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W10]], %[[Y0]] : tensor<4xf32>
  // CHECK-NEXT: %[[W11:.*]] = rwkv.broadcast %[[PSI11]] : f32 -> tensor<4xf32>
  // CHECK-NEXT: arith.mulf %[[W11]], %[[Y1]] : tensor<4xf32>
  // CHECK-NEXT: %[[Z1:.*]] = arith.addf
  // CHECK-NEXT: %[[S2:.*]] = rwkv.write %[[S1]][%[[B1]]], %[[Z1]] : !state
  // CHECK-NEXT: rwkv.yield %[[A0]], %[[S2]]
  %o, %r = rwkv.recurrence over(%a0 = %a : !k, %a1 = %b : !k, %b0 = %c : !k, %b1 = %d : !k, %ct = %s : !g) init(%S = %s0 : !st) -> (!k, !st) {
    %S1 = rwkv.evolve cayley %S, %ct reads [%a0, %a1] writes [%b0, %b1] : !S
    rwkv.yield %a0, %S1 : tensor<8xf32>, !S
  }
  return %r : !st
}

// Strang's splitting: half a step of the diagonal before and after.
// CHECK-LABEL: func @strang
func.func @strang(%a: !k, %b: !k, %d: !k, %s: !g, %s0: !st) -> !st {
  // CHECK: over(%[[A:x.*]] = %{{.*}} : {{.*}}, %[[B:x.*]] = %{{.*}} : {{.*}}, %[[D:x.*]] = %{{.*}} : {{.*}}, %[[C:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}})
  // CHECK: %[[HALF:.*]] = arith.constant 5.000000e-01 : f32
  // CHECK-NEXT: %[[CH:.*]] = arith.mulf %[[C]], %[[HALF]] : f32
  // CHECK-NEXT: %[[CV:.*]] = rwkv.broadcast %[[CH]] : f32 -> tensor<8xf32>
  // CHECK-NEXT: %[[LOG:.*]] = arith.mulf %[[D]], %[[CV]] : tensor<8xf32>
  // CHECK: rwkv.dot %[[A]], %[[B]] : tensor<8xf32> -> f32
  // CHECK: %[[S1:.*]] = rwkv.decay %[[S]], %[[LOG]] on "key0" : !state
  // CHECK-NEXT: rwkv.read %[[S1]][%[[A]]] : !state
  // CHECK: %[[S2:.*]] = rwkv.write %[[S1]][%[[B]]], %{{.*}} : !state
  // CHECK-NEXT: %[[S3:.*]] = rwkv.decay %[[S2]], %[[LOG]] on "key0" : !state
  // CHECK-NEXT: rwkv.yield %[[A]], %[[S3]]
  %o, %r = rwkv.recurrence over(%at = %a : !k, %bt = %b : !k, %dt = %d : !k, %ct = %s : !g) init(%S = %s0 : !st) -> (!k, !st) {
    %S1 = rwkv.evolve exp %S, %ct reads [%at] writes [%bt] diagonal %dt strang : !S
    rwkv.yield %at, %S1 : tensor<8xf32>, !S
  }
  return %r : !st
}

// Keys times 1 / (1 - s d); the state read as it was, decayed by the same, then written.
// CHECK-LABEL: func @resolvent_diagonal
func.func @resolvent_diagonal(%a: !k, %b: !k, %d: !k, %s: !g, %s0: !st) -> !st {
  // CHECK: over(%[[A:x.*]] = %{{.*}} : {{.*}}, %[[B:x.*]] = %{{.*}} : {{.*}}, %[[D:x.*]] = %{{.*}} : {{.*}}, %[[C:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}})
  // CHECK: %[[X:.*]] = arith.mulf %[[D]], %{{.*}} : tensor<8xf32>
  // CHECK: %[[M:.*]] = arith.subf %{{.*}}, %[[X]] : tensor<8xf32>
  // CHECK-NEXT: %[[E:.*]] = arith.divf %{{.*}}, %[[M]] : tensor<8xf32>
  // CHECK-NEXT: %[[EA:.*]] = arith.mulf %[[A]], %[[E]] : tensor<8xf32>
  // CHECK-NEXT: %[[EB:.*]] = arith.mulf %[[B]], %[[E]] : tensor<8xf32>
  // One of the two factors of the product has been multiplied.
  // CHECK: rwkv.dot %[[A]], %[[EB]] : tensor<8xf32> -> f32
  // CHECK: rwkv.read %[[S]][%[[EA]]] : !state
  // CHECK-NEXT: %[[N:.*]] = arith.negf %[[X]] : tensor<8xf32>
  // CHECK-NEXT: %[[L:.*]] = math.log1p %[[N]] : tensor<8xf32>
  // CHECK-NEXT: %[[LOG:.*]] = arith.negf %[[L]] : tensor<8xf32>
  // CHECK-NEXT: %[[S1:.*]] = rwkv.decay %[[S]], %[[LOG]] on "key0" : !state
  // CHECK: %[[S2:.*]] = rwkv.write %[[S1]][%[[EB]]], %{{.*}} : !state
  // CHECK-NEXT: rwkv.yield %[[A]], %[[S2]]
  %o, %r = rwkv.recurrence over(%at = %a : !k, %bt = %b : !k, %dt = %d : !k, %ct = %s : !g) init(%S = %s0 : !st) -> (!k, !st) {
    %S1 = rwkv.evolve resolvent %S, %ct reads [%at] writes [%bt] diagonal %dt : !S
    rwkv.yield %at, %S1 : tensor<8xf32>, !S
  }
  return %r : !st
}

// As before with s d / 2, and the state is multiplied by what need not be an exponential: blocks of size 1.
// CHECK-LABEL: func @cayley_diagonal
func.func @cayley_diagonal(%a: !k, %b: !k, %d: !k, %s: !g, %s0: !st) -> !st {
  // CHECK: over(%[[A:x.*]] = %{{.*}} : {{.*}}, %[[B:x.*]] = %{{.*}} : {{.*}}, %[[D:x.*]] = %{{.*}} : {{.*}}, %[[C:x.*]] = %{{.*}} : {{.*}})
  // CHECK-NEXT: init(%[[S:.*]] = %{{.*}} : {{.*}})
  // CHECK: arith.constant 5.000000e-01 : f32
  // CHECK: %[[X:.*]] = arith.mulf %[[D]], %{{.*}} : tensor<8xf32>
  // CHECK: %[[M:.*]] = arith.subf %{{.*}}, %[[X]] : tensor<8xf32>
  // CHECK-NEXT: %[[E:.*]] = arith.divf %{{.*}}, %[[M]] : tensor<8xf32>
  // CHECK-NEXT: %[[EA:.*]] = arith.mulf %[[A]], %[[E]] : tensor<8xf32>
  // CHECK-NEXT: %[[EB:.*]] = arith.mulf %[[B]], %[[E]] : tensor<8xf32>
  // CHECK: rwkv.dot %[[A]], %[[EB]] : tensor<8xf32> -> f32
  // CHECK: rwkv.read %[[S]][%[[EA]]] : !state
  // CHECK: %[[P:.*]] = arith.addf %{{.*}}, %[[X]] : tensor<8xf32>
  // CHECK-NEXT: %[[F:.*]] = arith.mulf %[[P]], %[[E]] : tensor<8xf32>
  // CHECK-NEXT: %[[R:.*]] = rwkv.broadcast %[[F]] on [0] : tensor<8xf32> -> tensor<8x1x1xf32>
  // CHECK-NEXT: %[[S1:.*]] = rwkv.transform %[[S]], %[[R]] on "key0" : !state, tensor<8x1x1xf32>
  // CHECK: %[[S2:.*]] = rwkv.write %[[S1]][%[[EB]]], %{{.*}} : !state
  // CHECK-NEXT: rwkv.yield %[[A]], %[[S2]]
  %o, %r = rwkv.recurrence over(%at = %a : !k, %bt = %b : !k, %dt = %d : !k, %ct = %s : !g) init(%S = %s0 : !st) -> (!k, !st) {
    %S1 = rwkv.evolve cayley %S, %ct reads [%at] writes [%bt] diagonal %dt : !S
    rwkv.yield %at, %S1 : tensor<8xf32>, !S
  }
  return %r : !st
}
