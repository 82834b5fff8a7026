// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-specialize="checkpoint=maa_w1=8x15xf32,maa_w2=5x3x8xf32,vec=1x1x8xf32,rk=1x8xf32,one=1x1xf32,row=1x1x8xf32,alt.second=4xf32" | FileCheck %s

// Axes of size 1: kept where the declaration has as many axes, dropped where it has fewer. Factors and literal sizes. The
// second of two keys.

// CHECK-LABEL: rwkv.model @m
rwkv.model @m {
  // CHECK-NEXT: rwkv.dim @A = "4"
  // CHECK-NEXT: rwkv.dim @D = "8"
  // CHECK-NEXT: rwkv.dim @H = "1"
  // CHECK-NEXT: rwkv.dim @L = "0"
  // CHECK-NEXT: rwkv.dim @N = "8"
  // CHECK-NEXT: rwkv.dim @O = "1"
  // CHECK-NEXT: rwkv.dim @R = "3"
  // CHECK-NEXT: rwkv.weight @maa_w1 "maa_w1" tensor<8x15xf32>
  rwkv.weight @maa_w1 "maa_w1" #rwkv.dims<D, 5*R>
  // CHECK-NEXT: rwkv.weight @maa_w2 "maa_w2" tensor<5x3x8xf32>
  rwkv.weight @maa_w2 "maa_w2" #rwkv.dims<5, R, D>
  // CHECK-NEXT: rwkv.weight @vec "vec" tensor<8xf32>
  rwkv.weight @vec "vec" #rwkv.dims<D>
  // CHECK-NEXT: rwkv.weight @rk "rk" tensor<1x8xf32>
  rwkv.weight @rk "rk" #rwkv.dims<H, N>
  // CHECK-NEXT: rwkv.weight @one "one" tensor<1xf32>
  rwkv.weight @one "one" #rwkv.dims<O>
  // CHECK-NEXT: rwkv.weight @row "row" tensor<1x8xf32>
  rwkv.weight @row "row" #rwkv.dims<H, D>
  // CHECK-NEXT: rwkv.weight @alt "alt.first | alt.second" tensor<4xf32>
  rwkv.weight @alt "alt.first | alt.second" #rwkv.dims<A>

  // CHECK: func.func @f(%{{.*}}: tensor<?x?x8xf32>) -> tensor<?x?x1x8xf32>
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) -> tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>> {
    %h = rwkv.reshape %x : tensor<?x?x?xf32, #rwkv.dims<B, T, D>> -> tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>
    %rk = rwkv.get @rk : tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>
    %y = arith.mulf %h, %rk : tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>
    return %y : tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>
  }
}
