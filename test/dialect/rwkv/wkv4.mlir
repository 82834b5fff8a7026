// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @static
func.func @static(%k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %w: tensor<2x8xf32>, %u: tensor<2x8xf32>, %num: tensor<?x2x8xf32>, %den: tensor<?x2x8xf32>, %m: tensor<?x2x8xf32>) {
  // CHECK: rwkv.wkv4 over(%{{.*}}, %{{.*}}) const(%{{.*}}, %{{.*}}) init(%{{.*}}, %{{.*}}, %{{.*}}) : (
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>)
  return
}

// Any sizes and dtypes; packed sequences.
// CHECK-LABEL: func @open
func.func @open(%k: tensor<?x?x?x?xbf16>, %v: tensor<?x?x?x?xbf16>, %w: tensor<?x?xbf16>, %u: tensor<?x?xbf16>, %num: tensor<?x?x?xf32>, %den: tensor<?x?x?xf32>, %m: tensor<?x?x?xf32>, %cu: tensor<?xi32>) {
  // CHECK: rwkv.wkv4 over(%{{.*}}, %{{.*}}) const(%{{.*}}, %{{.*}}) init(%{{.*}}, %{{.*}}, %{{.*}}) reset(%{{.*}}) {{.*}}tensor<?xi32>) -> (tensor<?x?x?x?xbf16>, tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x?x?xf32>)
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m) reset(%cu)
    : (tensor<?x?x?x?xbf16>, tensor<?x?x?x?xbf16>, tensor<?x?xbf16>, tensor<?x?xbf16>, tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?xi32>)
    -> (tensor<?x?x?x?xbf16>, tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x?x?xf32>)
  return
}

// Fewer heads of keys and of bonuses than of states, an attribute.
// CHECK-LABEL: func @groups
func.func @groups(%k: tensor<?x?x1x8xf32>, %v: tensor<?x?x4x8xf32>, %w: tensor<4x8xf32>, %u: tensor<2x8xf32>, %num: tensor<?x4x8xf32>, %den: tensor<?x4x8xf32>, %m: tensor<?x4x8xf32>) {
  // CHECK: rwkv.wkv4 {{.*}} {note = "x"} :
  %y:4 = rwkv.wkv4 over(%k, %v) const(%w, %u) init(%num, %den, %m) {note = "x"}
    : (tensor<?x?x1x8xf32>, tensor<?x?x4x8xf32>, tensor<4x8xf32>, tensor<2x8xf32>, tensor<?x4x8xf32>, tensor<?x4x8xf32>, tensor<?x4x8xf32>)
    -> (tensor<?x?x4x8xf32>, tensor<?x4x8xf32>, tensor<?x4x8xf32>, tensor<?x4x8xf32>)
  return
}
