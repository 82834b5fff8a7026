// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Long sequences of few heads are cut into segments, one more than the machine has units for: what segments do, beside the
// first of them; the states between them, and the others. Where there is one segment, only the first launch of its kernel has
// tasks.

// DEFINE: %{sizes} = --argument 2x7x4x64xbf16 --argument 2x7x4x64xbf16 --argument 2x4x64x64xf32
// RUN: rwkv-opt %s --function batch %{sizes} --target=sm_90a --emit=pack -o %t.pack
// RUN: %python %S/Inputs/check.py pack %t.pack | FileCheck %s --check-prefix=BATCH
// RUN: rwkv-opt %s --function batch %{sizes} --fill=12 --emit=pack -o %t.pack
// RUN: %python %S/Inputs/check.py pack %t.pack | FileCheck %s --check-prefix=NONE
// RUN: rwkv-opt %s --function batch %{sizes} --schedule=chunk --chunk=8 --fill=12 --emit=pack -o %t.pack
// RUN: %python %S/Inputs/check.py pack %t.pack | FileCheck %s --check-prefix=FILL
// RUN: rwkv-opt %s --function packed --argument 1x7x4x64xbf16 --argument 1x7x4x64xbf16 --argument 2x4x64x64xf32 --argument 3xi32 --schedule=chunk --chunk=8 --fill=12 --emit=pack -o %t.pack
// RUN: %python %S/Inputs/check.py pack %t.pack | FileCheck %s --check-prefix=PACKED
// RUN: rwkv-opt %s --rwkv-explain --function batch %{sizes} --target=sm_90a | FileCheck %s --check-prefix=EXPLAIN
// RUN: not rwkv-opt %s --function columns %{sizes} --schedule=chunk --fill=12 --emit=pack -o %t.pack 2>&1 | FileCheck %s --check-prefix=COLUMNS
// RUN: rwkv-opt %s --rwkv-explain --function columns %{sizes} --schedule=chunk --target=sm_90a | FileCheck %s --check-prefix=WHOLE
// RUN: not rwkv-opt %s --function batch %{sizes} --schedule=step --fill=12 --emit=pack -o %t.pack 2>&1 | FileCheck %s --check-prefix=STEP

// On a GPU calls of few tokens have a kernel of their own, which makes the same results.
// BATCH: kernels: heads_0 heads_1 heads_2 heads_3{{$}}
// BATCH: launch heads_0
// BATCH-SAME: 264
// BATCH: launch heads_1 tasks ["*", ["*", "B", 4], ["min", ["floordiv", "T", 16], 1]]: arg0 arg1 arg2 result0 result1 temporary2
// BATCH: launch heads_2
// BATCH: launch heads_1 tasks ["*", ["*", ["*", "B", 4], ["min", ["floordiv", "T", 16], 1]], ["+", ["max", {{.*}} from ["*", "B", 4]: arg0 arg1 arg2 result0 result1 temporary2
// BATCH: launch heads_3 tasks ["*", ["*", "B", 4], ["+", 1, ["*", ["min", ["floordiv", "T", 16], 1], -1]]]: arg0 arg1 arg2 result0 result1

// NONE: kernels: heads_0{{$}}

// Of a sequence: one, or at least four, of which all but one share 12 tasks, of 8 chunks of 8 tokens each.
// FILL: kernels: heads_0 heads_1 heads_2{{$}}
// FILL: launch heads_0 tasks ["*", ["*", "B", 4], ["+", ["max", [[COUNT:\["max", .*, 1\]]], 2], ["*", 2, -1]]] beside the next: arg0 arg1 temporary0 temporary1
// FILL: launch heads_1 tasks ["*", "B", 4]: arg0 arg1 arg2 result0 result1 temporary2
// FILL: launch heads_2 tasks ["*", {{.*}}: temporary0 temporary1 temporary2
// FILL: launch heads_1 tasks ["*", ["*", "B", 4], ["+", [[COUNT]], -1]] from ["*", "B", 4]: arg0 arg1 arg2 result0 result1 temporary2

// PACKED: launch heads_0 tasks ["*", ["*", "S", 4], ["+", ["max", ["max", ["*", ["min", {{.*}}, ["floordiv", ["floordiv", "T", ["max", "S", 1]], 64]], {{.*}}, 1], 2], ["*", 2, -1]]]

// EXPLAIN: chosen chunk, C = 16, fewer than 16 tokens one by one, long sequences of few heads in segments, for up to 264 tasks
// COLUMNS: segments.mlir:[[# @LINE + 27]]:{{[0-9]+}}: error: 'rwkv.recurrence' op cannot be cut into segments: a decay of the value axis is not the same for all columns
// WHOLE: given chunk, C = 4, fewer than 4 tokens one by one, sequences in one piece: a decay of the value axis is not the same for all columns
// STEP: error: expected tasks to fill only with chunks, but got 12 with schedule 'step'

!H = tensor<?x?x?x?xbf16>
!F = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>

func.func @batch(%k: !H, %v: !H, %s0: !F) -> (!H, !F) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : !F) -> (!H, !F) {
    %y = rwkv.read %S[%kt] : !S
    %S1 = rwkv.write %S[%kt], %vt : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  }
  return %o, %s : !H, !F
}

func.func @packed(%k: !H, %v: !H, %s0: !F, %cu: tensor<?xi32>) -> (!H, !F) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : !F) reset(%cu : tensor<?xi32>) -> (!H, !F) {
    %y = rwkv.read %S[%kt] : !S
    %S1 = rwkv.write %S[%kt], %vt : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  }
  return %o, %s : !H, !F
}

func.func @columns(%k: !H, %v: !H, %s0: !F) -> (!H, !F) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : !F) -> (!H, !F) {
    %v2 = arith.mulf %vt, %vt : tensor<?xf32>
    %g = arith.negf %v2 : tensor<?xf32>
    %S0 = rwkv.decay %S, %g on "value" : !S
    %y = rwkv.read %S0[%kt] : !S
    %S1 = rwkv.write %S0[%kt], %vt : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  }
  return %o, %s : !H, !F
}
