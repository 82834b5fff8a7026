// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @transform
// CHECK-SAME: %[[S:.*]]: ![[T:state[0-9]*]], %[[D:.*]]: ![[DT:state[0-9]*]], %[[R:.*]]: tensor<4x2x2xf32>, %[[F:.*]]: tensor<1x6x6xf32>, %[[U:.*]]: tensor<?x2x2xf32>
func.func @transform(%S: !rwkv.state<8x6|4xf32>, %D: !rwkv.state<?|?xf32>, %R: tensor<4x2x2xf32>,
                     %F: tensor<1x6x6xf32>, %U: tensor<?x2x2xf32>) -> (!rwkv.state<8x6|4xf32>, !rwkv.state<?|?xf32>) {
  // CHECK: rwkv.transform %[[S]], %[[R]] on "key0" : ![[T]], tensor<4x2x2xf32>
  %0 = rwkv.transform %S, %R on "key0" : !rwkv.state<8x6|4xf32>, tensor<4x2x2xf32>
  // CHECK: rwkv.transform %{{.*}}, %[[F]] on "key1" : ![[T]], tensor<1x6x6xf32>
  %1 = rwkv.transform %0, %F on "key1" : !rwkv.state<8x6|4xf32>, tensor<1x6x6xf32>
  // CHECK: rwkv.transform %[[D]], %[[U]] on "key0" orthogonal : ![[DT]], tensor<?x2x2xf32>
  %2 = rwkv.transform %D, %U on "key0" orthogonal : !rwkv.state<?|?xf32>, tensor<?x2x2xf32>
  return %1, %2 : !rwkv.state<8x6|4xf32>, !rwkv.state<?|?xf32>
}
