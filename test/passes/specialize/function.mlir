// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip --rwkv-specialize="function=wkv7 arguments=r=1x5x2x8xbf16,w=1x5x2x8xbf16,k=1x5x2x8xbf16,v=1x5x2x4xbf16,s0=1x2x8x4xf32" | FileCheck %s --check-prefix=WKV
// RUN: rwkv-opt %s --rwkv-specialize="function=groups arguments=k=2x7x1x8xf32,v=2x7x2x6xf32,u=1x8xf32,g=2x7x4xf32,s0=2x4x8x6xf32" | FileCheck %s --check-prefix=GROUPS
// RUN: rwkv-opt %s --rwkv-specialize="function=axes arguments=a=1x9x2x3xf64,b=1x9x2x5xf64,v=1x9x2x7xf64,cu=4xi32,s0=3x2x3x5x7xf64" | FileCheck %s --check-prefix=AXES
// RUN: rwkv-opt %s --rwkv-specialize="function=elementwise arguments=x=1x4x6xf32,y=1x4x6xf32" | FileCheck %s --check-prefix=ELEMENTWISE
// RUN: rwkv-opt %s --rwkv-specialize="function=vector arguments=k=1x2x3x4xf32,m=1x2x3x16x4xf32,s0=1x3x4xf32" | FileCheck %s --check-prefix=VECTOR

// A function alone: its arguments give the sizes; batch, time and sequences stay open; nothing else is kept.

!io = tensor<?x?x?x?xbf16>
!q = tensor<?x?x?x?xf32>
!d = tensor<?x?x?x?xf64>

rwkv.model @m {}
func.func private @other()

// WKV-NOT: @other
// WKV-NOT: rwkv.model
// WKV: !state = !rwkv.state<8|4xf32>
// WKV: func.func @wkv7(%{{.*}}: tensor<?x?x2x8xbf16>, %{{.*}}: tensor<?x?x2x8xbf16>, %{{.*}}: tensor<?x?x2x8xbf16>, %{{.*}}: tensor<?x?x2x4xbf16>, %{{.*}}: tensor<?x2x8x4xf32>) -> (tensor<?x?x2x4xbf16>, tensor<?x2x8x4xf32>)
// WKV: -> (tensor<?x?x2x4xbf16>, tensor<?x2x8x4xf32>) {
// WKV: rwkv.yield %{{.*}}, %{{.*}} : tensor<4xf32>, !state
// WKV-NOT: func.func
func.func @wkv7(%r: !io, %w: !io, %k: !io, %v: !io, %s0: tensor<?x?x?x?xf32>) -> (!io, tensor<?x?x?x?xf32>) {
  %o, %s = rwkv.recurrence over(%rt = %r : !io, %wt = %w : !io, %kt = %k : !io, %vt = %v : !io)
      init(%S = %s0 : tensor<?x?x?x?xf32>) -> (!io, tensor<?x?x?x?xf32>) {
    %S1 = rwkv.decay %S, %wt on "key0" : !rwkv.state<?|?xf32>
    %S2 = rwkv.write %S1[%kt], %vt : !rwkv.state<?|?xf32>
    %y = rwkv.read %S2[%rt] : !rwkv.state<?|?xf32>
    rwkv.yield %y, %S2 : tensor<?xf32>, !rwkv.state<?|?xf32>
  }
  return %o, %s : !io, tensor<?x?x?x?xf32>
}

// Hg = 1 and 2 groups of the 4 heads of the state; results have the state's heads.
// GROUPS: func.func @groups(%{{.*}}: tensor<?x?x1x8xf32>, %{{.*}}: tensor<?x?x2x6xf32>, %{{.*}}: tensor<1x8xf32>, %{{.*}}: tensor<?x?x4xf32>, %{{.*}}: tensor<?x4x8x6xf32>) -> (tensor<?x?x4x6xf32>, tensor<?x4x8x6xf32>)
// GROUPS: const(%{{.*}} = %{{.*}} : tensor<1x8xf32>)
func.func @groups(%k: !q, %v: !q, %u: tensor<?x?xf32>, %g: tensor<?x?x?xf32>, %s0: !q) -> (!q, !q) {
  %o, %s = rwkv.recurrence over(%kt = %k : !q, %vt = %v : !q, %gt = %g : tensor<?x?x?xf32>)
      const(%ut = %u : tensor<?x?xf32>) init(%S = %s0 : !q) -> (!q, !q) {
    %ku = arith.mulf %kt, %ut : tensor<?xf32>
    %S1 = rwkv.decay %S, %gt on "all" : !rwkv.state<?|?xf32>
    %S2 = rwkv.write %S1[%ku], %vt : !rwkv.state<?|?xf32>
    %y = rwkv.read %S2[%kt] : !rwkv.state<?|?xf32>
    rwkv.yield %y, %S2 : tensor<?xf32>, !rwkv.state<?|?xf32>
  }
  return %o, %s : !q, !q
}

// A state with two key axes, packed sequences.
// AXES: !state = !rwkv.state<3x5|7xf64>
// AXES: func.func @axes(%{{.*}}: tensor<?x?x2x3xf64>, %{{.*}}: tensor<?x?x2x5xf64>, %{{.*}}: tensor<?x?x2x7xf64>, %{{.*}}: tensor<?xi32>, %{{.*}}: tensor<?x2x3x5x7xf64>) -> (tensor<?x?x2x7xf64>, tensor<?x2x3x5x7xf64>)
// AXES: rwkv.decay %{{.*}}, %{{.*}} on "key1" : !state
func.func @axes(%a: !d, %b: !d, %v: !d, %cu: tensor<?xi32>, %s0: tensor<?x?x?x?x?xf64>) -> (!d, tensor<?x?x?x?x?xf64>) {
  %o, %s = rwkv.recurrence over(%at = %a : !d, %bt = %b : !d, %vt = %v : !d)
      init(%S = %s0 : tensor<?x?x?x?x?xf64>) reset(%cu : tensor<?xi32>) -> (!d, tensor<?x?x?x?x?xf64>) {
    %S1 = rwkv.decay %S, %bt on "key1" : !rwkv.state<?x?|?xf64>
    %S2 = rwkv.write %S1[%at, %bt], %vt : !rwkv.state<?x?|?xf64>
    %y = rwkv.read %S2[%at, %bt] : !rwkv.state<?x?|?xf64>
    rwkv.yield %y, %S2 : tensor<?xf64>, !rwkv.state<?x?|?xf64>
  }
  return %o, %s : !d, tensor<?x?x?x?x?xf64>
}

// Named axes of a function without a model; B and T stay open.
// ELEMENTWISE: func.func @elementwise(%{{.*}}: tensor<?x?x6xf32>, %{{.*}}: tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
func.func @elementwise(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, %y: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>)
    -> tensor<?x?x?xf32, #rwkv.dims<B, T, D>> {
  %z = arith.addf %x, %y : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
  return %z : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
}

// A vector state, matvec, sum, dot, broadcast and fill in the region.
// VECTOR: !state = !rwkv.state<|4xf32>
// VECTOR: func.func @vector
// VECTOR: rwkv.matvec %{{.*}}, %{{.*}} : tensor<16x4xf32>, tensor<4xf32> -> tensor<16xf32>
// VECTOR: rwkv.sum %{{.*}} over 0 : tensor<16xf32> -> f32
// VECTOR: rwkv.broadcast %{{.*}} : f32 -> tensor<4xf32>
// VECTOR: rwkv.fill 1.000000e+00 : tensor<4xf32>
// VECTOR: rwkv.dot %{{.*}}, %{{.*}} : tensor<4xf32> -> f32
// VECTOR: rwkv.set %{{.*}}, %{{.*}} : !state
func.func @vector(%k: !q, %m: tensor<?x?x?x?x?xf32>, %s0: tensor<?x?x?xf32>) -> (tensor<?x?x?xf32>, tensor<?x?x?xf32>) {
  %o, %s = rwkv.recurrence over(%kt = %k : !q, %mt = %m : tensor<?x?x?x?x?xf32>) init(%S = %s0 : tensor<?x?x?xf32>)
      -> (tensor<?x?x?xf32>, tensor<?x?x?xf32>) {
    %h = rwkv.read %S[] : !rwkv.state<|?xf32>
    %y = rwkv.matvec %mt, %h : tensor<?x?xf32>, tensor<?xf32> -> tensor<?xf32>
    %n = rwkv.sum %y over 0 : tensor<?xf32> -> f32
    %b = rwkv.broadcast %n : f32 -> tensor<?xf32>
    %one = rwkv.fill 1.0 : tensor<?xf32>
    %c = arith.addf %b, %one : tensor<?xf32>
    %d = rwkv.dot %kt, %c : tensor<?xf32> -> f32
    %e = arith.mulf %c, %kt : tensor<?xf32>
    %S1 = rwkv.set %S, %e : !rwkv.state<|?xf32>
    rwkv.yield %d, %S1 : f32, !rwkv.state<|?xf32>
  }
  return %o, %s : tensor<?x?x?xf32>, tensor<?x?x?xf32>
}
