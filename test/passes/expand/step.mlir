// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand --cse --canonicalize --verify-roundtrip | FileCheck %s

// What each op of a token region becomes on tiles.

!K = tensor<?x?x2x8xf32>
!V = tensor<?x?x2x4xf32>
!N = tensor<?x?x2xf32>
!S = tensor<?x2x8x4xf32>
!T = !rwkv.state<8|4xf32>

// Decays along keys, along values, of everything by one number, of every element by its own.
// CHECK: module attributes {tile.assertions = [
// CHECK-SAME: "step.mlir:[[#BOUND:]]:13: 'rwkv.decay' expected over operand 0 in [-1.5, 0.5]",
// CHECK-SAME: "step.mlir:[[#BOUND+1]]:13: 'rwkv.decay' expected over operand 1 in [-1.5, 0.5]",
// CHECK-SAME: "step.mlir:[[#BOUND+2]]:13: 'rwkv.decay' expected over operand 2 in [-1.5, 0.5]"]}
// CHECK-LABEL: tile.kernel @heads_0(
// CHECK: scf.for {{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (tensor<8x4xf32>)
// CHECK: %[[KEY:.*]] = math.exp %{{.*}} : tensor<8xf32>
// CHECK: %[[KEYS:.*]] = tile.broadcast %[[KEY]] on 0
// CHECK: %[[S1:.*]] = arith.mulf %[[S]], %[[KEYS]]
// CHECK: %[[VALUE:.*]] = math.exp %{{.*}} : tensor<4xf32>
// CHECK: %[[VALUES:.*]] = tile.broadcast %[[VALUE]] on 1
// CHECK: %[[S2:.*]] = arith.mulf %[[S1]], %[[VALUES]]
// CHECK: %[[NUMBER:.*]] = math.exp %{{.*}} : f32
// CHECK: %[[ALL:.*]] = tile.broadcast %[[NUMBER]] : f32 -> tensor<8x4xf32>
// CHECK: %[[S3:.*]] = arith.mulf %[[S2]], %[[ALL]]
// CHECK: %[[EACH:.*]] = math.exp %{{.*}} : tensor<8x4xf32>
// CHECK: %[[S4:.*]] = arith.mulf %[[S3]], %[[EACH]]
// CHECK: scf.yield %[[S4]]

// An asserted bound: the largest excess over it, of all elements, sets the flag. A NaN is none.
// CHECK-LABEL: tile.kernel @heads_1(
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG: %[[LOW:.*]] = arith.constant dense<-1.500000e+00> : tensor<8xf32>
// CHECK-DAG: %[[HIGH:.*]] = arith.constant dense<5.000000e-01> : tensor<8xf32>
// CHECK-DAG: %[[NONE:.*]] = arith.constant dense<0.000000e+00> : tensor<8xf32>
// CHECK: %[[LOG:.*]] = tile.load %{{.*}} -> tensor<8xf32>
// CHECK-DAG: %[[BELOW:.*]] = arith.subf %[[LOW]], %[[LOG]]
// CHECK-DAG: %[[ABOVE:.*]] = arith.subf %[[LOG]], %[[HIGH]]
// CHECK: %[[EXCESS:.*]] = arith.maximumf %[[BELOW]], %[[ABOVE]]
// CHECK: %[[KNOWN:.*]] = arith.maxnumf %[[EXCESS]], %[[NONE]]
// CHECK: %[[LARGEST:.*]] = tile.reduce max %[[KNOWN]] over 0 : tensor<8xf32> -> f32
// CHECK: %[[VIOLATED:.*]] = arith.cmpf ogt, %[[LARGEST]], %[[ZERO]]
// CHECK: tile.flag %[[VIOLATED]]
// One number needs no reduction. Of the rows of a matrix the largest and the smallest are found first.
// CHECK-NOT: tile.reduce
// CHECK: tile.flag %{{.*}} number 1
// CHECK: %[[KNOWN:.*]] = arith.maxnumf %[[LOG:.*]], %{{.*}} : tensor<8x4xf32>
// CHECK: %[[MOST:.*]] = tile.reduce max %[[KNOWN]] over 0 : tensor<8x4xf32> -> tensor<4xf32>
// CHECK: %[[OPPOSITE:.*]] = arith.negf %[[LOG]]
// CHECK: %[[KNOWN:.*]] = arith.maxnumf %[[OPPOSITE]], %{{.*}} : tensor<8x4xf32>
// CHECK: %[[REDUCED:.*]] = tile.reduce max %[[KNOWN]] over 0 : tensor<8x4xf32> -> tensor<4xf32>
// CHECK: %[[LEAST:.*]] = arith.negf %[[REDUCED]]
// CHECK-DAG: %[[BELOW:.*]] = arith.subf %{{.*}}, %[[LEAST]] : tensor<4xf32>
// CHECK-DAG: %[[ABOVE:.*]] = arith.subf %[[MOST]], %{{.*}} : tensor<4xf32>
// CHECK: arith.maximumf %[[BELOW]], %[[ABOVE]]
// CHECK: tile.reduce max %{{.*}} over 0 : tensor<4xf32> -> f32
// CHECK: tile.flag %{{.*}} number 2

// A state without keys is a vector.
// CHECK-LABEL: tile.kernel @heads_2(
// CHECK: tile.load %{{.*}} : <f32> -> tensor<4xf32>
// CHECK: scf.for {{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (tensor<4xf32>)
// CHECK-DAG: %[[VALUE:.*]] = tile.load %{{.*}} -> tensor<4xf32>
// CHECK-DAG: %[[NUMBER:.*]] = tile.load %{{.*}} -> f32
// CHECK: %[[DECAY:.*]] = math.exp %[[VALUE]]
// CHECK: %[[S1:.*]] = arith.mulf %[[S]], %[[DECAY]] : tensor<4xf32>
// CHECK: %[[NUMBERS:.*]] = tile.broadcast %[[NUMBER]] : f32 -> tensor<4xf32>
// CHECK: %[[SCALED:.*]] = arith.mulf %[[VALUE]], %[[NUMBERS]]
// CHECK: %[[S2:.*]] = arith.addf %[[S1]], %[[SCALED]]
// CHECK: tile.store %[[S2]]
// CHECK: scf.yield %[[S2]]

// Several key axes are the rows of one tile: the product of the keys is flattened like them.
// CHECK-LABEL: tile.kernel @heads_3(
// CHECK: %[[S:.*]] = tile.load %{{.*}} -> tensor<6x4xf32>
// CHECK: scf.for
// CHECK-DAG: %[[A:.*]] = tile.load %{{.*}} -> tensor<2xf32>
// CHECK-DAG: %[[B:.*]] = tile.load %{{.*}} -> tensor<3xf32>
// CHECK: %[[AS:.*]] = tile.broadcast %[[A]] on 0 : tensor<2xf32> -> tensor<2x3xf32>
// CHECK: %[[BS:.*]] = tile.broadcast %[[B]] on 1 : tensor<3xf32> -> tensor<2x3xf32>
// CHECK: %[[AB:.*]] = arith.mulf %[[AS]], %[[BS]]
// CHECK: %[[KEY:.*]] = tile.reshape %[[AB]] : tensor<2x3xf32> -> tensor<6xf32>
// CHECK: %[[KEYS:.*]] = tile.broadcast %[[KEY]] on 0 : tensor<6xf32> -> tensor<6x4xf32>
// CHECK: arith.mulf %[[KEYS]], %[[S]]
// CHECK: tile.reduce sum %{{.*}} over 0 : tensor<6x4xf32> -> tensor<4xf32>

// Two states are carried side by side, in the order of init; each final value goes to its own result.
// CHECK-LABEL: tile.kernel @heads_4(
// CHECK-SAME: %[[OUT_B:[^ :]*]]: !tile.buffer<f32>, %[[OUT_A:[^ :]*]]: !tile.buffer<f32>) {
// CHECK: %[[F:.*]]:2 = scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}}) -> (tensor<8x4xf32>, tensor<4xf32>)
// CHECK: scf.yield %{{.*}}, %{{.*}} : tensor<8x4xf32>, tensor<4xf32>
// CHECK: tile.store %[[F]]#1, %[[OUT_B]]
// CHECK: tile.store %[[F]]#0, %[[OUT_A]]

// A state set from a value, sums, repetitions, products of vectors and of a matrix with a vector, constants, activations,
// a choice by one number, a vector of length 1.
// CHECK-LABEL: tile.kernel @heads_5(
// CHECK-DAG: %[[TWOS:.*]] = arith.constant dense<2.000000e+00> : tensor<4xf32>
// CHECK: scf.for
// CHECK-DAG: %[[M:.*]] = tile.load %{{.*}} -> tensor<4x4xf32>
// CHECK-DAG: %[[V:.*]] = tile.load %{{.*}} -> tensor<4xf32>
// CHECK: %[[VS:.*]] = tile.broadcast %[[V]] on 1 : tensor<4xf32> -> tensor<4x4xf32>
// CHECK: %[[MV:.*]] = arith.mulf %[[M]], %[[VS]]
// CHECK: %[[MATVEC:.*]] = tile.reduce sum %[[MV]] over 1
// CHECK: %[[SCALED:.*]] = arith.mulf %[[MATVEC]], %[[TWOS]]
// CHECK: %[[SQUARES:.*]] = arith.mulf %[[SCALED]], %[[V]]
// CHECK: %[[DOT:.*]] = tile.reduce sum %[[SQUARES]] over 0 : tensor<4xf32> -> f32
// CHECK: tile.broadcast %[[DOT]] : f32 -> tensor<4xf32>
// CHECK: tile.reduce sum %{{.*}} over 0 : tensor<4xf32> -> f32
// CHECK: math.log1p
// CHECK: %[[CONDITION:.*]] = arith.cmpf ogt, %{{.*}} : f32
// CHECK: %[[CHOSEN:.*]] = arith.select %[[CONDITION]], %{{.*}}, %{{.*}} : tensor<4xf32>
// CHECK: %[[LENGTH:.*]] = math.sqrt %{{.*}} : f32
// CHECK: %[[FLOORED:.*]] = arith.maximumf %[[LENGTH]], %{{.*}} : f32
// CHECK: %[[INVERSE:.*]] = arith.divf %{{.*}}, %[[FLOORED]] : f32
// CHECK: %[[ALL:.*]] = tile.broadcast %[[INVERSE]] : f32 -> tensor<4xf32>
// CHECK: %[[UNIT:.*]] = arith.mulf %[[CHOSEN]], %[[ALL]]
// CHECK: scf.yield %[[UNIT]] : tensor<4xf32>

// A matrix per block of keys is a product per block of rows; what lies behind the axis joins the columns.
// CHECK-LABEL: tile.kernel @heads_6(
// CHECK: scf.for {{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (tensor<18x4xf32>)
// CHECK: %[[R:.*]] = tile.load %{{.*}} -> tensor<6x2xf32>
// CHECK: %[[Q:.*]] = tile.load %{{.*}} -> tensor<3x3xf32>
// CHECK: %[[ROWS:.*]] = tile.reshape %[[S]] : tensor<18x4xf32> -> tensor<6x12xf32>
// CHECK: %[[S1:.*]] = tile.dot %[[R]], %[[ROWS]] blocks 2 : tensor<6x2xf32>, tensor<6x12xf32> -> tensor<6x12xf32>
// CHECK: %[[BACK:.*]] = tile.reshape %[[S1]] : tensor<6x12xf32> -> tensor<18x4xf32>
// CHECK: %[[S2:.*]] = tile.dot %[[Q]], %[[BACK]] blocks 3 : tensor<3x3xf32>, tensor<18x4xf32> -> tensor<18x4xf32>
// CHECK: scf.yield %[[S2]]

// Decays of several key axes: one factor for each row.
// CHECK-LABEL: tile.kernel @heads_7(
// CHECK: scf.for {{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (tensor<6x4xf32>)
// CHECK-DAG: %[[F:.*]] = tile.reshape %{{.*}} -> tensor<6xf32>
// CHECK-DAG: %[[G:.*]] = tile.reshape %{{.*}} -> tensor<6xf32>
// CHECK: %[[FG:.*]] = arith.mulf %[[F]], %[[G]] : tensor<6xf32>
// CHECK: %[[ROWS:.*]] = tile.broadcast %[[FG]] on 0 : tensor<6xf32> -> tensor<6x4xf32>
// CHECK: %[[S1:.*]] = arith.mulf %[[S]], %[[ROWS]] : tensor<6x4xf32>
// CHECK: scf.yield %[[S1]]

func.func @decays(%w: !K, %z: !V, %g: !N, %e: tensor<?x?x2x8x4xf32>, %s: !S) -> !S {
  %0 = rwkv.fused heads -> (!S) {
    %n = rwkv.recurrence over(%wt = %w : !K, %zt = %z : !V, %gt = %g : !N, %et = %e : tensor<?x?x2x8x4xf32>)
        init(%S = %s : !S) -> (!S) {
      %S1 = rwkv.decay %S, %wt on "key0" : !T
      %S2 = rwkv.decay %S1, %zt on "value" : !T
      %S3 = rwkv.decay %S2, %gt on "all" : !T
      %S4 = rwkv.decay %S3, %et on "each" : !T
      rwkv.yield %S4 : !T
    }
    rwkv.yield %n : !S
  }
  return %0 : !S
}

func.func @bounds(%w: !K, %g: !N, %e: tensor<?x?x2x8x4xf32>, %s: !S) -> !S {
  %0 = rwkv.fused heads -> (!S) {
    %n = rwkv.recurrence over(%wt = %w : !K, %gt = %g : !N, %et = %e : tensor<?x?x2x8x4xf32>) init(%S = %s : !S) -> (!S) {
      %S1 = rwkv.decay %S, %wt on "key0" bound [-1.5 : f32, 0.5 : f32] : !T
      %S2 = rwkv.decay %S1, %gt on "all" bound [-1.5 : f32, 0.5 : f32] : !T
      %S3 = rwkv.decay %S2, %et on "each" bound [-1.5 : f32, 0.5 : f32] : !T
      rwkv.yield %S3 : !T
    }
    rwkv.yield %n : !S
  }
  return %0 : !S
}

func.func @vector(%v: !V, %g: !N, %s: tensor<?x2x4xf32>) -> (!V, tensor<?x2x4xf32>) {
  %0:2 = rwkv.fused heads -> (!V, tensor<?x2x4xf32>) {
    %o, %n = rwkv.recurrence over(%vt = %v : !V, %gt = %g : !N) init(%S = %s : tensor<?x2x4xf32>)
        -> (!V, tensor<?x2x4xf32>) {
      %S1 = rwkv.decay %S, %vt on "value" : !rwkv.state<|4xf32>
      %S2 = rwkv.write %S1[], %vt scale %gt : !rwkv.state<|4xf32>
      %y = rwkv.read %S2[] : !rwkv.state<|4xf32>
      rwkv.yield %y, %S2 : tensor<4xf32>, !rwkv.state<|4xf32>
    }
    rwkv.yield %o, %n : !V, tensor<?x2x4xf32>
  }
  return %0#0, %0#1 : !V, tensor<?x2x4xf32>
}

func.func @two_keys(%a: tensor<?x?x2x2xf32>, %b: tensor<?x?x2x3xf32>, %s: tensor<?x2x2x3x4xf32>) -> !V {
  %0 = rwkv.fused heads -> (!V) {
    %o, %n = rwkv.recurrence over(%at = %a : tensor<?x?x2x2xf32>, %bt = %b : tensor<?x?x2x3xf32>)
        init(%S = %s : tensor<?x2x2x3x4xf32>) -> (!V, tensor<?x2x2x3x4xf32>) {
      %y = rwkv.read %S[%at, %bt] : !rwkv.state<2x3|4xf32>
      rwkv.yield %y, %S : tensor<4xf32>, !rwkv.state<2x3|4xf32>
    }
    rwkv.yield %o : !V
  }
  return %0 : !V
}

func.func @two_states(%k: !K, %v: !V, %a: !S, %b: tensor<?x2x4xf32>) -> (tensor<?x2x4xf32>, !S) {
  %0:2 = rwkv.fused heads -> (tensor<?x2x4xf32>, !S) {
    %m, %n = rwkv.recurrence over(%kt = %k : !K, %vt = %v : !V) init(%A = %a : !S, %B = %b : tensor<?x2x4xf32>)
        -> (!S, tensor<?x2x4xf32>) {
      %y = rwkv.read %A[%kt] : !T
      %B1 = rwkv.write %B[], %y : !rwkv.state<|4xf32>
      %A1 = rwkv.write %A[%kt], %vt : !T
      rwkv.yield %A1, %B1 : !T, !rwkv.state<|4xf32>
    }
    rwkv.yield %n, %m : tensor<?x2x4xf32>, !S
  }
  return %0#0, %0#1 : tensor<?x2x4xf32>, !S
}

func.func @others(%m: tensor<?x?x2x4x4xf32>, %v: !V, %s: tensor<?x2x4xf32>) -> (!V, tensor<?x2x4xf32>) {
  %0:2 = rwkv.fused heads -> (!V, tensor<?x2x4xf32>) {
    %o, %n = rwkv.recurrence over(%mt = %m : tensor<?x?x2x4x4xf32>, %vt = %v : !V) init(%S = %s : tensor<?x2x4xf32>)
        -> (!V, tensor<?x2x4xf32>) {
      %x = rwkv.matvec %mt, %vt : tensor<4x4xf32>, tensor<4xf32> -> tensor<4xf32>
      %c = arith.constant dense<2.0> : tensor<4xf32>
      %y = arith.mulf %x, %c : tensor<4xf32>
      %d = rwkv.dot %y, %vt : tensor<4xf32> -> f32
      %e = rwkv.broadcast %d : f32 -> tensor<4xf32>
      %f = arith.addf %e, %vt : tensor<4xf32>
      %g = rwkv.sum %f over 0 : tensor<4xf32> -> f32
      %h = rwkv.softplus %g : f32
      %i = rwkv.broadcast %h : f32 -> tensor<4xf32>
      %p = arith.cmpf ogt, %d, %g : f32
      %j = arith.select %p, %i, %f : tensor<4xf32>
      %k = rwkv.l2norm %j over 0 floor 0.5 : tensor<4xf32>
      %S1 = rwkv.set %S, %k : !rwkv.state<|4xf32>
      rwkv.yield %f, %S1 : tensor<4xf32>, !rwkv.state<|4xf32>
    }
    rwkv.yield %o, %n : !V, tensor<?x2x4xf32>
  }
  return %0#0, %0#1 : !V, tensor<?x2x4xf32>
}

func.func @transforms(%r: tensor<?x?x2x3x2x2xf32>, %q: tensor<?x?x2x1x3x3xf32>, %s: tensor<?x2x6x3x4xf32>)
    -> tensor<?x2x6x3x4xf32> {
  %0 = rwkv.fused heads -> (tensor<?x2x6x3x4xf32>) {
    %n = rwkv.recurrence over(%rt = %r : tensor<?x?x2x3x2x2xf32>, %qt = %q : tensor<?x?x2x1x3x3xf32>)
        init(%S = %s : tensor<?x2x6x3x4xf32>) -> (tensor<?x2x6x3x4xf32>) {
      %S1 = rwkv.transform %S, %rt on "key0" : !rwkv.state<6x3|4xf32>, tensor<3x2x2xf32>
      %S2 = rwkv.transform %S1, %qt on "key1" : !rwkv.state<6x3|4xf32>, tensor<1x3x3xf32>
      rwkv.yield %S2 : !rwkv.state<6x3|4xf32>
    }
    rwkv.yield %n : tensor<?x2x6x3x4xf32>
  }
  return %0 : tensor<?x2x6x3x4xf32>
}

func.func @decays_of_keys(%f: tensor<?x?x2x3xf32>, %g: tensor<?x?x2x2xf32>, %s: tensor<?x2x3x2x4xf32>)
    -> tensor<?x2x3x2x4xf32> {
  %0 = rwkv.fused heads -> (tensor<?x2x3x2x4xf32>) {
    %n = rwkv.recurrence over(%ft = %f : tensor<?x?x2x3xf32>, %gt = %g : tensor<?x?x2x2xf32>)
        init(%S = %s : tensor<?x2x3x2x4xf32>) -> (tensor<?x2x3x2x4xf32>) {
      %S1 = rwkv.decay %S, %ft on "key0" : !rwkv.state<3x2|4xf32>
      %S2 = rwkv.decay %S1, %gt on "key1" : !rwkv.state<3x2|4xf32>
      rwkv.yield %S2 : !rwkv.state<3x2|4xf32>
    }
    rwkv.yield %n : tensor<?x2x3x2x4xf32>
  }
  return %0 : tensor<?x2x3x2x4xf32>
}
