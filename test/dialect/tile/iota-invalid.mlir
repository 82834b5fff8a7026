// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @axis() {
  // expected-error @below {{'tile.iota' op expected an axis of 'tensor<8xi32>', but got 1}}
  %0 = tile.iota 1 : tensor<8xi32>
  return
}

// -----

func.func @negative() {
  // expected-error @below {{'tile.iota' op expected an axis of 'tensor<4x8xi32>', but got -1}}
  %0 = tile.iota -1 : tensor<4x8xi32>
  return
}

// -----

func.func @element() {
  // expected-error @below {{'tile.iota' op result #0 must be tile of i32, but got 'tensor<8xf32>'}}
  %0 = tile.iota 0 : tensor<8xf32>
  return
}

// -----

func.func @scalar() {
  // expected-error @below {{'tile.iota' op result #0 must be tile of i32, but got 'i32'}}
  %0 = tile.iota 0 : i32
  return
}
