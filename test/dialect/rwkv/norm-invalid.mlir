// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @vec "vec" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x8xf32>) {
    // expected-error @below {{'rwkv.norm' op expected an axis from 0 to 2 of 'tensor<?x?x8xf32>', but got 3}}
    %0 = rwkv.norm %x, @vec, @vec over 3 eps @eps : tensor<?x?x8xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @vec "vec" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
    // expected-error @below {{'rwkv.norm' op expected the name of an axis of 'tensor<?x?x?xf32, #rwkv.dims<B, T, D>>', but got "N"}}
    %0 = rwkv.norm %x, @vec, @vec over "N" eps @eps : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @vec "vec" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x8xf32>) {
    // expected-error @below {{'rwkv.norm' op expected the name of a 'rwkv.weight', but got @w}}
    %0 = rwkv.norm %x, @w, @vec over 2 eps @eps : tensor<?x?x8xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @vec "vec" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x8xf32>) {
    // expected-error @below {{'rwkv.norm' op expected the name of a 'rwkv.weight', but got @b}}
    %0 = rwkv.norm %x, @vec, @b over 2 eps @eps : tensor<?x?x8xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @vec "vec" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x8xf32>) {
    // expected-error @below {{'rwkv.norm' op expected the name of a 'rwkv.param' as eps, but got @vec}}
    %0 = rwkv.norm %x, @vec, @vec over 2 eps @vec : tensor<?x?x8xf32>
    return
  }
}
