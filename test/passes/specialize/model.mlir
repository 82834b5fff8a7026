// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip --rwkv-specialize="checkpoint=emb=16x8xbf16,vec.0=8xf32,vec.1=1x1x8xf32,mat=12x8xf16,rk=2x4xf32 params=eps=0.5" \
// RUN:   | FileCheck %s

// Names become sizes, in types and attributes; lerp is expanded; only B, T and S stay open.

!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
!F = tensor<?x?x?xf32, #rwkv.dims<B, T, F>>
!Hd = tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>
!H1 = tensor<?x?x?xf32, #rwkv.dims<B, T, H>>
!Y = tensor<?x?xf32, #rwkv.dims<S, D>>
!Ys = tensor<?x?x?xf32, #rwkv.dims<L, S, D>>
!Tok = tensor<?x?xi32, #rwkv.dims<B, T>>

// CHECK-NOT: rwkv.dims
// CHECK-LABEL: rwkv.model @m
rwkv.model @m {
  // The solved sizes, in order.
  // CHECK-NEXT: rwkv.dim @D = "8"
  // CHECK-NEXT: rwkv.dim @F = "12"
  // CHECK-NEXT: rwkv.dim @H = "2"
  // CHECK-NEXT: rwkv.dim @L = "2"
  // CHECK-NEXT: rwkv.dim @N = "4"
  // CHECK-NEXT: rwkv.dim @V = "16"
  // CHECK-NEXT: rwkv.param @eps = 5.000000e-01
  // CHECK-NEXT: rwkv.param @other = 2.000000e+00
  rwkv.param @eps = 1.0e-5
  rwkv.param @other = 2.0
  // Types as stored.
  // CHECK-NEXT: rwkv.weight @emb "emb" tensor<16x8xbf16>
  // CHECK-NEXT: rwkv.weight @vec "vec.{l}" tensor<8xf32>
  // CHECK-NEXT: rwkv.weight @mat "mat" tensor<12x8xf16> transposed
  // CHECK-NEXT: rwkv.weight @rk "rk" tensor<2x4xf32>
  rwkv.weight @emb "emb" #rwkv.dims<V, D>
  rwkv.weight @vec "vec.{l}" #rwkv.dims<D>
  rwkv.weight @mat "mat" #rwkv.dims<F, D> transposed
  rwkv.weight @rk "rk" #rwkv.dims<H, N>
  rwkv.dim @D = "H * N"

  // Tokens are rows of the embedding.
  // CHECK: func.func @f(%{{.*}}: tensor<?x?xi32> {rwkv.below = 16 : i64}, %{{.*}}: tensor<2x?x8xf32> {rwkv.state = "shift"}, %{{.*}}: tensor<?xi32>) -> (tensor<?x?x12xf32>, tensor<2x?x8xf32> {rwkv.state = "shift"}) {
  func.func @f(%t: !Tok, %s: !Ys {rwkv.state = "shift"}, %cu: tensor<?xi32>) -> (!F, !Ys {rwkv.state = "shift"}) {
    // CHECK: rwkv.embed %{{.*}}, @emb : tensor<?x?xi32> -> tensor<?x?x8xf32>
    %x = rwkv.embed %t, @emb : !Tok -> !X
    // CHECK: rwkv.layers l in [0, 2]
    // CHECK-NEXT: iter(%{{.*}} = %{{.*}} : tensor<?x?x8xf32>)
    // CHECK-NEXT: each(%{{.*}} = %{{.*}} : tensor<2x?x8xf32>)
    %y:2 = rwkv.layers l in L iter(%xl = %x : !X) each(%sl = %s : !Ys) -> (!X, !Ys) {
      // CHECK: %[[H:.*]] = rwkv.norm %{{.*}}, @vec, @vec over 2 eps @eps : tensor<?x?x8xf32>
      %h = rwkv.norm %xl, @vec, @vec over "D" eps @eps : !X
      // CHECK: %[[P:.*]], %{{.*}} = rwkv.token_shift %[[H]], %{{.*}} reset(%{{.*}} : tensor<?xi32>) : tensor<?x?x8xf32>, tensor<?x8xf32>
      %p, %n = rwkv.token_shift %h, %sl reset(%cu : tensor<?xi32>) : !X, !Y
      // CHECK-NEXT: %[[W:.*]] = rwkv.get @vec on [2] : tensor<?x?x8xf32>
      // CHECK-NEXT: %[[D:.*]] = arith.subf %[[P]], %[[H]]
      // CHECK-NEXT: %[[DW:.*]] = arith.mulf %[[D]], %[[W]]
      // CHECK-NEXT: %[[Q:.*]] = arith.addf %[[H]], %[[DW]]
      %q = rwkv.lerp %h, %p by @vec : !X
      // CHECK-NEXT: rwkv.reshape %[[Q]] : tensor<?x?x8xf32> -> tensor<?x?x2x4xf32>
      %hd = rwkv.reshape %q : !X -> !Hd
      // CHECK-NEXT: rwkv.get @rk on [2, 3] : tensor<?x?x2x4xf32>
      %rk = rwkv.get @rk : !Hd
      %m = arith.mulf %hd, %rk : !Hd
      // CHECK: rwkv.l2norm %{{.*}} over 3 floor {{.*}} : tensor<?x?x2x4xf32>
      %l2 = rwkv.l2norm %m over "N" floor 1.0e-12 : !Hd
      // CHECK: rwkv.sum %{{.*}} over 3 : tensor<?x?x2x4xf32> -> tensor<?x?x2xf32>
      %su = rwkv.sum %l2 over "N" : !Hd -> !H1
      // CHECK: rwkv.broadcast %{{.*}} on [0, 1, 2] : tensor<?x?x2xf32> -> tensor<?x?x2x4xf32>
      %br = rwkv.broadcast %su : !H1 -> !Hd
      %o = rwkv.reshape %br : !Hd -> !X
      // CHECK: rwkv.fill 1.000000e+00 : tensor<?x?x8xf32>
      %one = rwkv.fill 1.0 : !X
      %z = arith.addf %o, %one : !X
      rwkv.yield %z, %n : !X, !Y
    }
    // CHECK: rwkv.last %{{.*}} reset(%{{.*}} : tensor<?xi32>) : tensor<?x?x8xf32> -> tensor<?x8xf32>
    %last = rwkv.last %y#0 reset(%cu : tensor<?xi32>) : !X -> !Y
    // CHECK: rwkv.linear %{{.*}}, @mat : tensor<?x?x8xf32> -> tensor<?x?x12xf32>
    %a = rwkv.linear %y#0, @mat : !X -> !F
    return %a, %y#1 : !F, !Ys
  }
}
