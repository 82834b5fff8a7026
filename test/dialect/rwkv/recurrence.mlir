// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK: !BTHN = tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>

// CHECK-LABEL: func @vectors
// CHECK-SAME: %[[R:.*]]: tensor<?x?x2x8xbf16>, %[[W:.*]]: tensor<?x?x2x8xbf16>, %[[V:.*]]: tensor<?x?x2x4xbf16>, %[[U:.*]]: tensor<2x8xbf16>, %[[G:.*]]: tensor<2xf32>, %[[S0:.*]]: tensor<?x2x8x4xf32>, %[[CU:.*]]: tensor<?xi32>
func.func @vectors(%r: tensor<?x?x2x8xbf16>, %w: tensor<?x?x2x8xbf16>, %v: tensor<?x?x2x4xbf16>, %u: tensor<2x8xbf16>,
                   %g: tensor<2xf32>, %s0: tensor<?x2x8x4xf32>, %cu: tensor<?xi32>)
    -> (tensor<?x?x2x4xbf16>, tensor<?x2x8x4xf32>) {
  // CHECK: %{{.*}}:2 = rwkv.recurrence
  // CHECK-NEXT: over(%[[RT:x.*]] = %[[R]] : tensor<?x?x2x8xbf16>, %[[WT:x.*]] = %[[W]] : tensor<?x?x2x8xbf16>, %[[VT:x.*]] = %[[V]] : tensor<?x?x2x4xbf16>)
  // CHECK-NEXT: const(%[[UT:c.*]] = %[[U]] : tensor<2x8xbf16>, %[[GT:c.*]] = %[[G]] : tensor<2xf32>)
  // CHECK-NEXT: init(%[[S:S.*]] = %[[S0]] : tensor<?x2x8x4xf32>) reset(%[[CU]] : tensor<?xi32>)
  // CHECK-NEXT: -> (tensor<?x?x2x4xbf16>, tensor<?x2x8x4xf32>) {
  %o, %s = rwkv.recurrence
      over(%rt = %r : tensor<?x?x2x8xbf16>, %wt = %w : tensor<?x?x2x8xbf16>, %vt = %v : tensor<?x?x2x4xbf16>)
      const(%ut = %u : tensor<2x8xbf16>, %gt = %g : tensor<2xf32>)
      init(%S = %s0 : tensor<?x2x8x4xf32>) reset(%cu : tensor<?xi32>)
      -> (tensor<?x?x2x4xbf16>, tensor<?x2x8x4xf32>) {
    // Values are f32 whatever the element type outside; a peek is read and not carried.
    // CHECK: %[[UK:.*]] = arith.mulf %[[UT]], %[[RT]] : tensor<8xf32>
    %uk = arith.mulf %ut, %rt : tensor<8xf32>
    // CHECK: %[[P:.*]] = rwkv.write %[[S]][%[[UK]]], %[[VT]] scale %[[GT]] : !state
    %P  = rwkv.write %S[%uk], %vt scale %gt : !rwkv.state<8|4xf32>
    // CHECK: %[[O:.*]] = rwkv.read %[[P]][%[[RT]]] : !state
    %ot = rwkv.read %P[%rt] : !rwkv.state<8|4xf32>
    // CHECK: rwkv.decay %[[S]], %[[WT]] on "key0" : !state
    %S1 = rwkv.decay %S, %wt on "key0" : !rwkv.state<8|4xf32>
    %S2 = rwkv.write %S1[%rt], %vt : !rwkv.state<8|4xf32>
    // CHECK: rwkv.yield %[[O]], %{{.*}} : tensor<4xf32>, !state
    rwkv.yield %ot, %S2 : tensor<4xf32>, !rwkv.state<8|4xf32>
  }
  return %o, %s : tensor<?x?x2x4xbf16>, tensor<?x2x8x4xf32>
}

// Two states, one of them a vector; a scalar per token; f64 all the way; attributes.
// CHECK-LABEL: func @states
func.func @states(%k: tensor<2x3x1x8xf64>, %g: tensor<2x3x1xf64>, %a: tensor<2x1x8x8xf64>, %b: tensor<2x1x8xf64>)
    -> (tensor<2x3x1xf64>, tensor<2x1x8x8xf64>, tensor<2x1x8xf64>) {
  // CHECK: rwkv.recurrence
  // CHECK: init(%[[A:S.*]] = %{{.*}} : tensor<2x1x8x8xf64>, %[[B:S.*]] = %{{.*}} : tensor<2x1x8xf64>)
  %o, %s, %t = rwkv.recurrence over(%kt = %k : tensor<2x3x1x8xf64>, %gt = %g : tensor<2x3x1xf64>)
      init(%A = %a : tensor<2x1x8x8xf64>, %B = %b : tensor<2x1x8xf64>)
      -> (tensor<2x3x1xf64>, tensor<2x1x8x8xf64>, tensor<2x1x8xf64>) {
    %A1 = rwkv.decay %A, %gt on "all" : !rwkv.state<8|8xf64>
    %A2 = rwkv.write %A1[%kt], %kt : !rwkv.state<8|8xf64>
    %B1 = rwkv.write %B[], %kt : !rwkv.state<|8xf64>
    %y = rwkv.read %A2[%kt] : !rwkv.state<8|8xf64>
    %z = rwkv.read %B1[] : !rwkv.state<|8xf64>
    %d = rwkv.dot %y, %z : tensor<8xf64> -> f64
    // CHECK: rwkv.yield %{{.*}}, %{{.*}}, %{{.*}} : f64, !{{.*}}, !{{.*}}
    rwkv.yield %d, %A2, %B1 : f64, !rwkv.state<8|8xf64>, !rwkv.state<|8xf64>
  // CHECK-NEXT: } attributes {note = "x"}
  } attributes {note = "x"}
  return %o, %s, %t : tensor<2x3x1xf64>, tensor<2x1x8x8xf64>, tensor<2x1x8xf64>
}

// Sizes are not known and axes have names; one group of keys serves all heads.
!Hd = tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>
!G = tensor<?x?x1x?xf32>
!M = tensor<?x?x?x?xf32, #rwkv.dims<B, H, N, N>>
// CHECK-LABEL: func @names
func.func @names(%k: !G, %v: !Hd, %m: !M) -> (!Hd, !M) {
  // CHECK: over(%{{.*}} = %{{.*}} : tensor<?x?x1x?xf32>, %{{.*}} = %{{.*}} : !BTHN)
  // CHECK-NEXT: init(%{{.*}} = %{{.*}} : !BHNN)
  // CHECK-NEXT: -> (!BTHN, !BHNN) {
  %o, %s = rwkv.recurrence over(%kt = %k : !G, %vt = %v : !Hd) init(%S = %m : !M) -> (!Hd, !M) {
    %y = rwkv.read %S[%kt] : !rwkv.state<?|?xf32>
    %S1 = rwkv.write %S[%kt], %vt : !rwkv.state<?|?xf32>
    // CHECK: rwkv.yield %{{.*}}, %{{.*}} : tensor<?xf32>, !{{state[0-9]*}}
    rwkv.yield %y, %S1 : tensor<?xf32>, !rwkv.state<?|?xf32>
  }
  return %o, %s : !Hd, !M
}

// CHECK-LABEL: func @unchanged
func.func @unchanged(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) -> tensor<?x2x8x8xf32> {
  // A state may be yielded as it came.
  // CHECK: rwkv.recurrence
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return %s : tensor<?x2x8x8xf32>
}

// A schedule is kept as it is written; steps have no chunk.
// CHECK-LABEL: func @schedules
func.func @schedules(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>)
    -> (tensor<?x2x8x8xf32>, tensor<?x2x8x8xf32>, tensor<?x2x8x8xf32>) {
  // CHECK: } attributes {schedule = #rwkv.schedule<step>}
  %0 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  } attributes {schedule = #rwkv.schedule<step, C = 1>}
  // CHECK: } attributes {note = "x", schedule = #rwkv.schedule<chunk, C = 16, split = 2>}
  %1 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  } attributes {note = "x", schedule = #rwkv.schedule<chunk, C = 16, split = 2>}
  // CHECK: } attributes {schedule = #rwkv.schedule<scan>}
  %2 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  } attributes {schedule = #rwkv.schedule<scan>}
  return %0, %1, %2 : tensor<?x2x8x8xf32>, tensor<?x2x8x8xf32>, tensor<?x2x8x8xf32>
}

// What operands of products may be rounded to.
// CHECK-LABEL: func @precisions
func.func @precisions(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>, %l: tensor<?x?x2x8xf64>, %t0: tensor<?x2x8x8xf64>)
    -> (tensor<?x2x8x8xf32>, tensor<?x2x8x8xf32>, tensor<?x2x8x8xf64>) {
  // CHECK: } attributes {precision = #rwkv.precision<bf16>}
  %0 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  } attributes {precision = #rwkv.precision<bf16>}
  // CHECK: } attributes {precision = #rwkv.precision<tf32>, schedule = #rwkv.schedule<chunk, C = 16>}
  %1 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  } attributes {schedule = #rwkv.schedule<chunk, C = 16>, precision = #rwkv.precision<tf32>}
  // CHECK: } attributes {precision = #rwkv.precision<f32>}
  %2 = rwkv.recurrence over(%kt = %l : tensor<?x?x2x8xf64>) init(%S = %t0 : tensor<?x2x8x8xf64>)
      -> (tensor<?x2x8x8xf64>) {
    rwkv.yield %S : !rwkv.state<8|8xf64>
  } attributes {precision = #rwkv.precision<f32>}
  return %0, %1, %2 : tensor<?x2x8x8xf32>, tensor<?x2x8x8xf32>, tensor<?x2x8x8xf64>
}
