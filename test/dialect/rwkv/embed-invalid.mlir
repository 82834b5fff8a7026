// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

rwkv.model @m {
  func.func @f(%t: tensor<?x?xi32>) {
    // expected-error @below {{'rwkv.embed' op expected the name of a 'rwkv.weight', but got @emb}}
    %0 = rwkv.embed %t, @emb : tensor<?x?xi32> -> tensor<?x?x8xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @emb "emb" #rwkv.dims<V, D>
  func.func @f(%t: tensor<?x?xi64>) {
    // expected-error @below {{'rwkv.embed' op operand #0 must be tensor of 32-bit signless integer values, but got 'tensor<?x?xi64>'}}
    %0 = rwkv.embed %t, @emb : tensor<?x?xi64> -> tensor<?x?x8xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @emb "emb" #rwkv.dims<V, D>
  func.func @f(%t: tensor<?x?xi32>) {
    // expected-error @below {{'rwkv.embed' op expected a result of the axes of 'tensor<?x?xi32>' and one more, but got 'tensor<?x8xf32>'}}
    %0 = rwkv.embed %t, @emb : tensor<?x?xi32> -> tensor<?x8xf32>
    return
  }
}
