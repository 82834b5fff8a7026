// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// Values of any type, or none.

// CHECK-LABEL: func @yield
func.func @yield(%x: tensor<?x2x4xf32>) -> tensor<?x2x4xf32> {
  // CHECK: rwkv.when
  // CHECK-NEXT: rwkv.yield{{$}}
  "rwkv.when"() <{condition = "l == 0"}> ({
    rwkv.yield
  }, {
    rwkv.yield
  }) : () -> ()
  // CHECK: rwkv.yield %{{.*}} : tensor<?x2x4xf32>
  %0 = rwkv.when "l == 0" -> (tensor<?x2x4xf32>) {
    rwkv.yield %x : tensor<?x2x4xf32>
  } else {
    rwkv.yield %x : tensor<?x2x4xf32>
  }
  return %0 : tensor<?x2x4xf32>
}
