// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

rwkv.model @m {
  func.func @f(%x: tensor<?x?x8xf32>) {
    // expected-error @below {{'rwkv.lerp' op expected the name of a 'rwkv.weight', but got @vec}}
    %0 = rwkv.lerp %x, %x by @vec : tensor<?x?x8xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @vec "vec" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x8xf32>, %y: tensor<?x?x4xf32>) {
    // expected-error @below {{'rwkv.lerp' op failed to verify that all of {from, to, result} have same type}}
    %0 = "rwkv.lerp"(%x, %y) <{weight = @vec}> : (tensor<?x?x8xf32>, tensor<?x?x4xf32>) -> tensor<?x?x8xf32>
    return
  }
}
