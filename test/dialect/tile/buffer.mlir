// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func private @buffers
// CHECK-SAME: !tile.buffer<f32>, !tile.buffer<bf16>, !tile.buffer<i32>
func.func private @buffers(!tile.buffer<f32>, !tile.buffer<bf16>, !tile.buffer<i32>)
