// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32" | FileCheck %s

// A function without a body has nothing to solve but its type's names.

rwkv.model @m {
  rwkv.weight @w "w" #rwkv.dims<D>
  // CHECK: func.func private @f(tensor<?x?x8xf32>)
  func.func private @f(tensor<?x?x?xf32, #rwkv.dims<B, T, D>>)
}
