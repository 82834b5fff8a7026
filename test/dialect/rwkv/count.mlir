// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: func @count
// CHECK-SAME: %[[N:.*]]: ![[NT:state[0-9]*]], %[[D:.*]]: ![[DT:state[0-9]*]]
func.func @count(%n: !rwkv.state<|1xf32>, %d: !rwkv.state<|1xf64>) -> (!rwkv.state<|1xf32>, !rwkv.state<|1xf64>) {
  // CHECK: %[[N1:.*]] = rwkv.count %[[N]] every 16 : ![[NT]]
  %0 = rwkv.count %n every 16 : !rwkv.state<|1xf32>
  // The shortest and the longest period.
  // CHECK: %[[N2:.*]] = rwkv.count %[[N1]] every 1 : ![[NT]]
  %1 = rwkv.count %0 every 1 : !rwkv.state<|1xf32>
  // CHECK: rwkv.count %[[N2]] every 16777216 {note = "x"} : ![[NT]]
  %2 = rwkv.count %1 every 16777216 {note = "x"} : !rwkv.state<|1xf32>
  // CHECK: rwkv.count %[[D]] every 3 : ![[DT]]
  %3 = rwkv.count %d every 3 : !rwkv.state<|1xf64>
  return %2, %3 : !rwkv.state<|1xf32>, !rwkv.state<|1xf64>
}

// In the region of a recurrence.
// CHECK-LABEL: func @region
func.func @region(%x: tensor<?x?x2xf32>, %n: tensor<?x2x1xf32>) {
  %o = rwkv.recurrence over(%xt = %x : tensor<?x?x2xf32>) init(%N = %n : tensor<?x2x1xf32>) -> (tensor<?x2x1xf32>) {
    // CHECK: %[[C:.*]] = rwkv.count %{{.*}} every 5 : !state
    %N1 = rwkv.count %N every 5 : !rwkv.state<|1xf32>
    // CHECK: rwkv.yield %[[C]]
    rwkv.yield %N1 : !rwkv.state<|1xf32>
  }
  return
}

// The longest periods of counters that are stored in 16 bits. What is not yielded is not stored.
// CHECK-LABEL: func @stored
func.func @stored(%x: tensor<?x?x2xf32>, %b: tensor<?x2x1xbf16>, %h: tensor<?x2x1xf16>) {
  %o:2 = rwkv.recurrence over(%xt = %x : tensor<?x?x2xf32>)
      init(%B = %b : tensor<?x2x1xbf16>, %H = %h : tensor<?x2x1xf16>) -> (tensor<?x2x1xbf16>, tensor<?x2x1xf16>) {
    // CHECK: rwkv.count %{{.*}} every 256 : !state
    %B1 = rwkv.count %B every 256 : !rwkv.state<|1xf32>
    // CHECK: rwkv.count %{{.*}} every 2048 : !state
    %H1 = rwkv.count %H every 2048 : !rwkv.state<|1xf32>
    // CHECK: rwkv.count %{{.*}} every 4096 : !state
    %P = rwkv.count %B every 4096 : !rwkv.state<|1xf32>
    rwkv.yield %B1, %H1 : !rwkv.state<|1xf32>, !rwkv.state<|1xf32>
  }
  return
}
