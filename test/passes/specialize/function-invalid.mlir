// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: not rwkv-opt %s --rwkv-specialize="function=h" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not rwkv-opt %s --rwkv-specialize="function=inside" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not rwkv-opt %s --rwkv-specialize="function=f arguments=x=1x2x8xf32" 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: not rwkv-opt %s --rwkv-specialize="function=f arguments=x=1x8xf32,y=1x2x8xf32" 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not rwkv-opt %s --rwkv-specialize="function=f arguments=x=1x2x8xf32,y=f32" 2>&1 | FileCheck %s --check-prefix=SCALAR
// RUN: not rwkv-opt %s --rwkv-specialize="function=f arguments=x=1x2x9xf32,y=1x2x8xf32" 2>&1 | FileCheck %s --check-prefix=SIZE
// RUN: not rwkv-opt %s --rwkv-specialize="function=g arguments=k=1x2x4x8xf32,s0=1x4x7x6xf32" 2>&1 | FileCheck %s --check-prefix=KEY
// RUN: not rwkv-opt %s --rwkv-specialize="function=g arguments=k=1x2x3x8xf32,s0=1x4x8x6xf32" 2>&1 | FileCheck %s --check-prefix=HEADS
// RUN: not rwkv-opt %s --rwkv-specialize="function=g arguments=k=1x2x4x8xf32,s0=1x4x8x0xf32" 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not rwkv-opt %s --rwkv-specialize="function=g arguments=k=1x2x4x8xf32,s0=1x4x8x65537xf32" 2>&1 | FileCheck %s --check-prefix=LONG
// RUN: not rwkv-opt %s --rwkv-specialize="function=g arguments=k=1x2x99999999x65536xf32,s0=1x99999999x65536x4xf32" 2>&1 | FileCheck %s --check-prefix=MUCH
// RUN: not rwkv-opt %s --rwkv-specialize="function=k arguments=x=1x2x8xf32" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not rwkv-opt %s --rwkv-specialize="function=declaration arguments=x=1x2x8xf32" 2>&1 | FileCheck %s --check-prefix=BODY
// RUN: echo "rwkv.model @m {}" | not rwkv-opt --rwkv-specialize="function=f" 2>&1 | FileCheck %s --check-prefix=NONE

// NAME: error: expected the name of a function outside of models (f, g, k, declaration), but got '{{h|inside}}'
// COUNT: error: expected 2 arguments for 'f', but got 1
// RANK: error: expected argument 0 of 'f' to be 'tensor<?x?x8xf32>', but got an array of 2 axes (1x8xf32)
// SCALAR: error: expected argument 1 of 'f' to be 'tensor<?x?x8xf32>', but got an array of 0 axes (f32)
// SIZE: error: expected argument 0 of 'f' to be 'tensor<?x?x8xf32>', but got size 9 of axis 2 (1x2x9xf32)
// KEY: :[[#@LINE+17]]:39: error: expected axis 2 of argument 1 of 'g' to have 8 elements, as axis 3 of argument 0, but got 7
// ZERO: error: expected axis 3 of argument 1 of 'g' to have at least 1 element, but got 0
// LONG: error: expected axis 0 of a value of type 'tensor<?xf32>' to have 1 to 65536 elements, but got 65537
// MUCH: error: expected a value of at most 1099511627776 elements per token, but got more in one of type 'tensor<?x?x?x?xf32>'
// HEADS: error: 'rwkv.recurrence' op expected a number of heads that divides the 4 heads of the state, but got 3
// UNKNOWN: error: expected the size of axis 0 of a value of type 'tensor<?xf32>' to be known, but no weight, argument or type gives it
// BODY: error: expected a function with a body, but got the declaration of 'declaration'
// NONE: error: expected the name of a function outside of models (there is none), but got 'f'

rwkv.model @m {
  func.func @inside() {
    return
  }
}
func.func @f(%x: tensor<?x?x8xf32>, %y: tensor<?x?x8xf32>) {
  return
}
func.func @g(%k: tensor<?x?x?x?xf32>, %s0: tensor<?x?x?x?xf32>) -> tensor<?x?x?x?xf32> {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x?x?xf32>) init(%S = %s0 : tensor<?x?x?x?xf32>) -> (tensor<?x?x?x?xf32>) {
    %y = rwkv.read %S[%kt] : !rwkv.state<?|?xf32>
    %S1 = rwkv.write %S[%kt], %y : !rwkv.state<?|?xf32>
    rwkv.yield %S1 : !rwkv.state<?|?xf32>
  }
  return %s : tensor<?x?x?x?xf32>
}
func.func @k(%x: tensor<?x?x8xf32>) {
  %0 = rwkv.fill 0.0 : tensor<?xf32>
  return
}
func.func private @declaration(tensor<?x?x8xf32>)
