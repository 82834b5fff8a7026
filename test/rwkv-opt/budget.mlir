// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the token loop of RWKV-7 with heads of 64 may cost: all sums in registers, no vector on the stack, code that fits the
// instruction cache, a compilation that nobody waits for.

// DEFINE: %{h} = --argument 1x7x4x64xf32
// DEFINE: %{compile} = rwkv-opt %s --function wkv7 %{h} %{h} %{h} %{h} %{h} %{h} --argument 1x4x64x64xf32 --schedule step --emit=asm
// RUN: %python %S/Inputs/check.py within 10 %{compile} --target=x86-64-v4 -o %t.s
// RUN: %python %S/Inputs/check.py budget %t.s 1500
// RUN: FileCheck %s --input-file=%t.s

// The sum over the keys before the state changes: four vectors of values, two keys at a time.
// CHECK: vbroadcastss
// CHECK-COUNT-4: vfmadd231ps {{.*}}(%r{{.*}}), %zmm{{[0-9]+}}, %zmm{{[0-9]+}}
// CHECK: vbroadcastss
// CHECK-COUNT-4: vfmadd231ps {{.*}}(%r{{.*}}), %zmm{{[0-9]+}}, %zmm{{[0-9]+}}
// CHECK: jne
// Decay, both writes and the read go over the state once: a load and a store for each of four vectors.
// CHECK: vmulps {{.*}}(%r{{.*}}), %zmm{{[0-9]+}}, %zmm[[S:[0-9]+]]
// CHECK-COUNT-3: vfmadd{{.*}} %zmm
// CHECK-COUNT-3: vmulps {{.*}}(%r{{.*}}), %zmm{{[0-9]+}}, %zmm{{[0-9]+}}
// CHECK-NOT: vmulps
// CHECK: jne

!H = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @wkv7(%r: !H, %w: !H, %k: !H, %v: !H, %a: !H, %b: !H, %s0: !H) -> (!H, !H) {
  %o, %s = rwkv.recurrence
      over(%rt = %r : !H, %wt = %w : !H, %kt = %k : !H, %vt = %v : !H, %at = %a : !H, %bt = %b : !H)
      init(%S = %s0 : !H) -> (!H, !H) {
    %y  = rwkv.read  %S[%at] : !S
    %Sa = rwkv.decay %S, %wt on "key0" : !S
    %Sb = rwkv.write %Sa[%bt], %y : !S
    %Sc = rwkv.write %Sb[%kt], %vt : !S
    %ot = rwkv.read  %Sc[%rt] : !S
    rwkv.yield %ot, %Sc : !v, !S
  }
  return %o, %s : !H, !H
}
