// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Code for GPUs is text, which the driver compiles. No GPU and no toolkit are needed to make it.

// DEFINE: %{f} = --function scan --argument 2x7x4x64xf32 --argument 2x7x4x64xf32 --argument 2x4x64x64xf32
// RUN: rwkv-opt %s %{f} --target=sm_80 --emit=asm -o %t.asm
// RUN: FileCheck %s --input-file=%t.asm --check-prefixes=PTX,SM80
// RUN: FileCheck %s --input-file=%t.asm --check-prefix=ALONE
// RUN: rwkv-opt %s %{f} --target=sm_86 --emit=asm | FileCheck %s --check-prefixes=PTX,SM86
// RUN: rwkv-opt %s %{f} --target=sm_89 --emit=asm | FileCheck %s --check-prefixes=PTX,SM89
// RUN: rwkv-opt %s %{f} --target=sm_90a --emit=asm | FileCheck %s --check-prefixes=PTX,SM90
// RUN: rwkv-opt %s %{f} --target=sm_100a --emit=asm | FileCheck %s --check-prefixes=PTX,SM100
// RUN: rwkv-opt %s %{f} --target=sm_120a --emit=asm | FileCheck %s --check-prefixes=PTX,SM120
// RUN: rwkv-opt %s %{f} --target=sm_90a --emit=mlir | FileCheck %s --check-prefix=MLIR
// RUN: rwkv-opt %s %{f} --target=sm_90a --emit=llvm | FileCheck %s --check-prefix=LLVM
// RUN: rwkv-opt %s %{f} --target=sm_90a --emit=pack -o %t.pack
// RUN: %python %S/Inputs/check.py pack %t.pack | FileCheck %s --check-prefix=PACK
// RUN: not rwkv-opt %s %{f} --target=sm_80 --emit=obj -o %t.o 2>&1 | FileCheck %s --check-prefix=OBJECT
// RUN: not rwkv-opt %s %{f} --target=sm_81 --emit=asm 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// The version is the lowest that knows the chip: older drivers compile it too.
// SM80: .version 7.1
// SM80: .target sm_80{{$}}
// SM86: .version 7.1
// SM86: .target sm_86{{$}}
// SM89: .version 7.8
// SM89: .target sm_89{{$}}
// SM90: .version 8.0
// SM90: .target sm_90a{{$}}
// SM100: .version 8.6
// SM100: .target sm_100a{{$}}
// SM120: .version 8.7
// SM120: .target sm_120a{{$}}
// Buffers, B, T, S, l, scratch, status, the first task.
// PTX: .visible .entry heads_0(
// PTX-COUNT-5: .param .u64 .ptr .global
// PTX-COUNT-4: .param .u64 heads_0_param_
// PTX-COUNT-2: .param .u64 .ptr .global
// PTX: .param .u64 heads_0_param_11
// PTX: .maxntid 256
// PTX: %ctaid.x
// PTX: %tid.x
// PTX: st.shared
// PTX: bar.sync
// PTX: st.global
// PTX: ret;
// ALONE-NOT: .extern .func
// ALONE-NOT: call
// ALONE-NOT: .f64

// MLIR: rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256, units = 132>
// LLVM: target triple = "nvptx64-nvidia-cuda"
// LLVM: define protected ptx_kernel void @heads_0(

// PACK: hash: ok
// PACK: kernels: heads_0
// PACK-NEXT: kernel: heads_0 threads 256 shared {{[1-9][0-9]*}} scratch 0
// PACK-NEXT: target: sm_90a nvptx64 sm_90a
// PACK: launch heads_0 tasks ["*", "B", 4]: arg0 arg1 arg2 result0 result1

// OBJECT: gpu.mlir:{{[1-9][0-9]*:12:}} error: target 'sm_80' has no object files: expected to emit asm or pack
// UNKNOWN: gpu.mlir:{{[0-9:]+}} error: unknown target 'sm_81'; expected host, {{.*}}, sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120a or gfx942

!H = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>

func.func @scan(%k: !H, %v: !H, %s0: !H) -> (!H, !H) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : !H) -> (!H, !H) {
    %y = rwkv.read %S[%kt] : !S
    %S1 = rwkv.write %S[%kt], %vt : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  } attributes {schedule = #rwkv.schedule<chunk, C = 16>}
  return %o, %s : !H, !H
}
