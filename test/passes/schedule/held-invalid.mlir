// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// States that are not held in a way that chunks can know: what is said, and where.
// RUN: rwkv-opt %s --pass-pipeline='builtin.module(func.func(rwkv-schedule{schedule=chunk}))' -verify-diagnostics -split-input-file
// RUN: rwkv-opt %s --pass-pipeline='builtin.module(func.func(rwkv-schedule{schedule=scan}))' -verify-diagnostics -split-input-file

// decay-after
// A held state that decays is not the same for all tokens.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    %g = arith.constant -1.0 : f32
    %B0 = rwkv.hold %B, %S at %n : !S
    // expected-note @below {{L1: it changes a state that counts tokens or is held from one token to the next}}
    %B1 = rwkv.decay %B0, %g on "all" : !S
    %n1 = rwkv.count %n every 16 : !N
    %y = rwkv.read %B1[%k] : !S
    %z = math.tanh %y : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1, %B1, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// write-before
// Nor is one that is written between what it takes.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    // expected-note @below {{L1: it changes a state that counts tokens or is held from one token to the next}}
    %B0 = rwkv.write %B[%k], %v : !S
    %B1 = rwkv.hold %B0, %S at %n : !S
    %n1 = rwkv.count %n every 16 : !N
    %y = rwkv.read %B1[%k] : !S
    %z = math.tanh %y : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1, %B1, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// held-twice
// Held twice by one token.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    %B0 = rwkv.hold %B, %S at %n : !S
    // expected-note @below {{L1: it changes a state that counts tokens or is held from one token to the next}}
    %B1 = rwkv.hold %B0, %S at %n : !S
    %n1 = rwkv.count %n every 16 : !N
    %y = rwkv.read %B1[%k] : !S
    %z = math.tanh %y : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1, %B1, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// counted-twice
// A counter that counts twice.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    %n0 = rwkv.count %n every 16 : !N
    // expected-note @below {{L1: it changes a state that counts tokens or is held from one token to the next}}
    %n1 = rwkv.count %n0 every 16 : !N
    %y = rwkv.read %B[%k] : !S
    %z = math.tanh %y : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1, %B, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// counter-written
// A counter to which something is added.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    %n0 = rwkv.count %n every 16 : !N
    %one = rwkv.fill 1.0 : tensor<1xf32>
    // expected-note @below {{L1: it changes a state that counts tokens or is held from one token to the next}}
    %n1 = rwkv.write %n0[], %one : !N
    %y = rwkv.read %B[%k] : !S
    %z = math.tanh %y : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1, %B, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// changed-for-a-read
// A peek of a held state.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    %B1 = rwkv.hold %B, %S at %n : !S
    %n1 = rwkv.count %n every 16 : !N
    // expected-note @below {{L1: a read sees a held state changed}}
    %P = rwkv.write %B1[%k], %v : !S
    %y = rwkv.read %P[%k] : !S
    %z = math.tanh %y : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1, %B1, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// counter-changed-for-a-read
// A peek of a counter.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    %B1 = rwkv.hold %B, %S at %n : !S
    %n1 = rwkv.count %n every 16 : !N
    // expected-note @below {{L1: a read sees a held state changed}}
    %p = rwkv.count %n1 every 3 : !N
    %c = rwkv.read %p[] : !N
    %s = rwkv.sum %c over 0 : tensor<1xf32> -> f32
    %w = rwkv.broadcast %s : f32 -> !v
    %y = rwkv.read %B1[%k] : !S
    %z = arith.addf %y, %w : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1, %B1, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// counter-after-the-token
// At the counter of the next token.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    %n1 = rwkv.count %n every 16 : !N
    // expected-note @below {{L1: it is not known at which tokens the state is held: its counter is not the state before the token, or does not count tokens}}
    %B1 = rwkv.hold %B, %S at %n1 : !S
    %y = rwkv.read %B1[%k] : !S
    %z = math.tanh %y : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1, %B1, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// no-counter
// At something that does not count.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    %one = rwkv.fill 1.0 : tensor<1xf32>
    %n1 = rwkv.write %n[], %one : !N
    // expected-note @below {{L1: it is not known at which tokens the state is held: its counter is not the state before the token, or does not count tokens}}
    %B1 = rwkv.hold %B, %S at %n : !S
    %y = rwkv.read %B1[%k] : !S
    %z = math.tanh %y : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1, %B1, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// counter-that-stays
// At a number that never changes.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    // expected-note @below {{L1: it is not known at which tokens the state is held: its counter is not the state before the token, or does not count tokens}}
    %B1 = rwkv.hold %B, %S at %n : !S
    %y = rwkv.read %B1[%k] : !S
    %z = math.tanh %y : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1, %B1, %n : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// source-after-the-token
// What is taken is the state after the write.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    %n1 = rwkv.count %n every 16 : !N
    %S1 = rwkv.write %S[%k], %v : !S
    // expected-note @below {{L1: what it holds is not a state as it was before the token}}
    %B1 = rwkv.hold %B, %S1 at %n : !S
    %o = rwkv.read %B1[%k] : !S
    rwkv.yield %o, %S1, %B1, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// read-before
// What was held before this token: of the first token of a chunk it is something else than of the others.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    %B1 = rwkv.hold %B, %S at %n : !S
    %n1 = rwkv.count %n every 16 : !N
    // expected-note @below {{L1: it reads what was held before this token}}
    %y = rwkv.read %B[%k] : !S
    %z = math.tanh %y : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1, %B1, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// held-for-a-read
// A state that stays, held anew for a read only.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    // expected-note @below {{L1: a read sees an overwritten state}}
    %P = rwkv.hold %B, %S at %n : !S
    %o = rwkv.read %P[%k] : !S
    %S1 = rwkv.write %S[%k], %v : !S
    %n1 = rwkv.count %n every 16 : !N
    rwkv.yield %o, %S1, %B, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}

// -----

// held-and-fed
// Two states that need each other, the second one of which is held.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!number = tensor<?x2x1xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in_k: !vectors, %in_v: !vectors, %in_S: !state, %in_B: !state, %in_n: !number)
    -> (!vectors, !state, !state, !number) {
  // expected-error @below {{is not legal}}
  %r:4 = rwkv.recurrence
      over(%k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state, %B = %in_B : !state, %n = %in_n : !number)
      -> (!vectors, !state, !state, !number) {
    %x = rwkv.read %S[%k] : !S
    %y = rwkv.read %B[%v] : !S
    %B0 = rwkv.hold %B, %S at %n : !S
    // expected-note @below {{L1: it changes a state that counts tokens or is held from one token to the next}}
    %B1 = rwkv.write %B0[%k], %x : !S
    %S1 = rwkv.write %S[%k], %y : !S
    %n1 = rwkv.count %n every 16 : !N
    rwkv.yield %y, %S1, %B1, %n1 : !v, !S, !S, !N
  }
  return %r#0, %r#1, %r#2, %r#3 : !vectors, !state, !state, !number
}
