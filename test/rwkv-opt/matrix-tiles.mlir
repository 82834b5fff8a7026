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

// One product where bf16 is asked for, whatever the operands are; vectors where f32 is.
// RUN: %{opt} %{f32} --schedule chunk --chunk 32 --precision bf16 --emit=asm | FileCheck %s --check-prefix=SINGLE
// RUN: %{opt} %{halves} --schedule chunk --chunk 32 --precision bf16 --emit=asm | FileCheck %s --check-prefix=SINGLE
// RUN: %{opt} %{halves} --schedule chunk --chunk 32 --precision f32 --emit=asm | FileCheck %s --check-prefix=EXACT
// RUN: rwkv-opt %s --target=x86-64-v4 %{f32} --schedule chunk --chunk 32 --precision bf16 --emit=asm | FileCheck %s --check-prefix=EXACT
// SINGLE-LABEL: heads_0:
// SINGLE: tileloadd {{.*}}, %tmm6
// SINGLE: tileloadd {{.*}}, %tmm4
// SINGLE: tdpbf16ps %tmm6, %tmm4, %tmm0
// SINGLE: tdpbf16ps %tmm7, %tmm4, %tmm1
// SINGLE: tdpbf16ps %tmm7, %tmm5, %tmm3
// SINGLE: tdpbf16ps %tmm6, %tmm5, %tmm2
// SINGLE-NOT: tileloadd {{.*}}, %tmm4
// SINGLE: {{tileloadd .*, %tmm6|tilestored}}

// What is asked for wins over what the operands suggest, the text over the command line; what cannot be rounded is refused.
// RUN: %{opt} %{halves} --rwkv-explain | FileCheck %s --check-prefix=NARROW
// RUN: %{opt} %{halves} --rwkv-explain --precision bf16 | FileCheck %s --check-prefix=ASKED
// RUN: %{opt} %{halves} --rwkv-explain --precision f32 | FileCheck %s --check-prefix=NONE
// RUN: %{opt} %{f32} --rwkv-explain --precision bf16 | FileCheck %s --check-prefix=ASKED
// RUN: %{opt} %{f32} --rwkv-explain | FileCheck %s --check-prefix=SILENT
// RUN: %{opt} --function g %{sizes}f32 --argument 1x4x128x128xf32 --rwkv-explain --precision bf16 | FileCheck %s --check-prefix=TEXT
// RUN: not %{opt} --function d %{sizes}f64 --argument 1x4x128x128xf64 --rwkv-explain --precision bf16 2>&1 | FileCheck %s --check-prefix=WIDE
// RUN: not %{opt} --function d %{sizes}f64 --argument 1x4x128x128xf64 --emit=asm --precision tf32 2>&1 | FileCheck %s --check-prefix=WIDE
// RUN: not %{opt} %{f32} --emit=asm --precision bf8 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// NARROW: rounded operands of matrix products in a chunk, to 11 significant bits or more (tf32, all operands have 16 bits)
// ASKED: rounded operands of matrix products in a chunk, to 8 significant bits or more (bf16, asked for)
// NONE: rounded no operands of matrix products in a chunk (f32, asked for)
// SILENT-NOT: rounded
// TEXT: rounded operands of matrix products in a chunk, to 11 significant bits or more (tf32, asked for)
// WIDE: matrix-tiles.mlir:[[#]]:{{[0-9]+}}: error: 'rwkv.recurrence' op expected precision f32 for a state that is computed in f64, 'tensor<{{.*}}xf64>', but got {{tf32|bf16}}
// UNKNOWN: error: expected precision auto, f32, tf32 or bf16, but got 'bf8'

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
!D = tensor<?x?x?x?xf64>
!SD = !rwkv.state<?|?xf64>
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

func.func @g(%k: !H, %s0: !H) -> (!H, !H) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H) init(%S = %s0 : !H) -> (!H, !H) {
    %Sb = rwkv.write %S[%kt], %kt : !S
    %ot = rwkv.read  %Sb[%kt] : !S
    rwkv.yield %ot, %Sb : !v, !S
  } attributes {precision = #rwkv.precision<tf32>}
  return %o, %s : !H, !H
}
func.func @d(%k: !D, %s0: !D) -> (!D, !D) {
  %o, %s = rwkv.recurrence over(%kt = %k : !D) init(%S = %s0 : !D) -> (!D, !D) {
    %Sb = rwkv.write %S[%kt], %kt : !SD
    %ot = rwkv.read  %Sb[%kt] : !SD
    rwkv.yield %ot, %Sb : tensor<?xf64>, !SD
  }
  return %o, %s : !D, !D
}
