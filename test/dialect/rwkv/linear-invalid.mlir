// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

rwkv.model @m {
  func.func @f(%x: tensor<?x?x8xf32>) {
    // expected-error @below {{'rwkv.linear' op expected the name of a 'rwkv.weight', but got @mat}}
    %0 = rwkv.linear %x, @mat : tensor<?x?x8xf32> -> tensor<?x?x4xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @vec "vec" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x8xf32>) {
    // expected-error @below {{'rwkv.linear' op expected a weight of two axes, but got @vec #rwkv.dims<D>}}
    %0 = rwkv.linear %x, @vec : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @mat "mat" #rwkv.dims<D, F>
  func.func @f(%x: tensor<?x?x8xf32>) {
    // expected-error @below {{'rwkv.linear' op expected a result of the axes of 'tensor<?x?x8xf32>' but the last, but got 'tensor<?x4xf32>'}}
    %0 = rwkv.linear %x, @mat : tensor<?x?x8xf32> -> tensor<?x4xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @mat "mat" #rwkv.dims<D, F>
  func.func @f(%x: tensor<f32>) {
    // expected-error @below {{'rwkv.linear' op expected an operand of rank >= 1, but got 'tensor<f32>'}}
    %0 = rwkv.linear %x, @mat : tensor<f32> -> tensor<f32>
    return
  }
}
