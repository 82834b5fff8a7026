// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @static
func.func @static(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %a: tensor<?x?x2x8xf32>, %b: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // CHECK: rwkv.wkv7 over(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) init(%{{.*}}) : (
  %y:2 = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init(%s0)
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// Any sizes and dtypes; keys and values of other sizes; packed sequences.
// CHECK-LABEL: func @open
func.func @open(%r: tensor<?x?x?x?xbf16>, %w: tensor<?x?x?x?xbf16>, %k: tensor<?x?x?x?xbf16>, %v: tensor<?x?x?x?xbf16>, %a: tensor<?x?x?x?xbf16>, %b: tensor<?x?x?x?xbf16>, %s0: tensor<?x?x?x?xf32>, %cu: tensor<?xi32>) {
  // CHECK: rwkv.wkv7 over(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) init(%{{.*}}) reset(%{{.*}}) {{.*}}tensor<?xi32>) -> (tensor<?x?x?x?xbf16>, tensor<?x?x?x?xf32>)
  %y:2 = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init(%s0) reset(%cu)
    : (tensor<?x?x?x?xbf16>, tensor<?x?x?x?xbf16>, tensor<?x?x?x?xbf16>, tensor<?x?x?x?xbf16>, tensor<?x?x?x?xbf16>, tensor<?x?x?x?xbf16>, tensor<?x?x?x?xf32>, tensor<?xi32>)
    -> (tensor<?x?x?x?xbf16>, tensor<?x?x?x?xf32>)
  return
}

// A precision.
// CHECK-LABEL: func @rounded
func.func @rounded(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>, %a: tensor<?x?x2x8xf32>, %b: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // CHECK: rwkv.wkv7 {{.*}} {precision = #rwkv.precision<bf16>} :
  %y:2 = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init(%s0) {precision = #rwkv.precision<bf16>}
    : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>)
  return
}

// Fewer heads of keys than of states, an attribute.
// CHECK-LABEL: func @groups
func.func @groups(%r: tensor<?x?x4x8xf32>, %w: tensor<?x?x4x8xf32>, %k: tensor<?x?x1x8xf32>, %v: tensor<?x?x4x16xf32>, %a: tensor<?x?x4x8xf32>, %b: tensor<?x?x4x8xf32>, %s0: tensor<?x4x8x16xf32>) {
  // CHECK: rwkv.wkv7 {{.*}} {note = "x"} :
  %y:2 = rwkv.wkv7 over(%r, %w, %k, %v, %a, %b) init(%s0) {note = "x"}
    : (tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>, tensor<?x?x1x8xf32>, tensor<?x?x4x16xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>, tensor<?x4x8x16xf32>)
    -> (tensor<?x?x4x16xf32>, tensor<?x4x8x16xf32>)
  return
}
