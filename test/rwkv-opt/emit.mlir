// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every kind of output of a function without a model, and every target.

// DEFINE: %{f} = --function scan --argument 2x7x4x64xf32 --argument 2x7x4x64xf32 --argument 2x4x64x64xf32
// RUN: rwkv-opt %s %{f} --target=x86-64-v3 --emit=mlir | FileCheck %s --check-prefix=MLIR
// RUN: rwkv-opt %s %{f} --target=x86-64-v3 --emit=llvm | FileCheck %s --check-prefix=LLVM
// RUN: rwkv-opt %s %{f} --target=x86-64-v3 --emit=asm | FileCheck %s --check-prefix=V3
// RUN: rwkv-opt %s %{f} --target=x86-64-v4 --emit=asm | FileCheck %s --check-prefix=V4
// RUN: rwkv-opt %s %{f} --target=aarch64 --emit=asm | FileCheck %s --check-prefix=AARCH64
// RUN: rwkv-opt %s %{f} --target=x86-64-v3 --emit=obj -o %t.o && rwkv-opt %s %{f} --target=aarch64 --emit=obj -o %t.arm.o
// RUN: %python %S/Inputs/check.py object %t.o x86-64 heads_0
// RUN: %python %S/Inputs/check.py object %t.arm.o aarch64 heads_0
// RUN: rwkv-opt %s %{f} --target=x86-64-v4 --emit=pack -o %t.pack
// RUN: %python %S/Inputs/check.py pack %t.pack | FileCheck %s --check-prefix=PACK

// The default target is this machine, the default input stdin, the default output stdout; the width of an axis that stays
// open does not matter.
// RUN: rwkv-opt %{f} --emit=mlir < %s | FileCheck %s --check-prefix=MLIR
// RUN: rwkv-opt %s %{f} --target=x86-64-v4 --emit=asm -o %t.a
// RUN: rwkv-opt %s --function scan --argument 1x1x4x64xf32 --argument 1x1x4x64xf32 --argument 1x4x64x64xf32 \
// RUN:   --target=x86-64-v4 --emit=asm -o %t.b
// RUN: diff %t.a %t.b

// Kernels and launches, with the target.
// MLIR: module attributes {rwkv.target = #rwkv.target<"{{.*}}", vector = {{[0-9]+}}, registers = {{[0-9]+}}, scratch = {{[0-9]+}}{{(, matrix = [0-9]+)?}}>}
// MLIR: tile.kernel @heads_0(
// MLIR: func.func @scan
// MLIR: tile.launch @heads_0

// LLVM: target triple = "x86_64-unknown-linux-gnu"
// LLVM: define protected void @heads_0(ptr {{.*}}, i64 {{.*}}, i64 {{.*}})
// LLVM: <8 x float>
// LLVM-NOT: <16 x float>
// LLVM-NOT: declare {{.*}} @mem

// V3: heads_0:
// V3: vfmadd{{.*}}ymm
// V3-NOT: zmm
// V3: retq
// V4: heads_0:
// V4: vfmadd{{.*}}zmm
// V4: retq
// AARCH64: heads_0:
// AARCH64: fmla {{.*}}.4s
// AARCH64: ret

// PACK: hash: ok
// PACK: kernels: heads_0
// PACK: target: x86-64-v4 x86_64 {{.*}} avx512f
// PACK: function: scan
// PACK-NEXT: arg0 input f32 ["B", "T", 4, 64]
// PACK-NEXT: arg1 input f32 ["B", "T", 4, 64]
// PACK-NEXT: arg2 input f32 ["B", 4, 64, 64]
// PACK-NEXT: -> result0 output f32 ["B", "T", 4, 64]
// PACK-NEXT: -> result1 output f32 ["B", 4, 64, 64]
// PACK-NEXT: launch heads_0 tasks ["*", "B", 4]: arg0 arg1 arg2 result0 result1
// PACK-NOT: {{.}}

!H = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>

func.func @scan(%k: !H, %v: !H, %s0: !H) -> (!H, !H) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%S = %s0 : !H) -> (!H, !H) {
    %y = rwkv.read %S[%kt] : !S
    %S1 = rwkv.write %S[%kt], %vt : !S
    rwkv.yield %y, %S1 : tensor<?xf32>, !S
  }
  return %o, %s : !H, !H
}
