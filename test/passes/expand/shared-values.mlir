// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand | FileCheck %s

// The coefficient of a read is found once per value, however many paths lead to the value.
// CHECK-LABEL: tile.kernel @heads_0(
// CHECK-COUNT-32: arith.addf %{{.*}}, %{{.*}} : tensor<4xf32>
// CHECK-NOT: arith.addf %{{.*}}, %{{.*}} : tensor<4xf32>

!V = tensor<?x?x2x8xf32>
!S = tensor<?x2x8x8xf32>
!s = !rwkv.state<8|8xf32>
!v = tensor<8xf32>
func.func @shared(%k: !V, %s0: !S) -> !S {
  %r = rwkv.fused heads -> (!S) {
    %s = rwkv.recurrence over(%kt = %k : !V) init(%S = %s0 : !S) -> (!S) {
      %x0 = rwkv.read %S[%kt] : !s
      %x1 = arith.addf %x0, %x0 : !v
      %x2 = arith.addf %x1, %x1 : !v
      %x3 = arith.addf %x2, %x2 : !v
      %x4 = arith.addf %x3, %x3 : !v
      %x5 = arith.addf %x4, %x4 : !v
      %x6 = arith.addf %x5, %x5 : !v
      %x7 = arith.addf %x6, %x6 : !v
      %x8 = arith.addf %x7, %x7 : !v
      %x9 = arith.addf %x8, %x8 : !v
      %x10 = arith.addf %x9, %x9 : !v
      %x11 = arith.addf %x10, %x10 : !v
      %x12 = arith.addf %x11, %x11 : !v
      %x13 = arith.addf %x12, %x12 : !v
      %x14 = arith.addf %x13, %x13 : !v
      %x15 = arith.addf %x14, %x14 : !v
      %x16 = arith.addf %x15, %x15 : !v
      %x17 = arith.addf %x16, %x16 : !v
      %x18 = arith.addf %x17, %x17 : !v
      %x19 = arith.addf %x18, %x18 : !v
      %x20 = arith.addf %x19, %x19 : !v
      %x21 = arith.addf %x20, %x20 : !v
      %x22 = arith.addf %x21, %x21 : !v
      %x23 = arith.addf %x22, %x22 : !v
      %x24 = arith.addf %x23, %x23 : !v
      %x25 = arith.addf %x24, %x24 : !v
      %x26 = arith.addf %x25, %x25 : !v
      %x27 = arith.addf %x26, %x26 : !v
      %x28 = arith.addf %x27, %x27 : !v
      %x29 = arith.addf %x28, %x28 : !v
      %x30 = arith.addf %x29, %x29 : !v
      %x31 = arith.addf %x30, %x30 : !v
      %x32 = arith.addf %x31, %x31 : !v
      %S1 = rwkv.write %S[%kt], %x32 : !s
      rwkv.yield %S1 : !s
    } attributes {schedule = #rwkv.schedule<chunk, C = 4>}
    rwkv.yield %s : !S
  }
  return %r : !S
}
