// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @hold
// CHECK-SAME: %[[B:.*]]: ![[ST:state[0-9]*]], %[[S:.*]]: ![[ST]], %[[N:.*]]: ![[NT:state[0-9]*]], %[[A:.*]]: ![[MT:state[0-9]*]], %[[M:.*]]: ![[MT]], %[[D:.*]]: ![[DT:state[0-9]*]]
func.func @hold(%B: !rwkv.state<8|4xf32>, %S: !rwkv.state<8|4xf32>, %n: !rwkv.state<|1xf32>, %A: !rwkv.state<|?xf64>,
                %M: !rwkv.state<|?xf64>, %d: !rwkv.state<|1xf64>) -> (!rwkv.state<8|4xf32>, !rwkv.state<|?xf64>) {
  // CHECK: %[[B1:.*]] = rwkv.hold %[[B]], %[[S]] at %[[N]] : ![[ST]]
  %0 = rwkv.hold %B, %S at %n : !rwkv.state<8|4xf32>
  // CHECK: rwkv.hold %[[B1]], %[[S]] at %[[N]] {note = "x"} : ![[ST]]
  %1 = rwkv.hold %0, %S at %n {note = "x"} : !rwkv.state<8|4xf32>
  // A vector; f64.
  // CHECK: rwkv.hold %[[A]], %[[M]] at %[[D]] : ![[MT]]
  %2 = rwkv.hold %A, %M at %d : !rwkv.state<|?xf64>
  return %1, %2 : !rwkv.state<8|4xf32>, !rwkv.state<|?xf64>
}

// In the region of a recurrence.
// CHECK-LABEL: func @region
func.func @region(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x4xf32>, %b0: tensor<?x2x8x4xf32>, %n0: tensor<?x2x1xf32>) {
  %o:4 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>)
      init(%S = %s0 : tensor<?x2x8x4xf32>, %B = %b0 : tensor<?x2x8x4xf32>, %n = %n0 : tensor<?x2x1xf32>)
      -> (tensor<?x?x2x4xf32>, tensor<?x2x8x4xf32>, tensor<?x2x8x4xf32>, tensor<?x2x1xf32>) {
    // CHECK: %[[H:.*]] = rwkv.hold %{{.*}}, %{{.*}} at %{{.*}} : !state
    %B1 = rwkv.hold %B, %S at %n : !rwkv.state<8|4xf32>
    %n1 = rwkv.count %n every 16 : !rwkv.state<|1xf32>
    // CHECK: %[[Y:.*]] = rwkv.read %[[H]]
    %y = rwkv.read %B1[%kt] : !rwkv.state<8|4xf32>
    %S1 = rwkv.write %S[%kt], %y : !rwkv.state<8|4xf32>
    // CHECK: rwkv.yield %[[Y]], %{{.*}}, %[[H]], %{{.*}}
    rwkv.yield %y, %S1, %B1, %n1 : tensor<4xf32>, !rwkv.state<8|4xf32>, !rwkv.state<8|4xf32>, !rwkv.state<|1xf32>
  }
  return
}
