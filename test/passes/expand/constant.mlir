// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A constant of unequal elements is built element by element; zeros are there already.
// RUN: rwkv-opt %s --rwkv-expand | FileCheck %s

!K = tensor<?x?x2x4xf32>
!S = tensor<?x2x4x4xf32>

// CHECK-LABEL: tile.kernel
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<4xf32>
// CHECK: %[[FIRST:.*]] = tile.insert %{{.*}} into %[[ZERO]][%{{.*}}] : f32 -> tensor<4xf32>
// CHECK: %[[BOTH:.*]] = tile.insert %{{.*}} into %[[FIRST]][%{{.*}}] : f32 -> tensor<4xf32>
// CHECK-NOT: tile.insert
// CHECK: tile.broadcast %[[BOTH]] on 0
func.func @constant(%v: !K, %s: !S) -> !S {
  %0 = rwkv.fused heads -> (!S) {
    %n = rwkv.recurrence over(%vt = %v : !K) init(%S = %s : !S) -> (!S) {
      %c = arith.constant dense<[1.0, 0.0, 0.0, 0.5]> : tensor<4xf32>
      %S1 = rwkv.write %S[%c], %vt : !rwkv.state<4|4xf32>
      rwkv.yield %S1 : !rwkv.state<4|4xf32>
    }
    rwkv.yield %n : !S
  }
  return %0 : !S
}
