// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Code for a GPU whose warps have 64 lanes and whose runtime loads ELF objects. No GPU, toolkit or linker is needed to make it.

// DEFINE: %{sizes} = --argument 2x7x4x64xbf16 --argument 2x7x4x64xbf16 --argument 2x4x64x64xf32
// DEFINE: %{chunks} = --function chunks %{sizes} --target=gfx942
// RUN: rwkv-opt %s %{chunks} --emit=asm -o %t.asm
// RUN: FileCheck %s --input-file=%t.asm --check-prefix=ASM
// RUN: FileCheck %s --input-file=%t.asm --check-prefix=ALONE
// RUN: rwkv-opt %s %{chunks} --emit=llvm | FileCheck %s --check-prefix=LLVM
// RUN: rwkv-opt %s %{chunks} --emit=mlir | FileCheck %s --check-prefix=MLIR
// RUN: rwkv-opt %s --function scan %{sizes} --schedule=step --target=gfx942 --emit=asm | FileCheck %s --check-prefix=STEP
// RUN: rwkv-opt %s --function delta %{sizes} --target=gfx942 --emit=llvm | FileCheck %s --check-prefix=SIGNS
// RUN: rwkv-opt %s --function delta %{sizes} --target=gfx942 --emit=asm | FileCheck %s --check-prefix=FOLDED
// RUN: rwkv-opt %s %{chunks} --emit=obj -o %t.o
// RUN: %python %S/Inputs/check.py object %t.o amdgcn heads_0
// RUN: env -i %tools_dir/rwkv-opt %s %{chunks} --emit=pack -o %t.pack
// RUN: %python %S/Inputs/check.py pack %t.pack | FileCheck %s --check-prefix=PACK

// A task is eight waves: four that prepare chunks, four that apply them. They meet at words of a slot.
// ASM: .amdgcn_target "amdgcn-amd-amdhsa--gfx942"
// ASM: .protected heads_0
// ASM: s_load_dword
// ASM: ds_write_b32
// ASM: s_barrier
// ASM: v_mfma_f32_16x16x4_f32
// ASM: ds_add_u32
// ASM: s_sleep
// ASM: v_mfma_f32_16x16x4_f32
// ASM: s_endpgm
// ASM: .amdhsa_group_segment_fixed_size 0
// ASM: .amdhsa_kernarg_size 96
// ASM: .amdhsa_user_sgpr_kernarg_segment_ptr 1
// ASM: .amdhsa_system_sgpr_workgroup_id_y 0
// ASM: .max_flat_workgroup_size: 512
// ASM: .wavefront_size: 64
// ALONE-NOT: s_swappc
// ALONE-NOT: @rel32
// Decays need no library; a shuffle within a wave is one instruction.
// STEP-NOT: s_sleep
// STEP: s_barrier

// LLVM: target triple = "amdgcn-amd-amdhsa"
// LLVM: define protected amdgpu_kernel void @heads_0(ptr addrspace(1)
// MLIR: rwkv.target = #rwkv.target<"gfx942", vector = 2048, registers = 64, scratch = 65536, lanes = 256, units = 304>

// Negations are operations on bits in front of the code generator, and modifiers of operands behind it.
// SIGNS-NOT: = fneg
// SIGNS: xor i32 %{{.*}}, -2147483648
// SIGNS-NOT: = fneg
// FOLDED-NOT: v_xor_b32{{.*}} 0x80000000
// FOLDED: v_fma_f32 v{{.*}}, -v
// FOLDED-NOT: v_xor_b32{{.*}} 0x80000000

// PACK: hash: ok
// PACK: kernels: heads_0
// PACK-NEXT: kernel: heads_0 threads 512 shared {{[1-9][0-9]*}} scratch {{[0-9]+}}
// PACK-NEXT: target: gfx942 amdgcn gfx942
// PACK: launch heads_0 tasks ["*", "B", 4]: arg0 arg1 arg2 result0 result1

!H = tensor<?x?x?x?xbf16>
!S = !rwkv.state<?|?xf32>

func.func @scan(%k: !H, %v: !H, %s0: tensor<?x?x?x?xf32>) -> (!H, tensor<?x?x?x?xf32>) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : tensor<?x?x?x?xf32>)
      -> (!H, tensor<?x?x?x?xf32>) {
    %y = rwkv.read %S[%kt] : !S
    %S1 = rwkv.write %S[%kt], %vt : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  }
  return %o, %s : !H, tensor<?x?x?x?xf32>
}

func.func @chunks(%k: !H, %v: !H, %s0: tensor<?x?x?x?xf32>) -> (!H, tensor<?x?x?x?xf32>) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : tensor<?x?x?x?xf32>)
      -> (!H, tensor<?x?x?x?xf32>) {
    %y = rwkv.read %S[%kt] : !S
    %S1 = rwkv.write %S[%kt], %vt : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  } attributes {schedule = #rwkv.schedule<chunk, C = 16>}
  return %o, %s : !H, tensor<?x?x?x?xf32>
}

func.func @delta(%k: !H, %v: !H, %s0: tensor<?x?x?x?xf32>) -> (!H, tensor<?x?x?x?xf32>) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : tensor<?x?x?x?xf32>)
      -> (!H, tensor<?x?x?x?xf32>) {
    %y = rwkv.read %S[%kt] : !S
    %e = arith.subf %vt, %y : tensor<?xf32>
    %S1 = rwkv.write %S[%kt], %e : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  } attributes {schedule = #rwkv.schedule<chunk, C = 16>}
  return %o, %s : !H, tensor<?x?x?x?xf32>
}
