// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-generalize | FileCheck %s

!io = tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>
!g = tensor<?x?x?xf32, #rwkv.dims<B, T, H>>
!st = tensor<?x?x?x?xf32, #rwkv.dims<B, H, N, N>>
!sts = tensor<?x?x?x?x?xf32, #rwkv.dims<L, B, H, N, N>>

// In layers and branches, with named axes; the order of two rungs stays; a recurrence is left as it is.
// CHECK-LABEL: rwkv.model @m
rwkv.model @m {
  func.func @f(%x: !io, %g: !g, %s0: !sts) -> (!io, !sts) {
    // CHECK: rwkv.layers
    %y:2 = rwkv.layers l in L iter(%xl = %x : !io) each(%sl = %s0 : !sts) -> (!io, !sts) {
      // CHECK: rwkv.when "l == 0"
      %r:2 = rwkv.when "l == 0" -> (!io, !st) {
        // CHECK: %[[A:.*]]:2 = rwkv.recurrence
        // CHECK: -> (!BTHN, !BHNN) {
        // CHECK: rwkv.decay {{.*}} on "key0"
        // CHECK: rwkv.yield %[[A]]#0, %[[A]]#1 : !BTHN, !BHNN
        %o, %s = rwkv.wkv7 over(%xl, %xl, %xl, %xl, %xl, %xl) init(%sl) : (!io, !io, !io, !io, !io, !io, !st) -> (!io, !st)
        rwkv.yield %o, %s : !io, !st
      } else {
        // CHECK: } else {
        // CHECK-NEXT: %[[B:.*]]:2 = rwkv.recurrence
        // CHECK: rwkv.decay {{.*}} on "all"
        // CHECK: rwkv.yield %[[B]]#0, %[[B]]#1 : !BTHN, !BHNN
        %o, %s = rwkv.gated_delta over(%xl, %xl, %xl, %g, %g) init(%sl) : (!io, !io, !io, !g, !g, !st) -> (!io, !st)
        rwkv.yield %o, %s : !io, !st
      }
      // CHECK: %[[C:.*]]:2 = rwkv.recurrence
      // CHECK: rwkv.read
      // CHECK-NEXT: rwkv.yield
      %o2, %s2 = rwkv.recurrence over(%k = %r#0 : !io) init(%S = %r#1 : !st) -> (!io, !st) {
        %z = rwkv.read %S[%k] : !rwkv.state<?|?xf32>
        rwkv.yield %z, %S : tensor<?xf32>, !rwkv.state<?|?xf32>
      }
      // CHECK: rwkv.yield %[[C]]#0, %[[C]]#1 : !BTHN, !BHNN
      rwkv.yield %o2, %s2 : !io, !st
    }
    return %y#0, %y#1 : !io, !sts
  }
}
