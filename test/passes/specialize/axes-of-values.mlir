// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-specialize="checkpoint=maa_w1=8x15xf32" | FileCheck %s

// Values have axes of a literal size and of a constant times a name, as weights do.

!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
!R5 = tensor<?x?x?xf32, #rwkv.dims<B, T, 5*R>>
!P = tensor<?x?x?x?xf32, #rwkv.dims<B, T, 5, R>>

// CHECK-LABEL: rwkv.model @m
rwkv.model @m {
  // CHECK: rwkv.dim @R = "3"
  rwkv.weight @maa_w1 "maa_w1" #rwkv.dims<D, 5*R>
  // CHECK: func.func @f(%{{.*}}: tensor<?x?x8xf32>) -> tensor<?x?x5x3xf32>
  func.func @f(%x: !X) -> !P {
    // CHECK: rwkv.linear %{{.*}}, @maa_w1 : tensor<?x?x8xf32> -> tensor<?x?x15xf32>
    %y = rwkv.linear %x, @maa_w1 : !X -> !R5
    // CHECK: rwkv.reshape %{{.*}} : tensor<?x?x15xf32> -> tensor<?x?x5x3xf32>
    %z = rwkv.reshape %y : !R5 -> !P
    return %z : !P
  }
}
