// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-specialize="checkpoint=w=24xf32,n=6xf32" | FileCheck %s

// Relations in any order, over sizes that weights give or other relations.

// CHECK-LABEL: rwkv.model @m
rwkv.model @m {
  rwkv.weight @w "w" #rwkv.dims<D>
  rwkv.weight @n "n" #rwkv.dims<N>
  // CHECK-DAG: rwkv.dim @G = "2"
  rwkv.dim @G = "H / 2"
  // CHECK-DAG: rwkv.dim @H = "4"
  rwkv.dim @H = "D / N"
  // Given by a weight as well.
  // CHECK-DAG: rwkv.dim @D = "24"
  rwkv.dim @D = "H*N"
  // CHECK-DAG: rwkv.dim @F = "37"
  rwkv.dim @F = " (3 + D) * 2 - 34 / 2 "
  // CHECK-DAG: rwkv.dim @C = "5"
  rwkv.dim @C = "10 - 3 - 2"
  // CHECK-DAG: rwkv.dim @E = "7"
  rwkv.dim @E = "1 + 2 * 3"
  // CHECK: func.func @f(%{{.*}}: tensor<?x?x4x2x37xf32>)
  func.func @f(%x: tensor<?x?x?x?x?xf32, #rwkv.dims<B, T, H, G, F>>) {
    return
  }
}
