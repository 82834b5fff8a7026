// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @position(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'rwkv.l2norm' op expected an axis from 0 to 2 of 'tensor<?x?x8xf32>', but got 3}}
  %0 = rwkv.l2norm %x over 3 floor 1.0e-12 : tensor<?x?x8xf32>
  return
}

// -----

func.func @name(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'rwkv.l2norm' op expected the name of an axis of 'tensor<?x?x8xf32>', but got "N"}}
  %0 = rwkv.l2norm %x over "N" floor 1.0e-12 : tensor<?x?x8xf32>
  return
}

// -----

func.func @types(%x: tensor<?x?x8xf32>) {
  // expected-error @below {{'rwkv.l2norm' op requires the same type for all operands and results}}
  %0 = "rwkv.l2norm"(%x) <{axis = 2 : i64, floor = 0.0 : f64}> : (tensor<?x?x8xf32>) -> tensor<?x?x8xbf16>
  return
}
