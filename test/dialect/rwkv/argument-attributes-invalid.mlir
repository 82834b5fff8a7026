// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// expected-error @below {{'func.func' op expected 'rwkv.state' or 'rwkv.below' of the dialect's attributes on an argument or result, but got 'rwkv.stat'}}
func.func private @f(tensor<2x8xf32> {rwkv.stat = "a"})

// -----

// expected-error @below {{'func.func' op expected 'rwkv.state' to be a non-empty string, but got ""}}
func.func private @f(tensor<2x8xf32> {rwkv.state = ""})

// -----

// expected-error @below {{'func.func' op expected 'rwkv.state' to be a non-empty string, but got 1 : i64}}
func.func private @f() -> (tensor<2x8xf32> {rwkv.state = 1})

// -----

// expected-error @below {{'func.func' op expected 'rwkv.below' to be a positive integer, but got 0 : i64}}
func.func private @f(tensor<2x8xi32> {rwkv.below = 0})

// -----

// expected-error @below {{'func.func' op expected 'rwkv.below' to be a positive integer, but got "V"}}
func.func private @f(tensor<2x8xi32> {rwkv.below = "V"})
