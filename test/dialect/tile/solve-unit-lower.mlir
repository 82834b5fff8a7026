// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @solve
func.func @solve(%l: tensor<6x6xf32>, %r: tensor<6x8xf32>, %d: tensor<1x1xf64>) {
  // One group of rows is not printed.
  // CHECK: tile.solve_unit_lower %{{.*}}, %{{.*}} : tensor<6x6xf32>, tensor<6x8xf32>
  %0 = tile.solve_unit_lower %l, %r : tensor<6x6xf32>, tensor<6x8xf32>
  // CHECK: tile.solve_unit_lower %{{.*}}, %{{.*}} : tensor<6x6xf32>, tensor<6x8xf32>
  %1 = tile.solve_unit_lower %l, %r interleave 1 : tensor<6x6xf32>, tensor<6x8xf32>
  // CHECK: tile.solve_unit_lower %{{.*}}, %{{.*}} interleave 3 : tensor<6x6xf32>, tensor<6x8xf32>
  %2 = tile.solve_unit_lower %l, %r interleave 3 : tensor<6x6xf32>, tensor<6x8xf32>
  // CHECK: tile.solve_unit_lower %{{.*}}, %{{.*}} : tensor<1x1xf64>, tensor<1x1xf64>
  %3 = tile.solve_unit_lower %d, %d : tensor<1x1xf64>, tensor<1x1xf64>
  return
}
