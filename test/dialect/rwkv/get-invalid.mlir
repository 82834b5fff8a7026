// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  func.func @f() {
    // expected-error @below {{'rwkv.get' op expected the name of a 'rwkv.weight', but got @vec}}
    %0 = rwkv.get @vec : tensor<?x?x8xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  func.func @f() {
    // expected-error @below {{'rwkv.get' op expected the name of a 'rwkv.weight', but got @eps}}
    %0 = rwkv.get @eps : tensor<?x?x8xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @vec "vec" tensor<8xf32>
  func.func @f() {
    // expected-error @below {{'rwkv.get' op expected the axes of @vec, tensor<8xf32>, to be axes of 'tensor<?x?x8xf32>' in the same order}}
    %0 = rwkv.get @vec on [3] : tensor<?x?x8xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @mat "mat" tensor<8x4xf32>
  func.func @f() {
    // expected-error @below {{'rwkv.get' op expected the axes of @mat, tensor<8x4xf32>, to be axes of 'tensor<?x?x8xf32>' in the same order}}
    %0 = rwkv.get @mat on [2] : tensor<?x?x8xf32>
    return
  }
}
