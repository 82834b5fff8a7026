// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every way in which a transition can keep a region from its chunk form: what is said, and where.
// RUN: rwkv-opt %s --pass-pipeline='builtin.module(func.func(rwkv-schedule{schedule=chunk}))' -verify-diagnostics -split-input-file

// cycle-decay
// L2 across states: what is read from A is a decay of B, and what is read from B is a value of A.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!k = tensor<4xf32>
!A = !rwkv.state<4|4xf32>
!B = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_A: !state, %in_B: !state)
    -> (!vectors, !state, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:3 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%A = %in_A : !state, %B = %in_B : !state) -> (!vectors, !state, !state) {
    %ya = rwkv.read %A[%q] : !A
    %p = rwkv.sigmoid %ya : !k
    %g = arith.negf %p : !k
    // expected-note @below {{L2: the logarithm depends on what this token reads from the state, so the transition is not known before the state is}}
    %B1 = rwkv.decay %B, %g on "key0" : !B
    %B2 = rwkv.write %B1[%k], %v : !B
    %yb = rwkv.read %B2[%q] : !B
    %A1 = rwkv.write %A[%k], %yb : !A
    %o = rwkv.read %A1[%q] : !A
    rwkv.yield %o, %A1, %B2 : !v, !A, !B
  }
  return %r#0, %r#1, %r#2 : !vectors, !state, !state
}

// -----

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
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:3 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%A = %in_A : !state, %B = %in_B : !state) -> (!vectors, !state, !state) {
    %ya = rwkv.read %A[%q] : !A
    %kb = math.tanh %ya : !k
    // expected-note @below {{L2: the key depends on what this token reads from the state, so the transition is not known before the state is}}
    %B1 = rwkv.write %B[%kb], %v : !B
    %yb = rwkv.read %B1[%q] : !B
    %e = arith.subf %v, %yb : !v
    %A1 = rwkv.write %A[%k], %e : !A
    %o = rwkv.read %A1[%q] : !A
    rwkv.yield %o, %A1, %B1 : !v, !A, !B
  }
  return %r#0, %r#1, %r#2 : !vectors, !state, !state
}

// -----

// cycle-nonlinear
// L3 across states: A feeds B through tanh, B feeds A affinely.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!A = !rwkv.state<4|4xf32>
!B = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_A: !state, %in_B: !state)
    -> (!vectors, !state, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:3 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%A = %in_A : !state, %B = %in_B : !state) -> (!vectors, !state, !state) {
    %ya = rwkv.read %A[%q] : !A
    // expected-note @below {{L3: what is read goes through 'math.tanh', so the value written is not affine in it with one coefficient for the whole value axis}}
    %z = math.tanh %ya : !v
    %B1 = rwkv.write %B[%k], %z : !B
    %yb = rwkv.read %B1[%q] : !B
    %A1 = rwkv.write %A[%k], %yb : !A
    %o = rwkv.read %A1[%q] : !A
    rwkv.yield %o, %A1, %B1 : !v, !A, !B
  }
  return %r#0, %r#1, %r#2 : !vectors, !state, !state
}

// -----

// each-chunk
// Legal for scan, not for chunk: a decay of every element has no separate factors for keys and values.
!vectors = tensor<?x?x2x4xf32>
!matrices = tensor<?x?x2x4x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_g: !matrices, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors, %g = %in_g : !matrices)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    // expected-note @below {{L5: it decays each element on its own: there is no matrix form}}
    %S1 = rwkv.decay %S, %g on "each" : !S
    %S2 = rwkv.write %S1[%k], %v : !S
    %o = rwkv.read %S2[%q] : !S
    rwkv.yield %o, %S2 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// each-correction
// A decay of every element, and a correction: neither separable (chunk) nor elementwise (scan).
!vectors = tensor<?x?x2x4xf32>
!matrices = tensor<?x?x2x4x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_g: !matrices, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors, %g = %in_g : !matrices)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    // expected-note @below {{L5: it decays each element on its own: there is no matrix form}}
    %S1 = rwkv.decay %S, %g on "each" : !S
    %y = rwkv.read %S1[%k] : !S
    %e = arith.subf %v, %y : !v
    %S2 = rwkv.write %S1[%k], %e : !S
    %o = rwkv.read %S2[%q] : !S
    rwkv.yield %o, %S2 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// each-transform
// A decay of every element, and a transform: neither separable (chunk) nor elementwise (scan).
!vectors = tensor<?x?x2x4xf32>
!matrices = tensor<?x?x2x4x4xf32>
!blocks = tensor<?x?x2x2x2x2xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_g: !matrices, %in_R: !blocks, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors, %g = %in_g : !matrices,
            %R = %in_R : !blocks)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    // expected-note @below {{L5: it decays each element on its own: there is no matrix form}}
    %S1 = rwkv.decay %S, %g on "each" : !S
    %S2 = rwkv.transform %S1, %R on "key0" : !S, tensor<2x2x2xf32>
    %S3 = rwkv.write %S2[%k], %v : !S
    %o = rwkv.read %S3[%q] : !S
    rwkv.yield %o, %S3 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l2-decay-all
// L2: a decay (scalar) depends on a read of the same state.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[%q] : !S
    %s = rwkv.sum %y over 0 : !v -> f32
    %p = rwkv.softplus %s : f32
    %g = arith.negf %p : f32
    // expected-note @below {{L2: the logarithm depends on what this token reads from the state, so the transition is not known before the state is}}
    %S1 = rwkv.decay %S, %g on "all" : !S
    %S2 = rwkv.write %S1[%k], %v : !S
    %o = rwkv.read %S2[%q] : !S
    rwkv.yield %o, %S2 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l2-decay-key
// L2: the decay of each key depends on a read of the same state.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!k = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[%q] : !S
    %p = rwkv.sigmoid %y : !k
    %g = arith.negf %p : !k
    // expected-note @below {{L2: the logarithm depends on what this token reads from the state, so the transition is not known before the state is}}
    %S1 = rwkv.decay %S, %g on "key0" : !S
    %S2 = rwkv.write %S1[%k], %v : !S
    %o = rwkv.read %S2[%q] : !S
    rwkv.yield %o, %S2 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l2-decay-value
// L2: the decay of each value depends on a read of the same state.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[%q] : !S
    %p = rwkv.sigmoid %y : !v
    %g = arith.negf %p : !v
    // expected-note @below {{L2: the logarithm depends on what this token reads from the state, so the transition is not known before the state is}}
    %S1 = rwkv.decay %S, %g on "value" : !S
    %S2 = rwkv.write %S1[%k], %v : !S
    %o = rwkv.read %S2[%q] : !S
    rwkv.yield %o, %S2 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l2-matrix
// L2: the matrix of a transform depends on a read of the same state. (The scalar is repeated to the matrix; the state has
// two keys, so the matrix is one block of 2 x 2.)
!vectors = tensor<?x?x2x2xf32>
!vectors_4 = tensor<?x?x2x4xf32>
!blocks = tensor<?x?x2x1x2x2xf32>
!state = tensor<?x2x2x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<2|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors_4, %in_R: !blocks, %in_S: !state)
    -> (!vectors_4, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors_4, %R = %in_R : !blocks)
      init(%S = %in_S : !state) -> (!vectors_4, !state) {
    %y = rwkv.read %S[%q] : !S
    %s = rwkv.sum %y over 0 : !v -> f32
    %t = math.tanh %s : f32
    %tm = rwkv.broadcast %t : f32 -> tensor<1x2x2xf32>
    %Rt = arith.mulf %tm, %R : tensor<1x2x2xf32>
    // expected-note @below {{L2: the matrix depends on what this token reads from the state, so the transition is not known before the state is}}
    %S1 = rwkv.transform %S, %Rt on "key0" : !S, tensor<1x2x2xf32>
    %S2 = rwkv.write %S1[%k], %v : !S
    %o = rwkv.read %S2[%q] : !S
    rwkv.yield %o, %S2 : !v, !S
  }
  return %r#0, %r#1 : !vectors_4, !state
}

// -----

// l2-read-key
// L2: the key of a read (%z) depends on a read of the same state (%y), and %z feeds a write.
// The same read for the output alone would be legal.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!k = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[%q] : !S
    %kk = arith.negf %y : !k
    // expected-note @below {{L3: what is read is not used as it is: it is a key of a read, so the value written is not affine in it with one coefficient for the whole value axis}}
    %z = rwkv.read %S[%kk] : !S
    %e = arith.subf %v, %z : !v
    %S1 = rwkv.write %S[%k], %e : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
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
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[%q] : !S
    %s = rwkv.dot %y, %v : !v -> f32
    %c = rwkv.sigmoid %s : f32
    // expected-note @below {{L2: the scale depends on what this token reads from the state, so the transition is not known before the state is}}
    %S1 = rwkv.write %S[%k], %v scale %c : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l2-write-key
// L2: the key of a write (%kk) depends on a read of the same state and token. chunk must refuse, step runs.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!k = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[%q] : !S
    %kk = math.tanh %y : !k
    // expected-note @below {{L2: the key depends on what this token reads from the state, so the transition is not known before the state is}}
    %S1 = rwkv.write %S[%kk], %v : !S
    %o = rwkv.read %S1[%k] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}
