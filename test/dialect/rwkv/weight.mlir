// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// CHECK-LABEL: rwkv.model @m
rwkv.model @m {
  // CHECK: rwkv.weight @emb "emb.weight" #rwkv.dims<V, D>
  rwkv.weight @emb "emb.weight" #rwkv.dims<V, D>
  // CHECK: rwkv.weight @Wr "blocks.{l}.att.r.weight | layers.{l}.r" #rwkv.dims<D, D> transposed
  rwkv.weight @Wr "blocks.{l}.att.r.weight | layers.{l}.r" #rwkv.dims<D, D> transposed
  // CHECK: rwkv.weight @v0 "blocks.{l}.v0" #rwkv.dims<D> when "l > 0"
  rwkv.weight @v0 "blocks.{l}.v0" #rwkv.dims<D> when "l > 0"
  // CHECK: rwkv.weight @both "blocks.{l}.b" #rwkv.dims<D, F> transposed when "l == 0"
  rwkv.weight @both "blocks.{l}.b" #rwkv.dims<D, F> transposed when "l == 0"
  // CHECK: rwkv.weight @maa_w1 "maa_w1" #rwkv.dims<D, 5*R>
  rwkv.weight @maa_w1 "maa_w1" #rwkv.dims<D, 5*R>
  // CHECK: rwkv.weight @maa_w2 "maa_w2" #rwkv.dims<5, R, D>
  rwkv.weight @maa_w2 "maa_w2" #rwkv.dims<5, R, D>
  // CHECK: rwkv.weight @stored "stored" tensor<8x4xbf16> transposed {note = "x"}
  rwkv.weight @stored "stored" tensor<8x4xbf16> transposed {note = "x"}
  // All comparisons.
  // CHECK: when "l != 3"
  rwkv.weight @ne "a.{l}" #rwkv.dims<D> when "l != 3"
  // CHECK: when "l<=3"
  rwkv.weight @le "b.{l}" #rwkv.dims<D> when "l<=3"
  // CHECK: when "l >= 3"
  rwkv.weight @ge "c.{l}" #rwkv.dims<D> when "l >= 3"
  // CHECK: when "l < 3"
  rwkv.weight @lt "d.{l}" #rwkv.dims<D> when "l < 3"
}
