// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A checkpoint of two layers: D = 8, H = 2, N = 4, F = 16; ranks 2, 3, 5, 6.
// DEFINE: %{model} = emb.weight=32x8xbf16,blocks.0.ln0.weight=8xbf16,blocks.0.ln0.bias=8xbf16,ln_out.weight=8xbf16,ln_out.bias=8xbf16,head.weight=32x8xbf16
// DEFINE: %{norms_0} = blocks.0.ln1.weight=8xbf16,blocks.0.ln1.bias=8xbf16,blocks.0.ln2.weight=8xbf16,blocks.0.ln2.bias=8xbf16,blocks.0.att.ln_x.weight=8xbf16,blocks.0.att.ln_x.bias=8xbf16
// DEFINE: %{vectors_0} = blocks.0.att.x_r=1x1x8xbf16,blocks.0.att.x_w=1x1x8xbf16,blocks.0.att.x_k=1x1x8xbf16,blocks.0.att.x_v=1x1x8xbf16,blocks.0.att.x_a=1x1x8xbf16,blocks.0.att.x_g=1x1x8xbf16,blocks.0.att.w0=1x1x8xbf16,blocks.0.att.a0=1x1x8xbf16,blocks.0.att.k_k=1x1x8xbf16,blocks.0.att.k_a=1x1x8xbf16,blocks.0.att.r_k=2x4xbf16
// DEFINE: %{lora_0} = blocks.0.att.w1=8x2xbf16,blocks.0.att.w2=2x8xbf16,blocks.0.att.a1=8x3xbf16,blocks.0.att.a2=3x8xbf16,blocks.0.att.g1=8x6xbf16,blocks.0.att.g2=6x8xbf16
// DEFINE: %{matrices_0} = blocks.0.att.receptance.weight=8x8xbf16,blocks.0.att.key.weight=8x8xbf16,blocks.0.att.value.weight=8x8xbf16,blocks.0.att.output.weight=8x8xbf16
// DEFINE: %{ffn_0} = blocks.0.ffn.x_k=1x1x8xbf16,blocks.0.ffn.key.weight=16x8xbf16,blocks.0.ffn.value.weight=8x16xbf16
// DEFINE: %{norms_1} = blocks.1.ln1.weight=8xbf16,blocks.1.ln1.bias=8xbf16,blocks.1.ln2.weight=8xbf16,blocks.1.ln2.bias=8xbf16,blocks.1.att.ln_x.weight=8xbf16,blocks.1.att.ln_x.bias=8xbf16
// DEFINE: %{vectors_1} = blocks.1.att.x_r=1x1x8xbf16,blocks.1.att.x_w=1x1x8xbf16,blocks.1.att.x_k=1x1x8xbf16,blocks.1.att.x_v=1x1x8xbf16,blocks.1.att.x_a=1x1x8xbf16,blocks.1.att.x_g=1x1x8xbf16,blocks.1.att.w0=1x1x8xbf16,blocks.1.att.a0=1x1x8xbf16,blocks.1.att.k_k=1x1x8xbf16,blocks.1.att.k_a=1x1x8xbf16,blocks.1.att.r_k=2x4xbf16
// DEFINE: %{lora_1} = blocks.1.att.w1=8x2xbf16,blocks.1.att.w2=2x8xbf16,blocks.1.att.a1=8x3xbf16,blocks.1.att.a2=3x8xbf16,blocks.1.att.g1=8x6xbf16,blocks.1.att.g2=6x8xbf16,blocks.1.att.v1=8x5xbf16,blocks.1.att.v2=5x8xbf16,blocks.1.att.v0=1x1x8xbf16
// DEFINE: %{matrices_1} = blocks.1.att.receptance.weight=8x8xbf16,blocks.1.att.key.weight=8x8xbf16,blocks.1.att.value.weight=8x8xbf16,blocks.1.att.output.weight=8x8xbf16
// DEFINE: %{ffn_1} = blocks.1.ffn.x_k=1x1x8xbf16,blocks.1.ffn.key.weight=16x8xbf16,blocks.1.ffn.value.weight=8x16xbf16
// DEFINE: %{checkpoint} = %{model},%{norms_0},%{vectors_0},%{lora_0},%{matrices_0},%{ffn_0},%{norms_1},%{vectors_1},%{lora_1},%{matrices_1},%{ffn_1}
// RUN: rwkv-opt %source_dir/examples/rwkv7.mlir \
// RUN:   --pass-pipeline="builtin.module(inline,symbol-dce,rwkv-specialize{checkpoint=%{checkpoint}},cse,rwkv.model(func.func(rwkv-fuse)))" \
// RUN:   --verify-roundtrip | FileCheck %s

// Which ops of an RWKV-7 layer land in which kernel, and in which order.

// CHECK-LABEL: func.func @prefill
// The initial value of v_first needs memory; embedding and first norm are one kernel.
// CHECK: rwkv.fused rows
// CHECK-NEXT: rwkv.fill
// CHECK-NEXT: rwkv.yield
// CHECK: rwkv.fused rows
// CHECK-NEXT: rwkv.embed
// CHECK-NEXT: rwkv.norm
// CHECK-NEXT: rwkv.yield
// CHECK: rwkv.layers l in [0, 1, 2]

// Norm, token shift and all interpolations: one kernel of rows, with the new shift state and six mixed values.
// CHECK: %[[MIX:.*]]:7 = rwkv.fused rows
// CHECK-NOT: rwkv.fused
// CHECK: rwkv.norm %{{.*}}, @ln1.w, @ln1.b
// CHECK-NEXT: rwkv.token_shift
// CHECK-NOT: rwkv.fused
// CHECK: rwkv.yield
// The six projections that need only these are neighbours, each with its activation.
// CHECK: %[[R:.*]] = rwkv.fused columns
// CHECK-NEXT: rwkv.linear %[[MIX]]#1, @Wr
// CHECK-NEXT: rwkv.yield
// CHECK: %[[K:.*]] = rwkv.fused columns
// CHECK-NEXT: rwkv.linear %[[MIX]]#3, @Wk
// CHECK-NEXT: rwkv.yield
// CHECK: %[[V:.*]] = rwkv.fused columns
// CHECK-NEXT: rwkv.linear %[[MIX]]#4, @Wv
// CHECK-NEXT: rwkv.yield
// CHECK: rwkv.fused columns
// CHECK-NEXT: rwkv.linear %[[MIX]]#2, @w1
// CHECK-NEXT: math.tanh
// CHECK-NEXT: rwkv.yield
// CHECK: rwkv.fused columns
// CHECK-NEXT: rwkv.linear %[[MIX]]#5, @a1
// CHECK-NEXT: rwkv.yield
// CHECK: rwkv.fused columns
// CHECK-NEXT: rwkv.linear %[[MIX]]#6, @g1
// CHECK-NEXT: rwkv.sigmoid
// CHECK-NEXT: rwkv.yield
// Then the second halves of the low-rank products: the decay, the learning rate with the key that it scales, the gate.
// CHECK: %[[W:.*]] = rwkv.fused columns
// CHECK-NEXT: rwkv.get @w0
// CHECK-NEXT: rwkv.fill
// CHECK-NEXT: rwkv.linear %{{.*}}, @w2
// CHECK-NEXT: arith.addf
// CHECK-NEXT: rwkv.sigmoid
// CHECK-NEXT: arith.mulf
// CHECK-NEXT: rwkv.yield
// CHECK: %[[A:.*]]:2 = rwkv.fused columns
// CHECK: rwkv.linear %{{.*}}, @a2
// CHECK: arith.mulf %[[K]], %{{.*}}
// CHECK-NEXT: rwkv.yield
// CHECK: %[[G:.*]] = rwkv.fused columns
// CHECK-NEXT: rwkv.linear %{{.*}}, @g2
// CHECK-NEXT: rwkv.yield
// All that works within a head: the normalised key before, group norm, bonus and gate after the recurrence.
// CHECK: %[[O:.*]]:2 = rwkv.fused heads
// CHECK-NOT: rwkv.fused
// CHECK: arith.mulf %[[K]], %{{.*}}
// CHECK: rwkv.l2norm
// CHECK-NOT: rwkv.fused
// CHECK: rwkv.recurrence
// CHECK-NOT: rwkv.fused
// CHECK: rwkv.norm %{{.*}}, @ln_x.w, @ln_x.b
// CHECK: rwkv.sum
// CHECK-NEXT: rwkv.broadcast
// CHECK: rwkv.reshape
// CHECK-NEXT: arith.mulf %{{.*}}, %[[G]]
// CHECK-NEXT: rwkv.yield
// The residual joins the projection.
// CHECK: %[[X1:.*]] = rwkv.fused columns
// CHECK-NEXT: rwkv.linear %[[O]]#1, @Wo
// CHECK-NEXT: arith.addf
// CHECK-NEXT: rwkv.yield
// Channel mix: three kernels.
// CHECK: %[[MIX2:.*]]:2 = rwkv.fused rows
// CHECK-NEXT: rwkv.get @f_xk
// CHECK-NEXT: rwkv.norm %[[X1]], @ln2.w, @ln2.b
// CHECK-NEXT: rwkv.token_shift
// CHECK-NEXT: arith.subf
// CHECK-NEXT: arith.mulf
// CHECK-NEXT: arith.addf
// CHECK-NEXT: rwkv.yield
// CHECK: %[[F:.*]] = rwkv.fused columns
// CHECK-NEXT: rwkv.linear %[[MIX2]]#1, @Fk
// CHECK-NEXT: rwkv.relu
// CHECK-NEXT: arith.mulf
// CHECK-NEXT: rwkv.yield
// CHECK: %[[X2:.*]] = rwkv.fused columns
// CHECK-NEXT: rwkv.linear %[[F]], @Fv
// CHECK-NEXT: arith.addf %[[X1]], %{{.*}}
// CHECK-NEXT: rwkv.yield
// CHECK-NOT: rwkv.fused
// CHECK: rwkv.yield %[[X2]], %[[V]], %[[MIX]]#0, %[[O]]#0, %[[MIX2]]#0

// The body of the other layers has the value residual as well: its first half is a neighbour of the projections, its second
// half one of the other second halves.
// CHECK-NEXT: } {
// CHECK: rwkv.linear {{.*}}, @Wv
// CHECK: rwkv.linear {{.*}}, @g1
// CHECK: rwkv.linear {{.*}}, @v1
// CHECK: rwkv.linear {{.*}}, @w2
// CHECK: rwkv.linear {{.*}}, @g2
// CHECK: rwkv.fused columns
// CHECK-NEXT: rwkv.get @v0
// CHECK-NEXT: rwkv.linear {{.*}}, @v2
// CHECK-NEXT: arith.addf
// CHECK-NEXT: rwkv.sigmoid
// CHECK-NEXT: arith.mulf
// CHECK-NEXT: arith.addf
// CHECK-NEXT: rwkv.yield
// CHECK-NEXT: }
// CHECK-NEXT: rwkv.fused heads
// CHECK: rwkv.recurrence

// After the layers: the last token and its norm, then the head.
// CHECK: rwkv.fused rows -> (tensor<?x8xf32>)
// CHECK-NEXT: rwkv.last
// CHECK-NEXT: rwkv.norm
// CHECK-NEXT: rwkv.yield
// CHECK: rwkv.fused columns -> (tensor<?x32xf32>)
// CHECK-NEXT: rwkv.linear {{.*}}, @head
// CHECK-NEXT: rwkv.yield
// CHECK-NEXT: }
// CHECK-NEXT: return
