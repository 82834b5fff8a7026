// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// {rwkv.state = "name"} on arguments and results.

// CHECK-LABEL: func private @declaration(tensor<2x8xf32> {rwkv.state = "a"}) -> (tensor<2x8xf32> {rwkv.state = "a"})
func.func private @declaration(tensor<2x8xf32> {rwkv.state = "a"}) -> (tensor<2x8xf32> {rwkv.state = "a"})
