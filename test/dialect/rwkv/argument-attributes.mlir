// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// {rwkv.state = "name"} on arguments and results, {rwkv.below = n} on arguments.

// CHECK-LABEL: func private @declaration(tensor<2x8xf32> {rwkv.state = "a"}) -> (tensor<2x8xf32> {rwkv.state = "a"})
func.func private @declaration(tensor<2x8xf32> {rwkv.state = "a"}) -> (tensor<2x8xf32> {rwkv.state = "a"})

// CHECK-LABEL: func private @tokens(tensor<?x?xi32> {rwkv.below = 65536 : i64})
func.func private @tokens(tensor<?x?xi32> {rwkv.below = 65536})
