// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @fused
func.func @fused(%x: tensor<?x?x8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>) {
  // CHECK: %[[R:.*]]:2 = rwkv.fused rows -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>) {
  %r:2 = rwkv.fused rows -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>) {
    %a = rwkv.relu %x : tensor<?x?x8xf32>
    // CHECK: rwkv.yield %{{.*}}, %{{.*}} : tensor<?x?x8xf32>, tensor<?x?x8xf32>
    rwkv.yield %a, %x : tensor<?x?x8xf32>, tensor<?x?x8xf32>
  }
  // CHECK: rwkv.fused columns
  %c = rwkv.fused columns -> (tensor<?x?x8xf32>) {
    %a = rwkv.relu %r#0 : tensor<?x?x8xf32>
    rwkv.yield %a : tensor<?x?x8xf32>
  }
  // CHECK: rwkv.fused heads
  // CHECK: } {note = "x"}
  %h = rwkv.fused heads -> (tensor<?x?x8xf32>) {
    %a = rwkv.relu %c : tensor<?x?x8xf32>
    rwkv.yield %a : tensor<?x?x8xf32>
  } {note = "x"}
  // A group whose results nobody uses has none.
  // CHECK: rwkv.fused rows
  "rwkv.fused"() <{domain = 0 : i32}> ({
    rwkv.yield
  }) : () -> ()
  return %c, %h : tensor<?x?x8xf32>, tensor<?x?x8xf32>
}
