// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-specialize="checkpoint=w.0=4xf32,w.1=4xf32,w.2=4xf32,w.3=4xf32,v.1=4xf32,v.2=4xf32,v.3=4xf32,u.3=4xbf16" | FileCheck %s
// RUN: rwkv-opt %s --rwkv-specialize="checkpoint=w.0=4xf32" | FileCheck %s --check-prefix=ONE

// One body per range of layers in which all conditions have the same answers; weights of layers that a checkpoint does not
// have keep their names.

!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>

// CHECK: rwkv.dim @L = "4"
// CHECK: rwkv.weight @v "v.{l}" tensor<4xf32> when "l > 0"
// CHECK: rwkv.weight @u "u.{l}" tensor<4xbf16> when "l == 3"
// ONE: rwkv.dim @L = "1"
// ONE: rwkv.weight @v "v.{l}" #rwkv.dims<D> when "l > 0"
rwkv.model @m {
  rwkv.weight @w "w.{l}" #rwkv.dims<D>
  rwkv.weight @v "v.{l}" #rwkv.dims<D> when "l > 0"
  rwkv.weight @u "u.{l}" #rwkv.dims<D> when "l == 3"

  // CHECK-LABEL: func.func @f
  // ONE-LABEL: func.func @f
  func.func @f(%x: !X) -> !X {
    // CHECK: rwkv.layers l in [0, 1, 3, 4]
    // CHECK-NEXT: iter(%[[X:.*]] = %{{.*}} : tensor<?x?x4xf32>)
    // CHECK-NEXT: -> (tensor<?x?x4xf32>) {
    // CHECK-NEXT: %[[A:.*]] = rwkv.get @w on [2]
    // CHECK-NEXT: %[[B:.*]] = arith.mulf %[[X]], %[[A]]
    // CHECK-NEXT: rwkv.yield %[[B]]
    // CHECK-NEXT: } {
    // CHECK-NEXT: %[[C:.*]] = rwkv.get @v on [2]
    // CHECK-NEXT: %[[D:.*]] = arith.addf %[[X]], %[[C]]
    // CHECK-NEXT: rwkv.yield %[[D]]
    // CHECK-NEXT: } {
    // CHECK-NEXT: %[[E:.*]] = rwkv.get @v on [2]
    // CHECK-NEXT: %[[F:.*]] = rwkv.get @u on [2]
    // CHECK-NEXT: %[[G:.*]] = arith.addf %[[E]], %[[F]]
    // CHECK-NEXT: %[[H:.*]] = arith.addf %[[X]], %[[G]]
    // CHECK-NEXT: rwkv.yield %[[H]]
    // CHECK-NEXT: }
    // ONE: rwkv.layers l in [0, 1]
    // ONE: rwkv.get @w
    // ONE: rwkv.yield
    // ONE-NEXT: }
    // ONE-NOT: rwkv.get
    %y = rwkv.layers l in L iter(%xl = %x : !X) -> (!X) {
      %z = rwkv.when "l > 0" -> (!X) {
        %v = rwkv.get @v : !X
        %u = rwkv.when "l == 3" -> (!X) {
          %g = rwkv.get @u : !X
          %h = arith.addf %v, %g : !X
          rwkv.yield %h : !X
        } else {
          rwkv.yield %v : !X
        }
        %s = arith.addf %xl, %u : !X
        rwkv.yield %s : !X
      } else {
        %w = rwkv.get @w : !X
        %s = arith.mulf %xl, %w : !X
        rwkv.yield %s : !X
      }
      rwkv.yield %z : !X
    }
    return %y : !X
  }

  // Two scans over the same layers; the first needs no split.
  // CHECK-LABEL: func.func @two
  func.func @two(%x: !X) -> !X {
    // CHECK: rwkv.layers l in [0, 4]
    %y = rwkv.layers l in L iter(%xl = %x : !X) -> (!X) {
      rwkv.yield %xl : !X
    }
    // CHECK: rwkv.layers l in [0, 2, 4]
    %z = rwkv.layers l in L iter(%xl = %y : !X) -> (!X) {
      %a = rwkv.when "l < 2" -> (!X) {
        rwkv.yield %xl : !X
      } else {
        %b = rwkv.relu %xl : !X
        rwkv.yield %b : !X
      }
      rwkv.yield %a : !X
    }
    return %z : !X
  }
}
