// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// The axis gives the type of the decay: key<x>, value, all, each.

// CHECK-LABEL: func @decay
// CHECK-SAME: %[[S:.*]]: ![[T:state[0-9]*]], %[[W0:.*]]: tensor<2xf32>, %[[W1:.*]]: tensor<8xf32>, %[[Z:.*]]: tensor<4xf32>, %[[G:.*]]: f32, %[[E:.*]]: tensor<2x8x4xf32>
func.func @decay(%S: !rwkv.state<2x8|4xf32>, %w0: tensor<2xf32>, %w1: tensor<8xf32>, %z: tensor<4xf32>, %g: f32,
                 %e: tensor<2x8x4xf32>) -> !rwkv.state<2x8|4xf32> {
  // CHECK: rwkv.decay %[[S]], %[[W0]] on "key0" : ![[T]]
  %0 = rwkv.decay %S, %w0 on "key0" : !rwkv.state<2x8|4xf32>
  // CHECK: rwkv.decay %{{.*}}, %[[W1]] on "key1" bound [-6.065310e-01 : f32, 0.000000e+00 : f32] : ![[T]]
  %1 = rwkv.decay %0, %w1 on "key1" bound [-0.606531 : f32, 0.0 : f32] : !rwkv.state<2x8|4xf32>
  // CHECK: rwkv.decay %{{.*}}, %[[Z]] on "value" : ![[T]]
  %2 = rwkv.decay %1, %z on "value" : !rwkv.state<2x8|4xf32>
  // CHECK: rwkv.decay %{{.*}}, %[[G]] on "all" bound [-1.000000e+00 : f32, -1.000000e+00 : f32] : ![[T]]
  %3 = rwkv.decay %2, %g on "all" bound [-1.0 : f32, -1.0 : f32] : !rwkv.state<2x8|4xf32>
  // CHECK: rwkv.decay %{{.*}}, %[[E]] on "each" : ![[T]]
  %4 = rwkv.decay %3, %e on "each" : !rwkv.state<2x8|4xf32>
  return %4 : !rwkv.state<2x8|4xf32>
}

// A bound that is known to hold.
// CHECK-LABEL: func @certified
func.func @certified(%S: !rwkv.state<8|4xf32>, %w: tensor<8xf32>, %g: f32) -> !rwkv.state<8|4xf32> {
  // CHECK: rwkv.decay %{{.*}}, %{{.*}} on "key0" bound [-1.000000e+00 : f32, 0.000000e+00 : f32] certified : !state
  %0 = rwkv.decay %S, %w on "key0" bound [-1.0 : f32, 0.0 : f32] certified : !rwkv.state<8|4xf32>
  // CHECK: rwkv.decay %{{.*}}, %{{.*}} on "all" bound [-1.000000e+00 : f32, 0.000000e+00 : f32] certified {note = "x"} : !state
  %1 = rwkv.decay %0, %g on "all" bound [-1.0 : f32, 0.0 : f32] certified {note = "x"} : !rwkv.state<8|4xf32>
  return %1 : !rwkv.state<8|4xf32>
}

// CHECK-LABEL: func @vector_state
func.func @vector_state(%S: !rwkv.state<|?xf64>, %z: tensor<?xf64>) -> !rwkv.state<|?xf64> {
  // CHECK: rwkv.decay %{{.*}}, %{{.*}} on "value" : !{{state[0-9]*}}
  %0 = rwkv.decay %S, %z on "value" : !rwkv.state<|?xf64>
  return %0 : !rwkv.state<|?xf64>
}
