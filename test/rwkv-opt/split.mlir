// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The value axis of states is split over tasks: each loads and stores its part of them, of what is written and of the
// results, and computes with all of the keys.

// DEFINE: %{sizes} = --argument 2x7x4x64xbf16 --argument 2x7x4x32xbf16 --argument 2x4x64x32xf32
// RUN: rwkv-opt %s --function batch %{sizes} --schedule=step --split=4 --emit=mlir -o - | FileCheck %s --check-prefix=STEP
// RUN: rwkv-opt %s --function batch %{sizes} --schedule=chunk --chunk=8 --split=2 --emit=mlir -o - | FileCheck %s --check-prefix=CHUNK
// RUN: rwkv-opt %s --function after %{sizes} --schedule=step --split=4 --emit=pack -o %t.pack
// RUN: %python %S/Inputs/check.py pack %t.pack | FileCheck %s --check-prefix=ALONE
// RUN: rwkv-opt %s --function after %{sizes} --schedule=step --emit=pack -o %t.pack
// RUN: %python %S/Inputs/check.py pack %t.pack | FileCheck %s --check-prefix=FUSED
// RUN: not rwkv-opt %s --function batch %{sizes} --split=3 --emit=mlir -o - 2>&1 | FileCheck %s --check-prefix=ODD
// RUN: not rwkv-opt %s --function summed %{sizes} --split=2 --emit=mlir -o - 2>&1 | FileCheck %s --check-prefix=SUMMED
// RUN: not rwkv-opt %s --function batch %{sizes} --schedule=chunk --split=2 --fill=12 --emit=mlir -o - 2>&1 | FileCheck %s --check-prefix=BOTH

// One task cannot hold large states: on a GPU they are split without being asked for, on a CPU not.
// DEFINE: %{large} = --argument 2x7x4x1024xbf16 --argument 2x7x4x64xbf16 --argument 2x4x1024x64xf32
// RUN: rwkv-opt %s --function batch %{large} --target=sm_90a --schedule=step --rwkv-explain | FileCheck %s --check-prefix=LARGE
// RUN: rwkv-opt %s --function batch %{large} --target=x86-64-v3 --schedule=step --rwkv-explain | FileCheck %s --check-prefix=WHOLE
// RUN: rwkv-opt %s --function summed %{large} --target=sm_90a --schedule=step --rwkv-explain | FileCheck %s --check-prefix=WHOLE

// Where warps prepare chunks beside others that apply them, each warp has few registers: chunks of many keys are short,
// and a task has as many columns of the state as those that apply can carry.
// DEFINE: %{wide} = --argument 2x7x4x256xbf16 --argument 2x7x4x256xbf16 --argument 2x4x256x256xf32
// DEFINE: %{tall} = --argument 2x7x4x256xbf16 --argument 2x7x4x64xbf16 --argument 2x4x256x64xf32
// DEFINE: %{broad} = --argument 2x7x4x128xbf16 --argument 2x7x4x256xbf16 --argument 2x4x128x256xf32
// RUN: rwkv-opt %s --function batch %{wide} --target=sm_90a --rwkv-explain | FileCheck %s --check-prefix=WIDE
// RUN: rwkv-opt %s --function batch %{tall} --target=sm_90a --rwkv-explain | FileCheck %s --check-prefix=TALL
// RUN: rwkv-opt %s --function batch %{broad} --target=sm_90a --rwkv-explain | FileCheck %s --check-prefix=BROAD
// What they carry needs no shared memory, of which some chips have little.
// DEFINE: %{even} = --argument 2x7x4x128xbf16 --argument 2x7x4x128xbf16 --argument 2x4x128x128xf32
// RUN: rwkv-opt %s --function batch %{even} --target=sm_86 --rwkv-explain | FileCheck %s --check-prefix=CARRIED
// Where keys decay one by one for more than one read and one write, or a token has several unknowns, there is more code,
// and it is short where chunks are.
// DEFINE: %{decays} = --function decays --argument 2x7x4x128xbf16 --argument 2x7x4x128xbf16 --argument 2x7x4x256xbf16
// DEFINE: %{small} = --function decays --argument 2x7x4x64xbf16 --argument 2x7x4x64xbf16 --argument 2x7x4x256xbf16
// RUN: rwkv-opt %s %{decays} --argument 2x4x128x256xf32 --target=sm_90a --rwkv-explain | FileCheck %s --check-prefix=DECAYS
// RUN: rwkv-opt %s --function steps --argument 2x7x4x64xbf16 --argument 2x7x4x64xbf16 --argument 2x7x4x64xbf16 --argument 2x4x64x64xf32 --target=sm_90a --rwkv-explain | FileCheck %s --check-prefix=STEPS
// RUN: rwkv-opt %s %{small} --argument 2x4x64x256xf32 --target=sm_90a --rwkv-explain | FileCheck %s --check-prefix=SMALL

// STEP-LABEL: tile.kernel @heads_0(%arg0: index
// STEP: %[[PART:.*]] = arith.remui %arg0, %{{.*}} : index
// STEP: %[[HEAD:.*]] = arith.divui %arg0, %{{.*}} : index
// STEP: %[[STATE:.*]] = arith.muli %[[HEAD]], %c2048 : index
// STEP: %[[FIRST:.*]] = arith.muli %[[PART]], %c8 : index
// STEP: %[[PLACE:.*]] = arith.addi %[[STATE]], %[[FIRST]] : index
// STEP: tile.load %{{.*}}[%[[PLACE]]] stride 32 : <f32> -> tensor<64x8xf32>
// STEP: scf.for
// STEP: tile.load {{.*}} -> tensor<64xf32>
// STEP: tile.load {{.*}} -> tensor<8xf32>
// STEP: tile.store {{.*}} : tensor<8xf32>
// STEP: tile.store {{.*}}[%[[PLACE]]] stride 32 : tensor<64x8xf32>

// CHUNK: tile.load %{{.*}} stride 32 : <f32> -> tensor<64x16xf32>
// CHUNK: scf.for {{.*}} step %c8
// CHUNK: tile.load %{{.*}} stride 256 : <bf16> -> tensor<8x64xf32>
// CHUNK: tile.load %{{.*}} stride 128 : <bf16> -> tensor<8x16xf32>
// CHUNK: tile.store {{.*}} stride 128 : tensor<8x16xf32>

// What is done with all values of a head cannot be done by tasks that have a part of them.
// ALONE: kernels: heads_0 rows_1
// FUSED: kernels: heads_0{{$}}

// ODD: split.mlir:[[# @LINE + 19]]:{{[0-9]+}}: error: 'rwkv.recurrence' op expected a split that divides the 32 values of its states, but got 3
// SUMMED: split.mlir:[[# @LINE + 39]]:{{[0-9]+}}: error: 'rwkv.sum' op cannot be split along the value axis: it sums over it
// BOTH: error: expected a split of 0 or more, and of 1 with tasks to fill, but got 2 with 12

// LARGE: given step, 8 tasks share the values of a head
// WHOLE: given step{{$}}
// WIDE: chosen chunk, C = 8, fewer than 8 tokens one by one, 4 tasks share the values of a head
// TALL: chosen chunk, C = 8, fewer than 8 tokens one by one{{$}}
// BROAD: chosen chunk, C = 16, fewer than 16 tokens one by one, 2 tasks share the values of a head
// CARRIED: chosen chunk, C = 16, fewer than 16 tokens one by one
// DECAYS: chosen chunk, C = 16, fewer than 16 tokens one by one, 2 tasks share the values of a head
// STEPS: chosen chunk, C = 8, fewer than 8 tokens one by one,
// SMALL: chosen chunk, C = 16, fewer than 16 tokens one by one,

!H = tensor<?x?x?x?xbf16>
!F = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>

func.func @batch(%k: !H, %v: !H, %s0: !F) -> (!H, !F) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : !F) -> (!H, !F) {
    %S1 = rwkv.write %S[%kt], %vt : !S
    %y = rwkv.read %S1[%kt] : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  }
  return %o, %s : !H, !F
}

func.func @after(%k: !H, %v: !H, %s0: !F) -> (!H, !F) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : !F) -> (!H, !F) {
    %S1 = rwkv.write %S[%kt], %vt : !S
    %y = rwkv.read %S1[%kt] : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  }
  %n = rwkv.sigmoid %o : !H
  return %n, %s : !H, !F
}

func.func @summed(%k: !H, %v: !H, %s0: !F) -> (!H, !F) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : !F) -> (!H, !F) {
    %y = rwkv.read %S[%kt] : !S
    %c = rwkv.sum %y over 0 : tensor<?xf32> -> f32
    %S1 = rwkv.write %S[%kt], %vt scale %c : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  }
  return %o, %s : !H, !F
}

func.func @decays(%k: !H, %g: !H, %v: !H, %s0: !F) -> (!H, !F) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %gt = %g : !H, %vt = %v : !H) init(%S = %s0 : !F) -> (!H, !F) {
    %S1 = rwkv.decay %S, %gt on "key0" bound [-0.5 : f32, 0.0 : f32] : !S
    %S2 = rwkv.write %S1[%kt], %vt : !S
    %y = rwkv.read %S2[%kt] : !S
    rwkv.yield %y, %S2 : tensor<?xf32>, !S
  }
  return %o, %s : !H, !F
}

func.func @steps(%k: !H, %g: !H, %v: !H, %s0: !F) -> (!H, !F) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %gt = %g : !H, %vt = %v : !H) init(%S = %s0 : !F) -> (!H, !F) {
    %a = rwkv.read %S[%kt] : !S
    %S1 = rwkv.write %S[%gt], %a : !S
    %b = rwkv.read %S1[%gt] : !S
    %S2 = rwkv.write %S1[%kt], %b : !S
    %S3 = rwkv.write %S2[%kt], %vt : !S
    %y = rwkv.read %S3[%kt] : !S
    rwkv.yield %y, %S3 : tensor<?xf32>, !S
  }
  return %o, %s : !H, !F
}
