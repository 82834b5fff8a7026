// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @dot
func.func @dot(%a: tensor<4x8xf32>, %b: tensor<8x2xf32>, %c: tensor<2x8xf32>, %s: tensor<4x2xf32>) {
  // CHECK: tile.dot %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  %0 = tile.dot %a, %b : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}} transposed : tensor<4x8xf32>, tensor<2x8xf32> -> tensor<4x2xf32>
  %1 = tile.dot %a, %c transposed : tensor<4x8xf32>, tensor<2x8xf32> -> tensor<4x2xf32>
  // What the products are added to.
  // CHECK: tile.dot %{{.*}}, %{{.*}} acc %{{.*}} : tensor<4x2xf32> : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  %2 = tile.dot %a, %b acc %s : tensor<4x2xf32> : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}} transposed acc %{{.*}} : tensor<4x2xf32> {note = "x"} : tensor<4x8xf32>, tensor<2x8xf32> -> tensor<4x2xf32>
  %3 = tile.dot %a, %c transposed acc %s : tensor<4x2xf32> {note = "x"} : tensor<4x8xf32>, tensor<2x8xf32> -> tensor<4x2xf32>
  // What operands may be rounded to.
  // CHECK: tile.dot %{{.*}}, %{{.*}} precision tf32 : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  %4 = tile.dot %a, %b precision tf32 : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}} precision bf16 : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  %5 = tile.dot %a, %b precision bf16 : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  return
}

// A block per two rows; one block is used for all rows, two by turns.
// CHECK-LABEL: func @blocks
func.func @blocks(%a: tensor<8x2xf32>, %b: tensor<2x2xf32>, %c: tensor<4x2xf32>, %x: tensor<8x3xf32>) {
  // CHECK: tile.dot %{{.*}}, %{{.*}} blocks 2 : tensor<8x2xf32>, tensor<8x3xf32> -> tensor<8x3xf32>
  %0 = tile.dot %a, %x blocks 2 : tensor<8x2xf32>, tensor<8x3xf32> -> tensor<8x3xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}} blocks 2 : tensor<2x2xf32>, tensor<8x3xf32> -> tensor<8x3xf32>
  %1 = tile.dot %b, %x blocks 2 : tensor<2x2xf32>, tensor<8x3xf32> -> tensor<8x3xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}} blocks 2 acc %{{.*}} : tensor<8x3xf32> : tensor<4x2xf32>, tensor<8x3xf32> -> tensor<8x3xf32>
  %2 = tile.dot %c, %x blocks 2 acc %x : tensor<8x3xf32> : tensor<4x2xf32>, tensor<8x3xf32> -> tensor<8x3xf32>
  return
}
