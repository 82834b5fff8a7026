// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @axis(%v: tensor<8xf32>) {
  // expected-error @below {{'tile.reduce' op expected an axis of 'tensor<8xf32>', but got 1}}
  %0 = tile.reduce sum %v over 1 : tensor<8xf32> -> f32
  return
}

// -----

func.func @scalar(%s: f32) {
  // expected-error @below {{'tile.reduce' op expected an axis of 'f32', but got 0}}
  %0 = tile.reduce sum %s over 0 : f32 -> f32
  return
}

// -----

func.func @result(%m: tensor<4x8xf32>) {
  // expected-error @below {{'tile.reduce' op expected a result without axis 0 of 'tensor<4x8xf32>', but got 'tensor<4xf32>'}}
  %0 = tile.reduce max %m over 0 : tensor<4x8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @kind(%m: tensor<4x8xf32>) {
  // expected-error @below {{one of the following enum values for attribute 'kind' [sum, max]}}
  %0 = tile.reduce min %m over 0 : tensor<4x8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @element(%v: tensor<8xf32>) {
  // expected-error @below {{'tile.reduce' op expected equal element types, but got 'tensor<8xf32>' and 'f64'}}
  %0 = tile.reduce sum %v over 0 : tensor<8xf32> -> f64
  return
}
