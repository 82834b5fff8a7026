// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Regions whose elements do not run on their own: what is said, and where.
// RUN: rwkv-opt %s --pass-pipeline='builtin.module(func.func(rwkv-schedule{schedule=scan}))' -verify-diagnostics -split-input-file

// cycle-key
// L2 across states: what is read from A is a key of B, and what is read from B is a value of A. Each of the two alone
// would be legal.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!k = tensor<4xf32>
!A = !rwkv.state<4|4xf32>
!B = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_A: !state, %in_B: !state)
    -> (!vectors, !state, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule scan is not legal}}
  %r:3 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%A = %in_A : !state, %B = %in_B : !state) -> (!vectors, !state, !state) {
    %ya = rwkv.read %A[%q] : !A
    %kb = math.tanh %ya : !k
    %B1 = rwkv.write %B[%kb], %v : !B
    %yb = rwkv.read %B1[%q] : !B
    %e = arith.subf %v, %yb : !v
    // expected-note @below {{L2: it depends on what this token reads from the state, so elements do not run on their own}}
    %A1 = rwkv.write %A[%k], %e : !A
    %o = rwkv.read %A1[%q] : !A
    rwkv.yield %o, %A1, %B1 : !v, !A, !B
  }
  return %r#0, %r#1, %r#2 : !vectors, !state, !state
}

// -----

// l2-scale
// L2: the scale of a write depends on a read of the same state.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule scan is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[%q] : !S
    %s = rwkv.dot %y, %v : !v -> f32
    %c = rwkv.sigmoid %s : f32
    // expected-note @below {{L2: it depends on what this token reads from the state, so elements do not run on their own}}
    %S1 = rwkv.write %S[%k], %v scale %c : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// scan-correction
// Legal for chunk, not for scan: a correction contracts the keys of a matrix.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule scan is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[%k] : !S
    %e = arith.subf %v, %y : !v
    // expected-note @below {{L2: it depends on what this token reads from the state, so elements do not run on their own}}
    %S1 = rwkv.write %S[%k], %e : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// scan-nonlinear
// A vector state fed through a nonlinear function of itself: not affine, so neither scan nor chunk.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<|4xf32>
func.func @f(%in_v: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule scan is not legal}}
  %r:2 = rwkv.recurrence
      over(%v = %in_v : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[] : !S
    %z = math.tanh %y : !v
    %e = arith.addf %v, %z : !v
    // expected-note @below {{L2: it depends on what this token reads from the state, so elements do not run on their own}}
    %S1 = rwkv.write %S[], %e : !S
    rwkv.yield %e, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// scan-own-decay
// A vector state whose decay depends on itself.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<|4xf32>
func.func @f(%in_v: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule scan is not legal}}
  %r:2 = rwkv.recurrence
      over(%v = %in_v : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[] : !S
    %p = rwkv.sigmoid %y : !v
    %g = arith.negf %p : !v
    // expected-note @below {{L2: it depends on what this token reads from the state, so elements do not run on their own}}
    %S1 = rwkv.decay %S, %g on "value" : !S
    %S2 = rwkv.write %S1[], %v : !S
    rwkv.yield %y, %S2 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// scan-transform
// Legal for chunk, not for scan: a transform mixes elements.
!vectors = tensor<?x?x2x4xf32>
!blocks = tensor<?x?x2x2x2x2xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_R: !blocks, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule scan is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors, %R = %in_R : !blocks)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    // expected-note @below {{L5: it mixes the elements of a state}}
    %S1 = rwkv.transform %S, %R on "key0" : !S, tensor<2x2x2xf32>
    %S2 = rwkv.write %S1[%k], %v : !S
    %o = rwkv.read %S2[%q] : !S
    rwkv.yield %o, %S2 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// set-matrix
// A matrix state that is overwritten, by something that does not even depend on it.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!k = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule scan is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %kk = rwkv.broadcast %k on [0] : !k -> tensor<4x4xf32>
    %vv = rwkv.broadcast %v on [1] : !v -> tensor<4x4xf32>
    %z = arith.mulf %kk, %vv : tensor<4x4xf32>
    // expected-note @below {{L1: it overwrites the state, which is then no longer affine in its past}}
    %S1 = rwkv.set %S, %z : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// set
// A state that is overwritten is not affine in its past: chunk and scan must refuse, step runs.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<|4xf32>
func.func @f(%in_v: !vectors, %in_c: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule scan is not legal}}
  %r:2 = rwkv.recurrence
      over(%v = %in_v : !vectors, %c = %in_c : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[] : !S
    %cy = arith.mulf %c, %y : !v
    %e = arith.addf %v, %cy : !v
    %n = math.tanh %e : !v
    // expected-note @below {{L1: it overwrites the state, which is then no longer affine in its past}}
    %S1 = rwkv.set %S, %n : !S
    rwkv.yield %n, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// scan-peek
// Legal for chunk, not for scan: a read sees what a transform has mixed.
!vectors = tensor<?x?x2x4xf32>
!blocks = tensor<?x?x2x2x2x2xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_R: !blocks, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule scan is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors, %R = %in_R : !blocks)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %S1 = rwkv.write %S[%k], %v : !S
    // expected-note @below {{L5: a read sees the elements of a state mixed}}
    %P = rwkv.transform %S1, %R on "key0" : !S, tensor<2x2x2xf32>
    %o = rwkv.read %P[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}
