// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// Arguments: task, B, T, S, then buffers.

// CHECK-LABEL: tile.kernel @scale(%{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: !tile.buffer<bf16>, %{{.*}}: !tile.buffer<f32>) {
tile.kernel @scale(%task: index, %B: index, %T: index, %S: index, %in: !tile.buffer<bf16>, %out: !tile.buffer<f32>) {
  // CHECK-NEXT: %[[X:.*]] = tile.load %{{.*}}[%{{.*}}] : <bf16> -> tensor<8xf32>
  %x = tile.load %in[%task] : !tile.buffer<bf16> -> tensor<8xf32>
  // CHECK-NEXT: tile.store %[[X]], %{{.*}}[%{{.*}}] : tensor<8xf32>, <f32>
  tile.store %x, %out[%task] : tensor<8xf32>, !tile.buffer<f32>
}

// CHECK-LABEL: tile.kernel @empty(%{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index) attributes {note = "x"} {
tile.kernel @empty(%task: index, %B: index, %T: index, %S: index) attributes {note = "x"} {
}

// CHECK-LABEL: tile.kernel @loop
tile.kernel @loop(%task: index, %B: index, %T: index, %S: index, %in: !tile.buffer<f32>, %out: !tile.buffer<f32>) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %init = tile.load %in[%task] : !tile.buffer<f32> -> tensor<4x8xf32>
  // CHECK: scf.for {{.*}} -> (tensor<4x8xf32>)
  %state = scf.for %t = %zero to %T step %one iter_args(%s = %init) -> (tensor<4x8xf32>) {
    %next = math.exp2 %s : tensor<4x8xf32>
    scf.yield %next : tensor<4x8xf32>
  }
  tile.store %state, %out[%task] : tensor<4x8xf32>, !tile.buffer<f32>
}
