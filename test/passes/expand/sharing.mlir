// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand | FileCheck %s

// Groups that differ in nothing but the buffers they work on share a kernel, in models, beside them and inside of layers.
// What a kernel is made of and its weights' types count, names do not.

// CHECK: tile.kernel @rows_0
// CHECK: tile.kernel @columns_1
// CHECK: tile.kernel @columns_2
// CHECK: tile.kernel @rows_3
// CHECK-NOT: tile.kernel

!X = tensor<?x?x8xf32>

// CHECK-LABEL: func.func @beside
func.func @beside(%x: !X) -> !X {
  // CHECK: tile.launch @rows_0
  %0 = rwkv.fused rows -> (!X) {
    %1 = rwkv.relu %x : !X
    rwkv.yield %1 : !X
  }
  return %0 : !X
}

rwkv.model @m {
  rwkv.dim @L = "3"
  rwkv.weight @a "a" tensor<8x8xbf16>
  rwkv.weight @b "b" tensor<8x8xbf16>
  rwkv.weight @c "c" tensor<8x8xf32>
  rwkv.weight @v "v.{l}" tensor<8xf32>
  rwkv.weight @w "w.{l}" tensor<8xf32>

  // CHECK-LABEL: func.func @f
  func.func @f(%x: !X) -> !X {
    // CHECK: %[[R:.*]] = tile.launch @rows_0
    // CHECK: %[[A:.*]] = tile.launch @columns_1 tasks(%{{.*}}) (%[[R]]) weights [@a]
    // CHECK: %[[B:.*]] = tile.launch @columns_1 tasks(%{{.*}}) (%[[A]]) weights [@b]
    // The same weight with another element type.
    // CHECK: tile.launch @columns_2 tasks(%{{.*}}) (%[[B]]) weights [@c]
    %0 = rwkv.fused rows -> (!X) {
      %1 = rwkv.relu %x : !X
      rwkv.yield %1 : !X
    }
    %2 = rwkv.fused columns -> (!X) {
      %3 = rwkv.linear %0, @a : !X -> !X
      rwkv.yield %3 : !X
    }
    %4 = rwkv.fused columns -> (!X) {
      %5 = rwkv.linear %2, @b : !X -> !X
      rwkv.yield %5 : !X
    }
    %6 = rwkv.fused columns -> (!X) {
      %7 = rwkv.linear %4, @c : !X -> !X
      rwkv.yield %7 : !X
    }
    // CHECK: rwkv.layers
    %8 = rwkv.layers l in [0, 1, 3] iter(%y = %6 : !X) -> (!X) {
      // CHECK: tile.launch @rows_3 tasks(%{{.*}}) (%{{.*}}) weights [@v]
      %9 = rwkv.fused rows -> (!X) {
        %10 = rwkv.get @v on [2] : !X
        %11 = arith.mulf %y, %10 : !X
        rwkv.yield %11 : !X
      }
      rwkv.yield %9 : !X
    } {
      // CHECK: tile.launch @rows_3 tasks(%{{.*}}) (%{{.*}}) weights [@w]
      %9 = rwkv.fused rows -> (!X) {
        %10 = rwkv.get @w on [2] : !X
        %11 = arith.mulf %y, %10 : !X
        rwkv.yield %11 : !X
      }
      rwkv.yield %9 : !X
    }
    return %8 : !X
  }
}
