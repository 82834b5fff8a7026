// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// CPUs with matrix instructions: chunks of recurrences on 16-bit operands use them, nothing else does.

// DEFINE: %{sizes} = --argument 1x256x4x128x
// DEFINE: %{f32} = --function f %{sizes}f32 %{sizes}f32 %{sizes}f32 %{sizes}f32 --argument 1x4x128x128xf32
// DEFINE: %{halves} = --function h %{sizes}bf16 %{sizes}bf16 %{sizes}bf16 %{sizes}bf16 --argument 1x4x128x128xf32
// DEFINE: %{opt} = rwkv-opt %s --target=x86-64-amx

// RUN: %python %S/Inputs/check.py within 10 %{opt} %{halves} --schedule chunk --chunk 32 --emit=asm -o %t.s
// RUN: FileCheck %s --input-file=%t.s
// RUN: FileCheck %s --input-file=%t.s --check-prefix=ONCE
// RUN: %{opt} %{f32} --schedule chunk --chunk 32 --emit=asm | FileCheck %s --check-prefix=EXACT
// RUN: rwkv-opt %s --target=x86-64-v4 %{halves} --schedule chunk --chunk 32 --emit=asm | FileCheck %s --check-prefix=EXACT

// The instructions are set up once for all tasks, and given back.
// CHECK-LABEL: heads_0:
// CHECK: ldtilecfg
// Two blocks of the result by two; what is left of an operand first, then the nearest, both with the nearest of the other.
// CHECK: tilezero %tmm0
// CHECK: tileloadd {{.*}}, %tmm6
// CHECK: tileloadd {{.*}}, %tmm4
// CHECK: tdpbf16ps %tmm6, %tmm4, %tmm0
// CHECK: tdpbf16ps %tmm7, %tmm4, %tmm1
// CHECK: tdpbf16ps %tmm7, %tmm5, %tmm3
// CHECK: tdpbf16ps %tmm6, %tmm5, %tmm2
// CHECK: tileloadd {{.*}}, %tmm4
// CHECK: tdpbf16ps %tmm6, %tmm4, %tmm0
// CHECK: tilestored %tmm0
// CHECK: tilerelease
// CHECK: retq
// ONCE-COUNT-1: ldtilecfg
// ONCE-NOT: ldtilecfg
// EXACT-NOT: tdpbf16ps
// EXACT: vfmadd
// EXACT-NOT: tdpbf16ps

// The pack says what it needs.
// RUN: %{opt} %{halves} --emit=pack -o %t.pack
// RUN: %python %S/Inputs/check.py pack %t.pack | FileCheck %s --check-prefix=PACK
// PACK: target: x86-64-amx x86_64 {{.*}} avx512vl amx-tile amx-bf16
// RUN: %{opt} %{halves} --emit=mlir | FileCheck %s --check-prefix=MLIR
// MLIR: rwkv.target = #rwkv.target<"x86-64-amx", vector = 512, registers = 32, scratch = 1048576, matrix = 16>

// Large states are worth a chunk there, small ones and float32 operands cost what they cost without.
// RUN: %{opt} %{halves} --rwkv-explain | FileCheck %s --check-prefix=LARGE
// LARGE: chosen  chunk, C = 64
// LARGE: predicted for x86-64-amx
// LARGE: * chunk 64
// RUN: rwkv-opt %s %{f32} --rwkv-explain --target=x86-64-v4 | sed s/x86-64-v4/T/ > %t.v4
// RUN: %{opt} %{f32} --rwkv-explain | sed s/x86-64-amx/T/ > %t.amx
// RUN: diff %t.v4 %t.amx

!H = tensor<?x?x?x?xf32>
!B = tensor<?x?x?x?xbf16>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @f(%r: !H, %w: !H, %k: !H, %v: !H, %s0: !H) -> (!H, !H) {
  %o, %s = rwkv.recurrence
      over(%rt = %r : !H, %wt = %w : !H, %kt = %k : !H, %vt = %v : !H)
      init(%S = %s0 : !H) -> (!H, !H) {
    %Sa = rwkv.decay %S, %wt on "key0" bound [-0.6065 : f32, 0.0 : f32] : !S
    %Sb = rwkv.write %Sa[%kt], %vt : !S
    %ot = rwkv.read  %Sb[%rt] : !S
    rwkv.yield %ot, %Sb : !v, !S
  }
  return %o, %s : !H, !H
}

func.func @h(%r: !B, %w: !B, %k: !B, %v: !B, %s0: !H) -> (!B, !H) {
  %o, %s = rwkv.recurrence
      over(%rt = %r : !B, %wt = %w : !B, %kt = %k : !B, %vt = %v : !B)
      init(%S = %s0 : !H) -> (!B, !H) {
    %Sa = rwkv.decay %S, %wt on "key0" bound [-0.6065 : f32, 0.0 : f32] : !S
    %Sb = rwkv.write %Sa[%kt], %vt : !S
    %ot = rwkv.read  %Sb[%rt] : !S
    rwkv.yield %ot, %Sb : !v, !S
  }
  return %o, %s : !B, !H
}
