// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// expected-note @below {{see existing symbol definition here}}
rwkv.model @m {}
// expected-error @below {{redefinition of symbol named 'm'}}
rwkv.model @m {}

// -----

rwkv.model @m {
  // expected-note @below {{see existing symbol definition here}}
  rwkv.param @x = 1.0
  // expected-error @below {{redefinition of symbol named 'x'}}
  rwkv.weight @x "x" #rwkv.dims<D>
}

// -----

// Names of axes keep types apart.
rwkv.model @m {
  // expected-note @below {{prior use here}}
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, %y: tensor<?x?x?xf32, #rwkv.dims<B, T, F>>) {
    // expected-error @below {{use of value '%y' expects different type than prior uses: 'tensor<?x?x?xf32, #rwkv.dims<B, T, D>>' vs 'tensor<?x?x?xf32, #rwkv.dims<B, T, F>>'}}
    %z = arith.addf %x, %y : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    return
  }
}

// -----

// Only declarations and functions.
rwkv.model @m {
  // expected-error @below {{'arith.constant' op expected only rwkv.weight, rwkv.param, rwkv.dim and func.func in a 'rwkv.model'}}
  %c = arith.constant 1.0 : f32
}
