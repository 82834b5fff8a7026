// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A text without an op or a type of this project, so that parsing it loads no dialect of it.
// RUN: not rwkv-opt %s --rwkv-explain 2>&1 | FileCheck %s --check-prefix=EXPLAIN
// EXPLAIN: no-rwkv-ops.mlir:{{[0-9]+}}:{{[0-9]+}}: error: expected a recurrence to explain, found none
// RUN: rwkv-opt %s --emit=mlir --function f --argument 3xf32 --target=x86-64-v3 | FileCheck %s --check-prefix=MLIR
// MLIR: module attributes {rwkv.target = #rwkv.target<"x86-64-v3"
// MLIR: func.func @f

func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}
