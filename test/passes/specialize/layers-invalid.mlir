// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file --rwkv-specialize="checkpoint=b=4x8xf32,x.0=8xf32,x.1=8xf32,v.1=8xf32 allow-unused"

// A weight of some layers is used in these only.
!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
rwkv.model @m {
  rwkv.weight @x "x.{l}" #rwkv.dims<D>
  rwkv.weight @v "v.{l}" #rwkv.dims<D> when "l > 0"
  func.func @f(%x: !X) -> !X {
    %y = rwkv.layers l in L iter(%xl = %x : !X) -> (!X) {
      // expected-error @below {{'rwkv.get' op expected a weight of all layers of this body, but got @v with "l > 0" in layer 0}}
      %0 = rwkv.get @v : !X
      rwkv.yield %0 : !X
    }
    return %y : !X
  }
}

// -----

// A weight of a layer is used in layers only.
!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
rwkv.model @m {
  rwkv.weight @x "x.{l}" #rwkv.dims<D>
  func.func @f(%x: !X) -> !X {
    // expected-error @below {{'rwkv.get' op expected a weight without {l} outside of 'rwkv.layers', but got @x}}
    %0 = rwkv.get @x : !X
    return %0 : !X
  }
}

// -----

// A choice by layer is made in layers only.
!X = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
rwkv.model @m {
  rwkv.weight @b "b" #rwkv.dims<F, D>
  func.func @f(%x: !X) -> !X {
    // expected-error @below {{'rwkv.when' op expected to be in 'rwkv.layers'}}
    %0 = rwkv.when "l > 0" -> (!X) {
      rwkv.yield %x : !X
    } else {
      rwkv.yield %x : !X
    }
    return %0 : !X
  }
}
