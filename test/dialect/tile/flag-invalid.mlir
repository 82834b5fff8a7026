// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --split-input-file --verify-diagnostics

func.func @number(%violated: i1) {
  // expected-error @below {{'tile.flag' op expected a number >= 0, but got -1}}
  tile.flag %violated number -1
  return
}
