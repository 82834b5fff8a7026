// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

tile.kernel @k(%task: index, %B: index, %T: index, %S: index, %in: !tile.buffer<f32>, %w: !tile.buffer<bf16>,
               %out: !tile.buffer<f32>) {
}

tile.kernel @fill(%task: index, %B: index, %T: index, %S: index, %out: !tile.buffer<f32>) {
}

rwkv.model @m {
  rwkv.weight @w "w" tensor<8x8xbf16>
  // CHECK-LABEL: func @launch
  func.func @launch(%x: tensor<?x?x8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>) {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    %B = tile.size B
    // CHECK-DAG: %[[T:.*]] = tile.size T
    %T = tile.size T
    // CHECK-DAG: %[[S:.*]] = tile.size S
    %S = tile.size S
    // CHECK: %[[TASKS:.*]] = arith.muli %[[B]], %[[T]]
    %tasks = arith.muli %B, %T : index
    // CHECK: tile.launch @k tasks(%[[TASKS]]) (%{{.*}}) weights [@w] : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    %y = tile.launch @k tasks(%tasks) (%x) weights [@w] : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    // CHECK: tile.launch @fill tasks(%[[S]]) () weights [] {note = "x"} : () -> tensor<?x?x8xf32>
    %z = tile.launch @fill tasks(%S) () weights [] {note = "x"} : () -> tensor<?x?x8xf32>
    return %y, %z : tensor<?x?x8xf32>, tensor<?x?x8xf32>
  }
}
