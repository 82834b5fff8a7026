// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-form-pipelines --tile-lower-kernels --canonicalize --cse | FileCheck %s
// RUN: rwkv-opt %s --tile-form-pipelines --canonicalize --cse --tile-lower-kernels --canonicalize --cse | FileCheck %s

// Loops over chunks as pipelines of warps: some prepare chunks, the others apply them to what the loop carries.

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// 64 columns are four times 16, so that four warps apply and four prepare, each one chunk in four. A slot is met at twice:
// when it has been filled, to which one warp comes, and when it has been applied, to which four do, lane by lane, at its first 16 bytes. Two
// tasks fit a multiprocessor, so that a lane has 128 registers.
// CHECK-LABEL: func.func @chunks(
// Loads of arguments without noalias stay in front of meetings.
// CHECK-SAME: %[[X:[a-z0-9]+]]: !llvm.ptr<1>, %{{[a-z0-9]+}}: !llvm.ptr<1>, %[[Y:[a-z0-9]+]]: !llvm.ptr<1>,
// CHECK-SAME: ["rwkv-lanes", "256"], ["rwkv-blocks", "2"]
// CHECK-SAME: tile.lanes = 256 : i64, tile.scratch = 0 : i64, tile.shared = 21632 : i64
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1 : i32
// CHECK-DAG: %[[FOUR:.*]] = arith.constant 4 : i32
// CHECK-DAG: %[[LANES:.*]] = arith.constant 32 : i32
// CHECK-DAG: %[[ALL:.*]] = arith.constant 128 : i32
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C4:.*]] = arith.constant 4 : index
// CHECK-DAG: %[[C5:.*]] = arith.constant 5 : index
// CHECK-DAG: %[[C8:.*]] = arith.constant 8 : index
// CHECK-DAG: %[[C31:.*]] = arith.constant 31 : index
// CHECK: %[[DIVIDED:.*]] = arith.shrui %[[THREAD:.*]], %[[C5]]
// CHECK: %[[NARROW:.*]] = arith.index_cast %[[DIVIDED]]
// CHECK: %[[UNIFORM:.*]] = llvm.call_intrinsic "llvm.nvvm.shfl.sync.idx.i32"(%{{[a-z0-9_-]+}}, %[[NARROW]],
// CHECK: %[[WARP:.*]] = arith.index_castui %[[UNIFORM]]
// CHECK: arith.andi %[[THREAD]], %[[C31]]
// The state, 64 rows of 72 numbers, lies where slots will be: meetings begin when those who apply have read it, and end before they write it.
// CHECK: %[[IS_FIRST:.*]] = arith.cmpi ult, %[[WARP]], %[[C4]]
// CHECK: scf.if %
// CHECK:   barrier.cta.sync.aligned.all
// CHECK:   %[[IS_ONE:.*]] = arith.cmpi eq, %[[THREAD]], %[[C0]]
// CHECK:   scf.if %[[IS_ONE]] {
// CHECK:     mbarrier.init.shared"(%{{[0-9]+}}, %[[LANES]])
// CHECK:     mbarrier.init.shared"(%{{[0-9]+}}, %[[ALL]])
// CHECK-COUNT-6: mbarrier.init.shared
// CHECK:   barrier.cta.sync.aligned.all

// Operands of the first chunk are read, then those of the next one before the last one has been applied.
// CHECK:   scf.if
// CHECK:     %[[FIRST:[0-9]+]] = llvm.load %{{[0-9]+}} {{.*}} : !llvm.ptr<1> -> i32
// CHECK:     %[[FROM:[0-9]+]] = arith.index_cast %[[WARP]] : index to i32
// CHECK:     scf.for %{{[a-z0-9]+}} = %[[FROM]] to %{{[0-9]+}} step %[[FOUR]] iter_args(%{{[a-z0-9]+}} = %[[FIRST]],
// CHECK-NOT:   !llvm.ptr<1>
// Operands are pairs of f16, read as blocks. If one is out of range, all is read and made again, with units.
// CHECK:       nvvm.ff2f16x2.rn
// CHECK-NOT:   !llvm.ptr<1>
// CHECK:       nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3
// CHECK:       mma.m16n8k16.row.col.f32.f32
// CHECK-NOT:   !llvm.ptr<1>
// CHECK:       llvm.intr.maximum
// CHECK:       %[[SEEN:.*]] = llvm.call_intrinsic "llvm.nvvm.redux.sync.or"
// CHECK:       %[[IS_OUT:.*]] = arith.cmpi ne, %[[SEEN]], %
// CHECK:       scf.if %[[IS_OUT]] {
// CHECK:         llvm.inline_asm has_side_effects "// seldom"
// CHECK:         !llvm.ptr<1> -> i32
// CHECK:         nvvm.redux.sync.umax
// CHECK:         mma.m16n8k16.row.col.f32.f32
// CHECK:       mbarrier.arrive.shared
// CHECK:       %[[AHEAD:[0-9]+]] = llvm.load %{{[0-9]+}} {{.*}} : !llvm.ptr<1> -> i32
// CHECK:       %[[ROUND:.*]] = arith.divui %{{[0-9]+}}, %[[FOUR]] : i32
// CHECK:       %[[PARITY:.*]] = llvm.and %[[ROUND]], %[[ONE]]
// CHECK:       mbarrier.try_wait.parity.shared.b64 done, [$0+8], $1;{{.*}} %[[PARITY]] :
// What the others left in the slot goes to the buffer.
// CHECK:       llvm.getelementptr %[[Y]][
// CHECK-COUNT-4: llvm.store %{{.*}} : vector<4xi32>, !llvm.ptr<1>
// CHECK:       nvvm.bar.warp.sync
// CHECK:       scf.yield %[[AHEAD]],
// CHECK:   barrier.cta.sync.aligned.all
// CHECK-COUNT-8: mbarrier.inval.shared
// CHECK:   barrier.cta.sync.aligned.all

// Sixteen columns of a 64 x 64 state are 32 registers of a lane, from the first chunk to the last: products add to them.
// CHECK: arith.cmpi ult, %[[WARP]], %[[C8]]
// CHECK: scf.if
// CHECK:   %[[BEFORE:[0-9]+]] = llvm.load %[[STATE:[0-9]+]] {{.*}} : !llvm.ptr -> f32
// CHECK-COUNT-2: barrier.cta.sync.aligned.all
// Those that are in range are applied one after the other; the loop is left where one is not, which is applied outside of it.
// CHECK:   %[[AFTER:[0-9]+]]:33 = scf.while (%{{[a-z0-9]+}} = %[[BEFORE]],
// CHECK-SAME: -> (f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, i32) {{.*}}{
// CHECK:   scf.condition
// CHECK:   scf.while (%[[CARRIED:[a-z0-9]+]] =
// CHECK-NOT: {{llvm.load %[0-9]+ .*ptr<1>|%}}[[STATE]]{{[ ,]}}
// CHECK:     arith.remui %[[WORD:[0-9]+]], %[[FOUR]]
// CHECK:     %[[ROUND:.*]] = arith.divui %[[WORD]], %[[FOUR]]
// CHECK:     %[[PARITY:.*]] = llvm.and %[[ROUND]], %[[ONE]]
// CHECK:     mbarrier.try_wait.parity.shared.b64 done, [$0+0], $1;{{.*}} %[[PARITY]] :
// CHECK-NOT: {{llvm.load %[0-9]+ .*ptr<1>|%}}[[STATE]]{{[ ,]}}
// CHECK:     nvvm.redux.sync.or
// CHECK:     scf.if %[[IN_RANGE:[0-9]+]] -> (f32,
// CHECK:       %[[PRODUCT:.*]] = llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"({{.*}}, %[[CARRIED]], %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}})
// CHECK:       nvvm.bar.warp.sync
// CHECK:       llvm.store %{{.*}} : bf16, !llvm.ptr{{$}}
// CHECK:       mbarrier.arrive.shared
// CHECK:     } else {
// CHECK-NOT:   "// seldom"
// CHECK:     %[[AGAIN:.*]] = arith.andi %[[IN_RANGE]],
// CHECK:     scf.condition(%[[AGAIN]])
// CHECK:     llvm.inline_asm has_side_effects "// seldom"
// CHECK:     nvvm.redux.sync.umax
// CHECK-NOT: {{llvm.load %[0-9]+ .*ptr<1>|%}}[[STATE]]{{[ ,]}}
// CHECK:     nvvm.bar.warp.sync
// CHECK:     llvm.store %{{.*}} : bf16, !llvm.ptr{{$}}
// CHECK:     mbarrier.arrive.shared
// CHECK:     scf.yield
// CHECK-COUNT-2: barrier.cta.sync.aligned.all
// CHECK:   llvm.store %[[AFTER]]#0, %[[STATE]]
// CHECK: barrier.cta.sync.aligned.all
// CHECK: return
tile.kernel @chunks(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                    %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %A = tile.dot %k, %kt precision tf32 : tensor<16x64xf32>, tensor<64x16xf32> -> tensor<16x16xf32>
    %w = tile.dot %A, %v precision tf32 : tensor<16x16xf32>, tensor<16x64xf32> -> tensor<16x64xf32>
    %o = tile.dot %k, %S precision tf32 acc %w : tensor<16x64xf32> : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    tile.store %o, %y[%at] : tensor<16x64xf32>, <bf16>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// Where more is read for a chunk, lanes that apply leave 16 of their registers to those that prepare while they do so.
// CHECK-LABEL: func.func @much(
// CHECK-DAG: %[[EACH:.*]] = arith.constant 128 : i32
// CHECK-DAG: %[[MORE:.*]] = arith.constant 144 : i32
// CHECK-DAG: %[[FEWER:.*]] = arith.constant 112 : i32
// CHECK: setmaxnreg.inc.sync.aligned.u32"(%[[MORE]])
// CHECK: mbarrier.arrive
// CHECK: setmaxnreg.dec.sync.aligned.u32"(%[[EACH]])
// CHECK: setmaxnreg.dec.sync.aligned.u32"(%[[FEWER]])
// CHECK: mbarrier.arrive
// CHECK: setmaxnreg.inc.sync.aligned.u32"(%[[EACH]])
tile.kernel @much(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                  %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k0 = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %a = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %c = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %ka = arith.mulf %k0, %a : tensor<16x64xf32>
    %k = arith.addf %ka, %c : tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %A = tile.dot %k, %kt precision tf32 : tensor<16x64xf32>, tensor<64x16xf32> -> tensor<16x16xf32>
    %w = tile.dot %A, %v precision tf32 : tensor<16x16xf32>, tensor<16x64xf32> -> tensor<16x64xf32>
    %o = tile.dot %k, %S precision tf32 acc %w : tensor<16x64xf32> : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    tile.store %o, %y[%at] : tensor<16x64xf32>, <bf16>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// Keys of 64 tokens are 128 registers of the warp that prepares them, too many: all lanes share the work of a chunk, and the
// state passes through memory. Of these tasks two fit a multiprocessor's memory, so that a lane may have 128 registers, too.
// CHECK-LABEL: func.func @long(
// CHECK-SAME: ["rwkv-blocks", "2"]
// CHECK-NOT: mbarrier
// CHECK: return
tile.kernel @long(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                  %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<64x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<64x64xf32>
    %kt = tile.transpose %k : tensor<64x64xf32> -> tensor<64x64xf32>
    %A = tile.dot %k, %kt precision tf32 : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
    %w = tile.dot %A, %v precision tf32 : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
    %o = tile.dot %k, %S precision tf32 acc %w : tensor<64x64xf32> : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
    tile.store %o, %y[%at] : tensor<64x64xf32>, <bf16>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// A system that is solved for what depends on the state: its inverse is prepared, before the slot has been filled; then it is
// multiplied.
// CHECK-LABEL: func.func @system(
// CHECK-SAME: ["rwkv-blocks", "2"]
// CHECK: math.fma
// CHECK: mbarrier.arrive
// CHECK: mbarrier.try_wait
// CHECK: mbarrier.try_wait
// CHECK-NOT: math.fma
// CHECK: mma.m16n8k16.row.col.f32.f32
// CHECK-NOT: math.fma
// CHECK: "// seldom"
// CHECK: mbarrier.arrive
// CHECK: return
tile.kernel @system(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                    %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %A = tile.dot %k, %kt precision tf32 : tensor<16x64xf32>, tensor<64x16xf32> -> tensor<16x16xf32>
    %w = tile.dot %k, %S precision tf32 : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    %e = arith.subf %v, %w : tensor<16x64xf32>
    %u = tile.solve_unit_lower %A, %e : tensor<16x16xf32>, tensor<16x64xf32>
    tile.store %u, %y[%at] : tensor<16x64xf32>, <bf16>
    %Sn = tile.dot %kt, %u precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// Products whose operands must not be rounded have no matrix instruction. Four tasks fit: of their registers, 64 for a lane, the
// assembler knows more.
// CHECK-LABEL: func.func @exact(
// CHECK-NOT: rwkv-blocks
// CHECK-NOT: mbarrier
// CHECK: return
tile.kernel @exact(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %z: !tile.buffer<f32>,
                   %y: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <f32> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <f32> -> tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %o = tile.dot %k, %S : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    tile.store %o, %y[%at] : tensor<16x64xf32>, <f32>
    %Sn = tile.dot %kt, %v acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// Sixteen columns of 256 rows are 128 registers of a lane: too many.
// CHECK-LABEL: func.func @tall(
// CHECK-SAME: ["rwkv-blocks", "1"]
// CHECK-NOT: mbarrier
// CHECK: return
tile.kernel @tall(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                  %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<256x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<256x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x256xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x256xf32> -> tensor<256x16xf32>
    %o = tile.dot %k, %S precision tf32 : tensor<16x256xf32>, tensor<256x64xf32> -> tensor<16x64xf32>
    tile.store %o, %y[%at] : tensor<16x64xf32>, <bf16>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<256x64xf32> : tensor<256x16xf32>, tensor<16x64xf32> -> tensor<256x64xf32>
    scf.yield %Sn : tensor<256x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<256x64xf32>, <f32>
}

// Numbers of rows and columns are made where they are needed, also those that the loop shares with what comes before it.
// CHECK-LABEL: func.func @numbered(
// CHECK: scf.for
// CHECK: arith.cmpi slt
// CHECK: mbarrier.arrive
// CHECK: return
tile.kernel @numbered(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                      %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %zero = arith.constant dense<0.0> : tensor<16x16xf32>
  %one = arith.constant dense<1.0> : tensor<16x16xf32>
  %rows = tile.iota 0 : tensor<16x16xi32>
  %columns = tile.iota 1 : tensor<16x16xi32>
  %same = arith.cmpi eq, %rows, %columns : tensor<16x16xi32>
  %S0 = arith.select %same, %one, %zero : tensor<16x16xi1>, tensor<16x16xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<16x16xf32>) {
    %at = arith.muli %i, %c256 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x16xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x16xf32>
    %kt = tile.transpose %k : tensor<16x16xf32> -> tensor<16x16xf32>
    %A = tile.dot %k, %kt precision tf32 : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
    %below = arith.cmpi slt, %columns, %rows : tensor<16x16xi32>
    %L = arith.select %below, %A, %zero : tensor<16x16xi1>, tensor<16x16xf32>
    %w = tile.dot %L, %v precision tf32 : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
    %o = tile.dot %k, %S precision tf32 acc %w : tensor<16x16xf32> : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
    tile.store %o, %y[%at] : tensor<16x16xf32>, <bf16>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<16x16xf32> : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
    scf.yield %Sn : tensor<16x16xf32>
  }
  tile.store %r, %z[%c0] : tensor<16x16xf32>, <f32>
}

// What is loaded before the loop has columns, too: a warp that applies reads its own of them.
// CHECK-LABEL: func.func @outside(
// CHECK: mbarrier.arrive
// CHECK: %[[APPLIER:.*]] = arith.subi %{{.*}}, %{{.*}} : index
// CHECK: %[[COLUMN:.*]] = arith.muli %[[APPLIER]], %{{.*}} : index
// CHECK: %[[WIDE:.*]] = arith.index_cast %[[COLUMN]] : index to i64
// CHECK: llvm.getelementptr %[[STATE:[0-9]+]][%[[WIDE]]] : (!llvm.ptr, i64) -> !llvm.ptr, f32
// CHECK: mbarrier.try_wait
// CHECK: llvm.getelementptr %[[ADDED:[0-9]+]][%[[WIDE]]] : (!llvm.ptr, i64) -> !llvm.ptr, f32
// CHECK: return
tile.kernel @outside(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %D = tile.load %z[%b] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %Sd = arith.addf %S, %D : tensor<64x64xf32>
    %Sn = tile.dot %k, %v precision tf32 acc %Sd : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

}
