// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w=12xax8" 2>&1 | FileCheck %s --check-prefix=SIZE
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w=-8xf32" 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w=8xbf1" 2>&1 | FileCheck %s --check-prefix=DTYPE
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32,w=4xf32" 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32 params=eps" 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32 params=eps=a" 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32 params=ep=1" 2>&1 | FileCheck %s --check-prefix=PARAM
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32,a=1xf32" 2>&1 | FileCheck %s --check-prefix=UNUSED
// RUN: not rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32,a=1xf32,b=1xf32,c=1xf32,d=1xf32" 2>&1 | FileCheck %s --check-prefix=MANY
// RUN: rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32,a=1xf32 allow-unused" | FileCheck %s --check-prefix=ALLOWED
// RUN: rwkv-opt %s --rwkv-specialize="checkpoint=w=8xf32,scalar=f32 allow-unused" | FileCheck %s --check-prefix=ALLOWED
// RUN: echo "func.func private @f()" | not rwkv-opt --rwkv-specialize="checkpoint=w=8xf32" 2>&1 | FileCheck %s --check-prefix=NO-MODEL

// SIZE: error: expected name=8x4xf32, but got 'w=12xax8'
// NEGATIVE: error: expected name=8x4xf32, but got 'w=-8xf32'
// DTYPE: error: expected name=8x4xf32, but got 'w=8xbf1'
// NAME: error: expected name=8x4xf32, but got 'w'
// TWICE: error: expected one tensor of each name, but got "w" twice
// NUMBER: error: expected name=number, but got 'eps'
// TEXT: error: expected name=number, but got 'eps=a'
// PARAM: error: 'rwkv.model' op expected the name of a param (eps, ln_eps), but got 'ep'
// UNUSED: error: 'rwkv.model' op expected every tensor of the checkpoint to be a weight, but found 1 that are not: "a" (--allow-unused ignores them)
// MANY: error: 'rwkv.model' op expected every tensor of the checkpoint to be a weight, but found 4 that are not: "a", "b", "c", .. (--allow-unused ignores them)
// ALLOWED: rwkv.weight @w "w" tensor<8xf32>
// NO-MODEL: error: expected a 'rwkv.model' in the spec, but found none

rwkv.model @m {
  rwkv.param @eps = 1.0
  rwkv.param @ln_eps = 1.0
  rwkv.weight @w "w" #rwkv.dims<D>
}
