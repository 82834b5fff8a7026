// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lanes of other machines on this one: the program of the emulated target, as a shared object that needs nothing.

// DEFINE: %{f} = --function scan --argument 2x7x4x64xbf16 --argument 2x7x4x64xbf16 --argument 2x4x64x64xf32
// RUN: rwkv-opt %s %{f} --target=emu-sm_90a --emit=mlir | FileCheck %s --check-prefix=SM90
// RUN: rwkv-opt %s %{f} --target=emu-gfx942 --emit=mlir | FileCheck %s --check-prefix=GFX942
// RUN: rwkv-opt %s %{f} --schedule=chunk --chunk=16 --target=emu-sm_90a --emit=llvm | FileCheck %s --check-prefixes=LLVM
// RUN: rwkv-opt %s %{f} --schedule=chunk --chunk=16 --target=emu-sm_90a --emit=pack -o %t.pack
// RUN: %python %S/Inputs/check.py pack %t.pack | FileCheck %s --check-prefix=PACK
// RUN: rwkv-opt %s %{f} --target=emu-gfx942 --emit=obj -o %t.o
// RUN: not rwkv-opt %s %{f} --target=emu-sm_81 --emit=asm 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// SM90: rwkv.target = #rwkv.target<"emu-sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256, units = 132>
// GFX942: rwkv.target = #rwkv.target<"emu-gfx942", vector = 2048, registers = 64, scratch = 65536, lanes = 256, units = 304>

// One product of 32 lanes (the first number), 16 x 8 x 16, of f16.
// LLVM: @rwkv_emu_mma.m16n8k16.f16 = internal {{.*}}constant [{{[0-9]+}} x i32] [i32 32, i32 16, i32 8, i32 16, i32 2,
// LLVM-NOT: @rwkv_shared
// LLVM: define protected void @heads_0(ptr {{[^,]*}}, ptr {{[^,]*}})
// LLVM-NOT: @rwkv_emu_self
// LLVM-NOT: declare {{.*}} @rwkv

// PACK: kernels: heads_0
// PACK-NEXT: kernel: heads_0 threads 256 shared {{[1-9][0-9]*}} scratch 0
// PACK-NEXT: target: emu-sm_90a {{x86_64|aarch64}}

// UNKNOWN: error: unknown target 'emu-sm_81'; expected emu-sm_80, {{.*}}, emu-sm_120a, emu-gfx942

!H = tensor<?x?x?x?xbf16>
!S = !rwkv.state<?|?xf32>

func.func @scan(%k: !H, %v: !H, %s0: tensor<?x?x?x?xf32>) -> (tensor<?x?x?x?xbf16>, tensor<?x?x?x?xf32>) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : tensor<?x?x?x?xf32>)
      -> (tensor<?x?x?x?xbf16>, tensor<?x?x?x?xf32>) {
    %y = rwkv.read %S[%kt] : !S
    %S1 = rwkv.write %S[%kt], %vt : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  } attributes {schedule = #rwkv.schedule<chunk, C = 16>}
  return %o, %s : tensor<?x?x?x?xbf16>, tensor<?x?x?x?xf32>
}
