// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every way in which a written value, or an overwritten state, can keep a region from its chunk form.
// RUN: rwkv-opt %s --pass-pipeline='builtin.module(func.func(rwkv-schedule{schedule=chunk}))' -verify-diagnostics -split-input-file

// l3-max
// L3: the maximum of a read and an input is not affine.
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
    %y = rwkv.read %S[%k] : !S
    // expected-note @below {{L3: what is read goes through 'arith.maximumf', so the value written is not affine in it with one coefficient for the whole value axis}}
    %z = arith.maximumf %y, %v : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l3-mixed-values
// L3: a sum over the value axis, repeated along it: linear in the read, but it mixes values.
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
    %y = rwkv.read %S[%k] : !S
    // expected-note @below {{L3: what is read goes through 'rwkv.sum', so the value written is not affine in it with one coefficient for the whole value axis}}
    %s = rwkv.sum %y over 0 : !v -> f32
    %b = rwkv.broadcast %s : f32 -> !v
    %e = arith.subf %v, %b : !v
    %S1 = rwkv.write %S[%k], %e : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l3-not-uniform
// L3: the coefficient of a read is a vector along the value axis, not the same number everywhere.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_c: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors, %c = %in_c : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[%k] : !S
    // expected-note @below {{L3: what is read is not used as it is: it is multiplied by a vector, so the value written is not affine in it with one coefficient for the whole value axis}}
    %cy = arith.mulf %c, %y : !v
    %e = arith.subf %v, %cy : !v
    %S1 = rwkv.write %S[%k], %e : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l3-product-of-reads
// L3: a read as the coefficient of another one, through a scalar.
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
    %y = rwkv.read %S[%k] : !S
    %x = rwkv.read %S[%q] : !S
    %s = rwkv.dot %x, %v : !v -> f32
    %b = rwkv.broadcast %s : f32 -> !v
    %z = arith.mulf %b, %y : !v
    // expected-note @below {{L3: the coefficient of what is read depends on the state itself}}
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l3-quotient
// L3: a read of the same state in a divisor.
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
    %y = rwkv.read %S[%k] : !S
    %one = rwkv.fill 1.0 : !v
    %d = arith.addf %one, %y : !v
    // expected-note @below {{L3: what is read is not used as it is: it is divided by, so the value written is not affine in it with one coefficient for the whole value axis}}
    %z = arith.divf %v, %d : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l3-square
// L3: a written value is the square of a read of the same state.
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
    // expected-note @below {{L3: what is read is not used as it is: it is multiplied by a vector, so the value written is not affine in it with one coefficient for the whole value axis}}
    %z = arith.mulf %y, %y : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l3-tanh
// L3: a written value is a nonlinear function of a read of the same state.
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
    %y = rwkv.read %S[%k] : !S
    %e = arith.subf %v, %y : !v
    // expected-note @below {{L3: what is read goes through 'math.tanh', so the value written is not affine in it with one coefficient for the whole value axis}}
    %z = math.tanh %e : !v
    %S1 = rwkv.write %S[%k], %z : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l4-two-states
// L4: two states feed each other, affinely, and one of them decays along its value axis: their values are in different
// frames after the first token, wherever the decay stands.
!vectors = tensor<?x?x2x4xf32>
!scalars = tensor<?x?x2xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!A = !rwkv.state<4|4xf32>
!B = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_g: !vectors, %in_c: !scalars,
      %in_d: !scalars, %in_A: !state, %in_B: !state)
    -> (!vectors, !state, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:3 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors, %g = %in_g : !vectors,
            %c = %in_c : !scalars, %d = %in_d : !scalars)
      init(%A = %in_A : !state, %B = %in_B : !state) -> (!vectors, !state, !state) {
    // expected-note @below {{L4: the value axis is scaled between a read and the write that it feeds}}
    %A1 = rwkv.decay %A, %g on "value" : !A
    %ya = rwkv.read %A1[%k] : !A
    %yb = rwkv.read %B[%k] : !B
    %A2 = rwkv.write %A1[%q], %yb scale %c : !A
    %B1 = rwkv.write %B[%q], %ya scale %d : !B
    %o = rwkv.read %B1[%q] : !B
    rwkv.yield %o, %A2, %B1 : !v, !A, !B
  }
  return %r#0, %r#1, %r#2 : !vectors, !state, !state
}

// -----

// l4-value-decay-peek
// L4: as l4-value-decay, but what decays along the value axis is a peek that is read for the correction.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_g: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors, %g = %in_g : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    // expected-note @below {{L4: the value axis is scaled between a read and the write that it feeds}}
    %P = rwkv.decay %S, %g on "value" : !S
    %y = rwkv.read %P[%k] : !S
    %e = arith.subf %v, %y : !v
    %S1 = rwkv.write %S[%k], %e : !S
    %o = rwkv.read %S1[%q] : !S
    rwkv.yield %o, %S1 : !v, !S
  }
  return %r#0, %r#1 : !vectors, !state
}

// -----

// l4-value-decay
// L4: the state decays along its value axis between a read and the write that it feeds. With the decay before the read
// it would be legal.
!vectors = tensor<?x?x2x4xf32>
!state = tensor<?x2x4x4xf32>
!v = tensor<4xf32>
!S = !rwkv.state<4|4xf32>
func.func @f(%in_q: !vectors, %in_k: !vectors, %in_v: !vectors, %in_g: !vectors, %in_S: !state)
    -> (!vectors, !state) {
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
  %r:2 = rwkv.recurrence
      over(%q = %in_q : !vectors, %k = %in_k : !vectors, %v = %in_v : !vectors, %g = %in_g : !vectors)
      init(%S = %in_S : !state) -> (!vectors, !state) {
    %y = rwkv.read %S[%k] : !S
    // expected-note @below {{L4: the value axis is scaled between a read and the write that it feeds}}
    %S1 = rwkv.decay %S, %g on "value" : !S
    %e = arith.subf %v, %y : !v
    %S2 = rwkv.write %S1[%k], %e : !S
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
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
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
  // expected-error @below {{'rwkv.recurrence' op schedule chunk is not legal}}
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
