// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every op that a token region may have, and every function of math: all schedules are said to be legal, and all of them
// compile, for CPUs and for lanes.
// DEFINE: %{sizes} = --argument 1x9x2x8xf32 --argument 1x9x2x2x4xf32 --argument 1x9x2xf32 --argument 1x2x8x8xf32
// DEFINE: %{functions} = --function functions --argument 1x9x2x8xf32 --argument 1x9x2x8xf32 --argument 1x2x8x8xf32
// RUN: rwkv-opt %s --rwkv-explain --function axes %{sizes} | FileCheck %s
// RUN: rwkv-opt %s --rwkv-explain %{functions} | FileCheck %s
// CHECK: step    legal
// CHECK: scan    legal
// CHECK: chunk   legal
// RUN: rwkv-opt %s --emit=asm --target=x86-64-v3 --function axes %{sizes} --schedule=step -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=x86-64-v3 --function axes %{sizes} --schedule=scan --chunk=8 -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=x86-64-v3 --function axes %{sizes} --schedule=chunk --chunk=8 -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=x86-64-v3 %{functions} --schedule=step -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=x86-64-v3 %{functions} --schedule=scan --chunk=8 -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=x86-64-v3 %{functions} --schedule=chunk --chunk=8 -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=emu-sm_90a --function axes %{sizes} --schedule=step -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=emu-sm_90a --function axes %{sizes} --schedule=scan --chunk=8 -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=emu-sm_90a --function axes %{sizes} --schedule=chunk --chunk=8 -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=sm_90a %{functions} --schedule=step -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=sm_90a %{functions} --schedule=chunk --chunk=8 -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=gfx942 %{functions} --schedule=step -o /dev/null
// RUN: rwkv-opt %s --emit=asm --target=gfx942 %{functions} --schedule=chunk --chunk=8 -o /dev/null

!X = tensor<?x?x2x8xf32>
!M = tensor<?x?x2x2x4xf32>
!G = tensor<?x?x2xf32>
!St = tensor<?x2x8x8xf32>
!S = !rwkv.state<8|8xf32>
!v = tensor<8xf32>
!b = tensor<8xi1>
!m = tensor<2x4xf32>
!c = tensor<2x3x4xf32>
!d = tensor<2x3x4x2xf32>

func.func @axes(%X: !X, %M: !M, %G: !G, %s0: !St) -> (!X, !St) {
  %o, %s = rwkv.recurrence over(%x = %X : !X, %m = %M : !M, %g = %G : !G) init(%S = %s0 : !St) -> (!X, !St) {
    // Axes: repeated anywhere, summed anywhere, in another shape.
    %r = rwkv.reshape %x : !v -> !m
    %r1 = arith.addf %r, %m : !m
    %b0 = rwkv.broadcast %r1 on [0, 2] : !m -> !c
    %b1 = rwkv.broadcast %g : f32 -> !c
    %b2 = rwkv.fill 0.5 : !c
    %b3 = arith.constant dense<0.25> : !c
    %c0 = arith.mulf %b0, %b1 : !c
    %c1 = arith.addf %c0, %b2 : !c
    %c2 = arith.addf %c1, %b3 : !c
    %n = rwkv.l2norm %c2 over 1 floor 1.0e-6 : !c
    %b4 = rwkv.broadcast %n on [0, 1, 2] : !c -> !d
    %s3 = rwkv.sum %b4 over 3 : !d -> !c
    %s1 = rwkv.sum %s3 over 1 : !c -> !m
    %s02 = rwkv.sum %s3 over 0 : !c -> tensor<3x4xf32>
    %s2 = rwkv.sum %s3 over 2 : !c -> tensor<2x3xf32>
    %w0 = rwkv.sum %s02 over 1 : tensor<3x4xf32> -> tensor<3xf32>
    %w1 = rwkv.sum %s2 over 0 : tensor<2x3xf32> -> tensor<3xf32>
    %w2 = rwkv.dot %w0, %w1 : tensor<3xf32> -> f32
    %w3 = rwkv.matvec %s2, %w0 : tensor<2x3xf32>, tensor<3xf32> -> tensor<2xf32>
    %w4 = rwkv.sum %w3 over 0 : tensor<2xf32> -> f32
    %k = rwkv.reshape %s1 : !m -> !v
    // A number per token, or for each element, chooses.
    %above = arith.cmpf ogt, %w2, %w4 : f32
    %y = arith.select %above, %k, %x : !v
    %each = arith.cmpf olt, %y, %x : !v
    %is = math.isnan %y : !v
    %both = arith.ori %each, %is : !b
    %true = arith.constant dense<true> : !b
    %not = arith.xori %both, %true : !b
    %z = arith.select %not, %k, %y : !b, !v
    // Integers, and numbers of other sizes.
    %whole = arith.fptosi %z : !v to tensor<8xi32>
    %two = arith.constant dense<2> : tensor<8xi32>
    %sum = arith.muli %whole, %two : tensor<8xi32>
    %size = math.absi %sum : tensor<8xi32>
    %back = arith.sitofp %size : tensor<8xi32> to !v
    %narrow = arith.truncf %back : !v to tensor<8xbf16>
    %short = arith.extf %narrow : tensor<8xbf16> to !v
    %wide = arith.extf %short : !v to tensor<8xf64>
    %exp = math.exp %wide : tensor<8xf64>
    %value = arith.truncf %exp : tensor<8xf64> to !v
    %S1 = rwkv.write %S[%k], %value : !S
    %o = rwkv.read %S1[%x] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %o, %s : !X, !St
}

func.func @functions(%X: !X, %Y: !X, %s0: !St) -> (!X, !St) {
  %o, %s = rwkv.recurrence over(%x = %X : !X, %y = %Y : !X) init(%S = %s0 : !St) -> (!X, !St) {
    %0 = math.absf %x : !v
    %1 = math.acos %0 : !v
    %2 = math.acosh %1 : !v
    %3 = math.asin %2 : !v
    %4 = math.asinh %3 : !v
    %5 = math.atan %4 : !v
    %6 = math.atanh %5 : !v
    %7 = math.cbrt %6 : !v
    %8 = math.ceil %7 : !v
    %9 = math.cos %8 : !v
    %10 = math.cosh %9 : !v
    %11 = math.erf %10 : !v
    %12 = math.erfc %11 : !v
    %13 = math.exp %12 : !v
    %14 = math.exp2 %13 : !v
    %15 = math.expm1 %14 : !v
    %16 = math.floor %15 : !v
    %17 = math.log %16 : !v
    %18 = math.log10 %17 : !v
    %19 = math.log1p %18 : !v
    %20 = math.log2 %19 : !v
    %21 = math.round %20 : !v
    %22 = math.roundeven %21 : !v
    %23 = math.rsqrt %22 : !v
    %24 = math.sin %23 : !v
    %25 = math.sinh %24 : !v
    %26 = math.sqrt %25 : !v
    %27 = math.tan %26 : !v
    %28 = math.tanh %27 : !v
    %29 = math.trunc %28 : !v
    %30 = math.atan2 %29, %y : !v
    %31 = math.copysign %30, %y : !v
    %32 = math.powf %31, %y : !v
    %33 = math.fma %32, %y, %x : !v
    %34 = math.clampf %33 to [%x, %y] : !v
    %three = arith.constant dense<3> : tensor<8xi32>
    %35 = math.fpowi %34, %three : !v, tensor<8xi32>
    %36 = rwkv.sigmoid %35 : !v
    %37 = rwkv.silu %36 : !v
    %38 = rwkv.relu %37 : !v
    %39 = rwkv.softplus %38 : !v
    %finite = math.isfinite %39 : !v
    %40 = arith.select %finite, %39, %y : !b, !v
    %normal = math.isnormal %40 : !v
    %41 = arith.select %normal, %40, %y : !b, !v
    %inf = math.isinf %41 : !v
    %42 = arith.select %inf, %x, %41 : !b, !v
    %S1 = rwkv.write %S[%x], %42 : !S
    %o = rwkv.read %S1[%x] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %o, %s : !X, !St
}
