// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32,u=8xf32" | FileCheck %s --check-prefix=WIDE
// RUN: rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32,b.0=8x4xf32,b.1=8x4xf32" | FileCheck %s --check-prefix=DEEP
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32" 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32,u=8xf32,b.0=8x4xf32 allow-unused" 2>&1 | FileCheck %s --check-prefix=BOTH

// A file of several models: the one that unifies is kept.

// WIDE: rwkv.model @wide
// WIDE-NOT: rwkv.model
// DEEP-NOT: rwkv.model @wide
// DEEP: rwkv.model @deep
// DEEP: rwkv.dim @L = "2"

// NONE: error: expected one model of the spec to fit the checkpoint, but found:
// NONE-NEXT: @wide: 'rwkv.weight' op expected the checkpoint to hold "u", but found no such tensor
// NONE-NEXT: @deep: {{.*}}expected a checkpoint with at least one layer, but found none

// BOTH: error: expected one model of the spec to fit the checkpoint, but found:
// BOTH: both @wide and @deep fit

rwkv.model @wide {
  rwkv.weight @w "w" #rwkv.dims<D>
  rwkv.weight @u "u" #rwkv.dims<D>
}

rwkv.model @deep {
  rwkv.weight @w "w" #rwkv.dims<D>
  rwkv.weight @b "b.{l}" #rwkv.dims<D, F>
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) -> tensor<?x?x?xf32, #rwkv.dims<B, T, D>> {
    %y = rwkv.layers l in L iter(%xl = %x : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) -> (tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
      rwkv.yield %xl : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    }
    return %y : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
  }
}
