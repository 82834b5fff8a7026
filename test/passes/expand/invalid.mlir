// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --rwkv-expand --split-input-file --verify-diagnostics

!X = tensor<?x?x8xf32>

func.func @mixed(%x: !X) -> (!X, tensor<8xf32>) {
  // expected-error@+1 {{'rwkv.fused' op mixes values with and without tokens in one group of rows}}
  %0:2 = rwkv.fused rows -> (!X, tensor<8xf32>) {
    %1 = rwkv.relu %x : !X
    %2 = rwkv.fill 1.0 : tensor<8xf32>
    rwkv.yield %1, %2 : !X, tensor<8xf32>
  }
  return %0#0, %0#1 : !X, tensor<8xf32>
}

// -----

!X = tensor<?x?x8xf32>

func.func @nothing(%x: !X) -> !X {
  // expected-error@+1 {{'rwkv.fused' op expected at least one result}}
  rwkv.fused rows {
    %0 = rwkv.relu %x : !X
    rwkv.yield
  }
  return %x : !X
}

// -----

!X = tensor<?x?x2x8xf32>
!S = tensor<?x2x8xf32>

// A state that tokens lead to is not a row: this should have been a group of heads.
func.func @token_for_a_sequence(%q: !X, %s: !S) -> !S {
  // expected-error@+1 {{'rwkv.fused' op expected no values of tokens for a result without tokens}}
  %0 = rwkv.fused rows -> (!S) {
    %o, %n = rwkv.recurrence over(%qt = %q : !X) init(%S = %s : !S) -> (!X, !S) {
      %S1 = rwkv.write %S[], %qt : !rwkv.state<|8xf32>
      rwkv.yield %qt, %S1 : tensor<8xf32>, !rwkv.state<|8xf32>
    }
    rwkv.yield %n : !S
  }
  return %0 : !S
}

// -----

!H = tensor<?x?x2x3x4xf32>

func.func @features(%x: !H) -> !H {
  %0 = rwkv.fused rows -> (!H) {
    // expected-error@+1 {{'rwkv.relu' op expected at most two feature axes outside of recurrences, but got 'tensor<?x?x2x3x4xf32>'}}
    %1 = rwkv.relu %x : !H
    rwkv.yield %1 : !H
  }
  return %0 : !H
}

// -----

!X = tensor<?x?x8xf32>

rwkv.model @m {
  rwkv.weight @w "w" tensor<8x8xf32>
  func.func @rows(%x: !X) -> !X {
    %0 = rwkv.fused rows -> (!X) {
      // expected-error@+1 {{'rwkv.linear' op cannot be computed row by row}}
      %1 = rwkv.linear %x, @w : !X -> !X
      rwkv.yield %1 : !X
    }
    return %0 : !X
  }
}

// -----

rwkv.model @m {
  rwkv.weight @w "w" tensor<8x8xf32>
  func.func @constant(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    %0 = rwkv.fused columns -> (tensor<4x8xf32>) {
      // expected-error@+1 {{'rwkv.linear' op expected a value per token or sequence, but got 'tensor<4x8xf32>'}}
      %1 = rwkv.linear %x, @w : tensor<4x8xf32> -> tensor<4x8xf32>
      rwkv.yield %1 : tensor<4x8xf32>
    }
    return %0 : tensor<4x8xf32>
  }
}

// -----

!X = tensor<?x?x8xf32>

rwkv.model @m {
  rwkv.weight @w "w" tensor<8x8xf32>
  rwkv.weight @one "one" tensor<f32>
  func.func @short_weight(%x: !X) -> !X {
    %0 = rwkv.fused columns -> (!X) {
      %1 = rwkv.linear %x, @w : !X -> !X
      // expected-error@+1 {{'rwkv.get' op expected a weight of the output features, but got 'tensor<f32>'}}
      %2 = rwkv.get @one : !X
      %3 = arith.mulf %1, %2 : !X
      rwkv.yield %3 : !X
    }
    return %0 : !X
  }
}

// -----

!K = tensor<?x?x2x8xf32>
!S = tensor<?x2x8x8xf32>

rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @w "w" tensor<5xf32>
  rwkv.weight @b "b" tensor<8xf32>
  func.func @weight(%k: !K, %s: !S) -> !K {
    %0 = rwkv.fused heads -> (!K) {
      %o, %n = rwkv.recurrence over(%kt = %k : !K) init(%S = %s : !S) -> (!K, !S) {
        %y = rwkv.read %S[%kt] : !rwkv.state<8|8xf32>
        rwkv.yield %y, %S : tensor<8xf32>, !rwkv.state<8|8xf32>
      }
      // expected-error@+1 {{'rwkv.norm' op expected a weight of 16, 8 or 2 elements for 2 heads, but got 'tensor<5xf32>'}}
      %1 = rwkv.norm %o, @w, @b over 3 eps @eps : !K
      rwkv.yield %1 : !K
    }
    return %0 : !K
  }
}

// -----

!V = tensor<?x?x2x8xf32>
!S = tensor<?x2x8x8xf32>
!N = tensor<?x2x1xf32>

func.func @held_chunk(%k: !V, %s0: !S, %b0: !S, %n0: !N) -> (!V, !S, !S, !N) {
  %0:4 = rwkv.fused heads -> (!V, !S, !S, !N) {
    // expected-error@+1 {{'rwkv.recurrence' op expected chunks that divide the 16 tokens for which a state is held, but got 24}}
    %r:4 = rwkv.recurrence over(%kt = %k : !V) init(%S = %s0 : !S, %B = %b0 : !S, %n = %n0 : !N) -> (!V, !S, !S, !N) {
      %B1 = rwkv.hold %B, %S at %n : !rwkv.state<8|8xf32>
      %n1 = rwkv.count %n every 16 : !rwkv.state<|1xf32>
      %y = rwkv.read %B1[%kt] : !rwkv.state<8|8xf32>
      %z = math.tanh %y : tensor<8xf32>
      %S1 = rwkv.write %S[%kt], %z : !rwkv.state<8|8xf32>
      rwkv.yield %z, %S1, %B1, %n1 : tensor<8xf32>, !rwkv.state<8|8xf32>, !rwkv.state<8|8xf32>, !rwkv.state<|1xf32>
    } attributes {schedule = #rwkv.schedule<chunk, C = 24>}
    rwkv.yield %r#0, %r#1, %r#2, %r#3 : !V, !S, !S, !N
  }
  return %0#0, %0#1, %0#2, %0#3 : !V, !S, !S, !N
}

// -----

!V = tensor<?x?x2x8xf32>
!S = tensor<?x2x8x8xf32>
!N = tensor<?x2x1xf32>

// Two counters: what divides both, and 4 does so.
func.func @two_periods(%k: !V, %s0: !S, %b0: !S, %n0: !N) -> (!V, !S, !S, !N, !S, !N) {
  %0:6 = rwkv.fused heads -> (!V, !S, !S, !N, !S, !N) {
    // expected-error@+1 {{'rwkv.recurrence' op expected chunks that divide the 4 tokens for which a state is held, but got 8}}
    %r:6 = rwkv.recurrence over(%kt = %k : !V)
        init(%S = %s0 : !S, %B = %b0 : !S, %n = %n0 : !N, %A = %b0 : !S, %m = %n0 : !N) -> (!V, !S, !S, !N, !S, !N) {
      %B1 = rwkv.hold %B, %S at %n : !rwkv.state<8|8xf32>
      %n1 = rwkv.count %n every 8 : !rwkv.state<|1xf32>
      %A1 = rwkv.hold %A, %S at %m : !rwkv.state<8|8xf32>
      %m1 = rwkv.count %m every 12 : !rwkv.state<|1xf32>
      %y = rwkv.read %B1[%kt] : !rwkv.state<8|8xf32>
      %x = rwkv.read %A1[%kt] : !rwkv.state<8|8xf32>
      %z = arith.mulf %x, %y : tensor<8xf32>
      %S1 = rwkv.write %S[%kt], %z : !rwkv.state<8|8xf32>
      rwkv.yield %z, %S1, %B1, %n1, %A1, %m1 : tensor<8xf32>, !rwkv.state<8|8xf32>, !rwkv.state<8|8xf32>,
                                               !rwkv.state<|1xf32>, !rwkv.state<8|8xf32>, !rwkv.state<|1xf32>
    } attributes {schedule = #rwkv.schedule<scan, C = 8>}
    rwkv.yield %r#0, %r#1, %r#2, %r#3, %r#4, %r#5 : !V, !S, !S, !N, !S, !N
  }
  return %0#0, %0#1, %0#2, %0#3, %0#4, %0#5 : !V, !S, !S, !N, !S, !N
}
