// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand --cse --canonicalize --verify-roundtrip | FileCheck %s

// The first token of a sequence takes the stored value; any other one computes the previous token's value again, all of the
// chain in front of the shift included. Tasks behind the tokens' are one per sequence, for what is left after it.

!X = tensor<?x?x8xf32>
!Sh = tensor<?x8xf32>
!Cu = tensor<?xi32>

// Sequences are rows of the batch.
// CHECK-LABEL: tile.kernel @rows_0(
// CHECK-SAME: %[[TASK:.*]]: index, %[[B:.*]]: index, %[[T:.*]]: index, %{{.*}}: index, %[[X:.*]]: !tile.buffer<f32>, %[[LAST:.*]]: !tile.buffer<f32>, %[[OUT:.*]]: !tile.buffer<f32>, %[[NEXT:.*]]: !tile.buffer<f32>)
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[WIDTH:.*]] = arith.constant 8 : index
// CHECK: %[[COUNT:.*]] = arith.muli %[[B]], %[[T]]
// CHECK: %[[IS_TOKEN:.*]] = arith.cmpi ult, %[[TASK]], %[[COUNT]]
// CHECK: scf.if %[[IS_TOKEN]] {
// CHECK:   %[[SEQ:.*]] = arith.divui %[[TASK]], %[[T]]
// CHECK:   %[[START:.*]] = arith.muli %[[SEQ]], %[[T]]
// CHECK:   %[[IS_FIRST:.*]] = arith.cmpi eq, %[[TASK]], %[[START]]
// CHECK:   %[[SHIFTED:.*]] = scf.if %[[IS_FIRST]] -> (tensor<8xf32>) {
// CHECK:     %[[AT:.*]] = arith.muli %[[SEQ]], %[[WIDTH]]
// CHECK:     %[[STORED:.*]] = tile.load %[[LAST]][%[[AT]]]
// CHECK:     scf.yield %[[STORED]]
// CHECK:   } else {
// CHECK:     %[[PREVIOUS:.*]] = arith.subi %[[TASK]], %[[ONE]]
// CHECK:     %[[AT:.*]] = arith.muli %[[PREVIOUS]], %[[WIDTH]]
// CHECK:     %[[ROW:.*]] = tile.load %[[X]][%[[AT]]]
// CHECK:     %[[AGAIN:.*]] = arith.maximumf %[[ROW]], %{{.*}}
// CHECK:     scf.yield %[[AGAIN]]
// CHECK:   }
// CHECK:   %[[AT:.*]] = arith.muli %[[TASK]], %[[WIDTH]]
// CHECK:   %[[ROW:.*]] = tile.load %[[X]][%[[AT]]]
// CHECK:   %[[VALUE:.*]] = arith.maximumf %[[ROW]], %{{.*}}
// CHECK:   %[[SUM:.*]] = arith.addf %[[SHIFTED]], %[[VALUE]]
// CHECK:   tile.store %[[SUM]], %[[OUT]][%[[AT]]]
// CHECK: } else {
// CHECK:   %[[SEQ:.*]] = arith.subi %[[TASK]], %[[COUNT]]
// CHECK:   %[[START:.*]] = arith.muli %[[SEQ]], %[[T]]
// CHECK:   %[[AFTER:.*]] = arith.addi %[[SEQ]], %[[ONE]]
// CHECK:   %[[END:.*]] = arith.muli %[[AFTER]], %[[T]]
// CHECK:   %[[IS_EMPTY:.*]] = arith.cmpi eq, %[[START]], %[[END]]
// A sequence without tokens keeps what was stored.
// CHECK:   %[[NEW:.*]] = scf.if %[[IS_EMPTY]] -> (tensor<8xf32>) {
// CHECK:     tile.load %[[LAST]][%{{.*}}]
// CHECK:   } else {
// CHECK:     %[[FINAL:.*]] = arith.subi %[[END]], %[[ONE]]
// CHECK:     %[[AT:.*]] = arith.muli %[[FINAL]], %[[WIDTH]]
// CHECK:     tile.load %[[X]][%[[AT]]]
// CHECK:     arith.maximumf
// CHECK:   }
// CHECK:   tile.store %[[NEW]], %[[NEXT]]

// Packed sequences.
// CHECK-LABEL: tile.kernel @rows_1(
// CHECK-SAME: %[[TASK:.*]]: index, %[[B:.*]]: index, %[[T:.*]]: index, %[[S:.*]]: index, %[[X:.*]]: !tile.buffer<f32>, %[[LAST:.*]]: !tile.buffer<f32>, %[[CU:.*]]: !tile.buffer<i32>, %[[OUT:.*]]: !tile.buffer<f32>, %[[NEXT:.*]]: !tile.buffer<f32>)
// CHECK: scf.if
// CHECK:   %[[SEQ:.*]] = tile.sequence_of %[[TASK]] in %[[CU]][%[[S]]]
// CHECK:   %[[START:.*]] = tile.load_index %[[CU]][%[[SEQ]]]
// CHECK:   %[[IS_FIRST:.*]] = arith.cmpi eq, %[[TASK]], %[[START]]
// CHECK:   scf.if %[[IS_FIRST]]
// CHECK:   tile.store %{{.*}}, %[[OUT]]
// CHECK: } else {
// CHECK:   %[[SEQ:.*]] = arith.subi %[[TASK]], %{{.*}}
// CHECK:   %[[START:.*]] = tile.load_index %[[CU]][%[[SEQ]]]
// CHECK:   %[[AFTER:.*]] = arith.addi %[[SEQ]], %{{.*}}
// CHECK:   %[[END:.*]] = tile.load_index %[[CU]][%[[AFTER]]]
// CHECK:   arith.cmpi eq, %[[START]], %[[END]]

// One of the two results alone: no branch on the kind of task.
// CHECK-LABEL: tile.kernel @rows_2(
// CHECK-NOT: arith.cmpi ult
// CHECK: tile.sequence_of
// CHECK: scf.if
// CHECK: tile.store
// CHECK-NOT: tile.store
// CHECK-LABEL: tile.kernel @rows_3(
// CHECK-NOT: tile.sequence_of
// CHECK: scf.if
// CHECK: tile.store
// CHECK-NOT: tile.store

// A shift of a shift: the outer one computes the inner one for the previous token, with a test of its own.
// CHECK-LABEL: tile.kernel @rows_4(
// CHECK-SAME: %[[TASK:[^ :]*]]: index,
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[TWO:.*]] = arith.constant 2 : index
// CHECK: scf.if
// CHECK: } else {
// CHECK:   %[[PREVIOUS:.*]] = arith.subi %[[TASK]], %[[ONE]]
// CHECK:   %[[IS_FIRST:.*]] = arith.cmpi eq, %[[PREVIOUS]], %{{.*}}
// CHECK:   scf.if %[[IS_FIRST]]
// CHECK:   } else {
// CHECK:     arith.subi %[[TASK]], %[[TWO]]

// The last token's value; zeros for a sequence without tokens.
// CHECK-LABEL: tile.kernel @rows_5(
// CHECK-SAME: %[[TASK:.*]]: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %[[X:.*]]: !tile.buffer<f32>, %[[CU:.*]]: !tile.buffer<i32>, %[[OUT:.*]]: !tile.buffer<f32>)
// CHECK: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<8xf32>
// CHECK: %[[START:.*]] = tile.load_index %[[CU]][%[[TASK]]]
// CHECK: %[[END:.*]] = tile.load_index %[[CU]]
// CHECK: %[[IS_EMPTY:.*]] = arith.cmpi eq, %[[START]], %[[END]]
// CHECK: %[[Y:.*]] = scf.if %[[IS_EMPTY]] -> (tensor<8xf32>) {
// CHECK:   scf.yield %[[ZERO]]
// CHECK: } else {
// CHECK:   tile.load %[[X]]
// CHECK: }
// What comes behind it works on sequences.
// CHECK: arith.negf %[[Y]]

rwkv.model @m {
  // CHECK-LABEL: func.func @batch
  func.func @batch(%x: !X, %l: !Sh) -> (!X, !Sh) {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    // CHECK-DAG: %[[T:.*]] = tile.size T
    // CHECK: %[[BT:.*]] = arith.muli %[[B]], %[[T]] : index
    // CHECK: %[[N:.*]] = arith.addi %[[BT]], %[[B]] : index
    // CHECK: tile.launch @rows_0 tasks(%[[N]]) (
    %0:2 = rwkv.fused rows -> (!X, !Sh) {
      %a = rwkv.relu %x : !X
      %p, %n = rwkv.token_shift %a, %l : !X, !Sh
      %s = arith.addf %p, %a : !X
      rwkv.yield %s, %n : !X, !Sh
    }
    return %0#0, %0#1 : !X, !Sh
  }

  // CHECK-LABEL: func.func @packed
  func.func @packed(%x: !X, %l: !Sh, %cu: !Cu) -> (!X, !Sh) {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    // CHECK-DAG: %[[T:.*]] = tile.size T
    // CHECK-DAG: %[[S:.*]] = tile.size S
    // CHECK: %[[BT:.*]] = arith.muli %[[B]], %[[T]] : index
    // CHECK: %[[N:.*]] = arith.addi %[[BT]], %[[S]] : index
    // CHECK: tile.launch @rows_1 tasks(%[[N]]) (
    %0:2 = rwkv.fused rows -> (!X, !Sh) {
      %a = rwkv.relu %x : !X
      %p, %n = rwkv.token_shift %a, %l reset(%cu : !Cu) : !X, !Sh
      %s = arith.addf %p, %a : !X
      rwkv.yield %s, %n : !X, !Sh
    }
    return %0#0, %0#1 : !X, !Sh
  }

  // CHECK-LABEL: func.func @shifted
  func.func @shifted(%x: !X, %l: !Sh, %cu: !Cu) -> !X {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    // CHECK-DAG: %[[T:.*]] = tile.size T
    // CHECK: %[[BT:.*]] = arith.muli %[[B]], %[[T]] : index
    // CHECK: tile.launch @rows_2 tasks(%[[BT]]) (
    %0 = rwkv.fused rows -> (!X) {
      %p, %n = rwkv.token_shift %x, %l reset(%cu : !Cu) : !X, !Sh
      rwkv.yield %p : !X
    }
    return %0 : !X
  }

  // CHECK-LABEL: func.func @next
  func.func @next(%x: !X, %l: !Sh, %cu: !Cu) -> !Sh {
    // CHECK-DAG: %[[S:.*]] = tile.size S
    // CHECK: tile.launch @rows_3 tasks(%[[S]]) (
    %0 = rwkv.fused rows -> (!Sh) {
      %p, %n = rwkv.token_shift %x, %l reset(%cu : !Cu) : !X, !Sh
      rwkv.yield %n : !Sh
    }
    return %0 : !Sh
  }

  // CHECK-LABEL: func.func @twice
  func.func @twice(%x: !X, %l: !Sh, %m: !Sh) -> !X {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    // CHECK-DAG: %[[T:.*]] = tile.size T
    // CHECK: %[[BT:.*]] = arith.muli %[[B]], %[[T]] : index
    // CHECK: tile.launch @rows_4 tasks(%[[BT]]) (
    %0 = rwkv.fused rows -> (!X) {
      %p, %n = rwkv.token_shift %x, %l : !X, !Sh
      %q, %o = rwkv.token_shift %p, %m : !X, !Sh
      rwkv.yield %q : !X
    }
    return %0 : !X
  }

  // CHECK-LABEL: func.func @last
  func.func @last(%x: !X, %cu: !Cu) -> !Sh {
    // CHECK-DAG: %[[S:.*]] = tile.size S
    // CHECK: tile.launch @rows_5 tasks(%[[S]]) (
    %0 = rwkv.fused rows -> (!Sh) {
      %y = rwkv.last %x reset(%cu : !Cu) : !X -> !Sh
      %z = arith.negf %y : !Sh
      rwkv.yield %z : !Sh
    }
    return %0 : !Sh
  }

  // CHECK-LABEL: func.func @last_of_batch
  func.func @last_of_batch(%x: !X) -> !Sh {
    // CHECK-DAG: %[[B:.*]] = tile.size B
    // CHECK: tile.launch @rows_6 tasks(%[[B]]) (
    %0 = rwkv.fused rows -> (!Sh) {
      %y = rwkv.last %x : !X -> !Sh
      rwkv.yield %y : !Sh
    }
    return %0 : !Sh
  }
}
