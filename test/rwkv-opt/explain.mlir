// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the compiler says of a recurrence: its states, events, reads and normal form, which schedules are legal, which one is
// chosen, and what it costs.

// DEFINE: %{x} = --argument 1x256x2x64xf32
// DEFINE: %{s} = --argument 1x2x64x64xf32
// DEFINE: %{f} = --function delta %{x} %{x} %{x} --argument 1x256x2xf32 %{s}
// RUN: split-file %s %t

// One with sizes, chosen and predicted; numbers are tested where they come from.
// RUN: rwkv-opt %t/delta.mlir %{f} --rwkv-explain --target=x86-64-v3 | FileCheck %s --check-prefixes=DELTA,SIZED
// RUN: rwkv-opt %t/delta.mlir %{f} --emit=explain --target=x86-64-v3 | FileCheck %s --check-prefixes=DELTA,SIZED
// RUN: rwkv-opt %t/delta.mlir %{f} --rwkv-explain --target=aarch64 | FileCheck %s --check-prefix=AARCH64
// Without sizes, from stdin, to a file.
// RUN: rwkv-opt --rwkv-explain -o %t/out < %t/delta.mlir
// RUN: FileCheck %t/delta.mlir --check-prefix=OPEN --input-file=%t/out
// RUN: FileCheck %s --check-prefixes=DELTA,UNSIZED --input-file=%t/out

// DELTA: {{.*}}:{{[0-9]+}}:{{[0-9]+}}: recurrence with 1 state, 3 reads
// DELTA-EMPTY:
// SIZED-NEXT: state S0 [key0 = 64, value = 64]
// UNSIZED-NEXT: state S0 [key0 = ?, value = ?]
// Events have a number, reads have none; each stands beside its line of the text.
// DELTA-NEXT: {{^}}    1  decay all elements by one number in [-0.5000, 0.0000], asserted %S1 = rwkv.decay %S, %gt on "all" bound [-0.5 : f32, 0.0 : f32] : !S
// DELTA-NEXT: {{^}}       read, fed back into a write %y = rwkv.read %S1[%kt] : !S
// DELTA-NEXT: {{^}}    2  add an outer product %S2 = rwkv.write %S1[%kt], %e : !S
// DELTA-NEXT: {{^}}       read, through a peek of 1 event %p = rwkv.read %P[%qt] : !S
// DELTA-NEXT: {{^}}       read %o = rwkv.read %S2[%qt] : !S
// DELTA-EMPTY:
// DELTA-NEXT: normal form
// DELTA-NEXT:   S0: S' = G S + sum of b z, affine in the past; z depends on 1 read: C tokens are a unit lower triangular system
// DELTA-EMPTY:
// DELTA-NEXT: schedules
// DELTA-NEXT: {{^}}  step    legal{{$}}
// The rule, the reason, the place and its line.
// DELTA-NEXT: {{^}}  scan    no: it depends on what this token reads from the state, so elements do not run on their own (L2)
// DELTA-NEXT: {{^}}          at {{.*}}:[[#]]:[[#]]: %S2 = rwkv.write %S1[%kt], %e : !S
// DELTA-NEXT: {{^}}  chunk   legal{{$}}
// SIZED-NEXT: {{^}}  chosen  {{step|chunk, C = [0-9]+}}{{$}}
// SIZED-EMPTY:
// SIZED-NEXT: predicted for x86-64-v3, per token and head
// SIZED-NEXT: schedule multiply-adds exponentials bytes on chip time
// SIZED-NEXT: {{^(\* | )step( [0-9]+){5}$}}
// SIZED-NEXT: {{^(\* | )chunk 8( [0-9]+){5}$}}
// SIZED-NEXT: {{^(\* | )chunk 16( [0-9]+){5}$}}
// SIZED-NEXT: {{^(\* | )chunk 32( [0-9]+){5}$}}
// SIZED-NEXT: {{^(\* | )chunk 64( [0-9]+){5}$}}
// SIZED-NEXT:   bytes: operands and outputs of a token; on chip: bytes of one head while it runs; time: in vector instructions
// SIZED-NOT: {{.}}
// UNSIZED-NEXT: {{^}}  chosen  step{{$}}
// UNSIZED-EMPTY:
// UNSIZED-NEXT: Sizes are not known: give --function and --argument for predictions.
// UNSIZED-NOT: {{.}}
// AARCH64: predicted for aarch64, per token and head

// A schedule that the text gives is not chosen; its row is there, though it is no power of two, and marked. So is that of a
// scan. Decays and bounds that nobody asserts.
// RUN: rwkv-opt %t/given.mlir --function chunk %{x} %{x} %{x} %{s} --rwkv-explain --target=x86-64-v3 | FileCheck %s --check-prefix=GIVEN
// RUN: rwkv-opt %t/given.mlir --rwkv-explain | FileCheck %s --check-prefixes=BOTH

// GIVEN: recurrence with 1 state, 1 read
// GIVEN: {{^}}    1  decay key axis 0, no bound is known %S1 =
// GIVEN: S0: S' = G S + sum of b z, affine in the past; z does not depend on S: C tokens are matrix products without a system
// GIVEN: {{^}}  scan    legal
// GIVEN-NEXT: {{^}}  chunk   legal
// GIVEN-NEXT: {{^}}  given   chunk, C = 24{{$}}
// GIVEN: predicted for
// GIVEN-NOT: {{^\*}}
// GIVEN: {{^}}  chunk 64
// GIVEN-NEXT: {{^}}* chunk 24
// GIVEN-NOT: {{^\*}}
// Only the function that is named.
// GIVEN-NOT: recurrence
// BOTH: {{^}}  given   chunk, C = 24{{$}}
// BOTH: {{^}}  given   scan, C = 8{{$}}

// Several states, and the order in which they can be computed; every kind of event; nothing but step.
// RUN: rwkv-opt %t/states.mlir --rwkv-explain | FileCheck %s --check-prefix=STATES

// STATES: recurrence with 3 states, 3 reads
// STATES: state S0 [key0 = ?, key1 = 4, value = ?]
// STATES-NEXT: {{^}}    1  decay key axis 1, no bound is known
// STATES-NEXT: {{^}}    2  mix key axis 1 in blocks of 2 %S2
// STATES-NEXT: {{^}}    3  add an outer product of several keys
// STATES-NEXT: {{^}}       read %y = rwkv.read
// STATES: state S1 [value = ?]
// STATES-NEXT: {{^}}       read %m = rwkv.read
// STATES-NEXT: {{^}}    1  decay the value axis, no bound is known
// STATES-NEXT: {{^}}    2  add a vector
// STATES: state S2 [value = ?]
// STATES-NEXT: {{^}}       read
// STATES-NEXT: {{^}}       it never changes
// STATES: order: S1, then S2, then S0; what is read from an earlier one is an input of the later ones
// STATES: normal form
// STATES-NEXT: {{^}}  S1: S' = G S + sum of b z
// STATES-NEXT: {{^}}  S2: S' = G S + sum of b z
// STATES-NEXT: {{^}}  S0: S' = G S + sum of b z
// STATES: schedules
// STATES: {{^}}  scan    no: it mixes the elements of a state (L5)
// STATES-NEXT: {{^}}          at {{.*}}states.mlir:[[#]]:11: %S2 = rwkv.transform %S1, %Rt
// STATES: {{^}}  chosen  step

// Transforms that are asserted to be orthogonal.
// RUN: sed 's/rwkv.transform \(.*\) : !S, /rwkv.transform \1 orthogonal : !S, /' %t/states.mlir > %t/turned.mlir
// RUN: rwkv-opt %t/turned.mlir --rwkv-explain | FileCheck %s --check-prefix=TURNED
// TURNED: {{^}}    2  turn key axis 1 in blocks of 2, asserted to be orthogonal %S2

// Overwritten states have no normal form.
// RUN: rwkv-opt %t/overwritten.mlir --rwkv-explain | FileCheck %s --check-prefix=NONE
// NONE: {{^}}    1  raise every element to a maximum
// NONE: {{^}}    1  overwrite
// NONE: normal form
// NONE-NEXT: {{^}}  S0: every element on its own, S' = d S + u
// NONE-NEXT: {{^}}  S1: none
// NONE: {{^}}  scan    no: {{.+}} (L[[#]])
// NONE-NEXT: {{^}}          at {{.*}}overwritten.mlir:[[#]]:[[#]]: {{.+}}
// NONE-NEXT: {{^}}  chunk   no: it overwrites the state, which is then no longer affine in its past (L1)
// NONE-NEXT: {{^}}          at {{.*}}overwritten.mlir:[[#]]:[[#]]: %H1 = rwkv.set %H, %z : !S

// States that are held, and their counter: what they do, how they are known, and which lengths that allows.
// DEFINE: %{h} = --function held %{x} --argument 1x2x64x64xf32 --argument 1x2x64x64xf32 --argument 1x2x1xf32
// RUN: rwkv-opt %t/held.mlir %{h} --rwkv-explain --target=x86-64-v3 | FileCheck %s --check-prefix=HELD
// HELD: recurrence with 3 states, 2 reads
// HELD: state S0 [key0 = 64, value = 64]
// HELD: state S1 [key0 = 64, value = 64]
// HELD-NEXT: {{^}}    1  hold another state as it was before this token, if the counter is 0 %B1 = rwkv.hold %B, %S at %n : !S
// HELD-NEXT: {{^}}       read %y = rwkv.read %B1[%kt] : !S
// HELD: state S2 [value = 1]
// HELD-NEXT: {{^}}    1  count tokens, from 0 again after 24 %n1 = rwkv.count %n every 24 : !N
// HELD: order: S1, then S2, then S0; what is read from an earlier one is an input of the later ones
// HELD: normal form
// HELD-NEXT: {{^}}  S1: the same for all tokens of a chunk{{$}}
// HELD-NEXT: {{^}}  S2: known for all tokens{{$}}
// HELD-NEXT: {{^}}  S0: S' = G S + sum of b z, affine in the past; z does not depend on S: C tokens are matrix products without a system
// HELD: {{^}}  step    legal{{$}}
// HELD-NEXT: {{^}}  scan    legal, of lengths that divide 24{{$}}
// HELD-NEXT: {{^}}  chunk   legal, of lengths that divide 24{{$}}
// HELD: predicted for
// HELD: {{^(\* | )chunk 8 }}
// HELD-NOT: {{^(\* | )chunk (16|32|64|128) }}
// RUN: rwkv-opt %t/held.mlir --emit=picture | %python %S/Inputs/picture.py - | FileCheck %s --check-prefix=SVGHELD
// SVGHELD: box hold: %B1 = rwkv.hold
// SVGHELD: box count to 24: %n1 = rwkv.count

// A picture of the first recurrence: well-formed, a box for each event, dashed for a peek, a circle for each read.
// RUN: rwkv-opt %t/delta.mlir %{f} --emit=picture -o %t/delta.svg
// RUN: %python %S/Inputs/picture.py %t/delta.svg | FileCheck %s --check-prefix=SVG
// RUN: rwkv-opt %t/states.mlir --emit=picture | %python %S/Inputs/picture.py - | FileCheck %s --check-prefix=SVGSTATES
// RUN: rwkv-opt %t/overwritten.mlir --emit=picture | %python %S/Inputs/picture.py - | FileCheck %s --check-prefix=SVGNONE

// SVG: lane S0 [64 x 64]
// SVG-NEXT: box decay all: %S1 = rwkv.decay
// SVG-NEXT: box write: %S2 = rwkv.write
// SVG-NEXT: circle: %y = rwkv.read %S1[%kt] : !S
// SVG-NEXT: dashed box write: %P = rwkv.write
// SVG-NEXT: circle: %p = rwkv.read %P[%qt] : !S
// SVG-NEXT: circle: %o = rwkv.read %S2[%qt] : !S
// SVG-NEXT: schedule step
// SVG-NEXT: schedule scan
// SVG-NEXT: schedule chunk
// SVG-NOT: {{.}}

// SVGSTATES: lane S0 [K x 4 x V]
// SVGSTATES-NEXT: box decay key1
// SVGSTATES-NEXT: box transform key1
// SVGSTATES-NEXT: box write
// SVGSTATES-NEXT: lane S1 [V]
// SVGSTATES-NEXT: box decay value
// SVGSTATES-NEXT: box write
// SVGSTATES-NEXT: lane S2 [V]
// SVGSTATES-COUNT-3: circle
// SVGSTATES-NOT: circle
// SVGNONE: box maximum
// SVGNONE: box set

// What there is nothing to say of.
// RUN: not rwkv-opt %t/none.mlir --rwkv-explain 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not rwkv-opt %t/none.mlir --emit=picture -o %t/none.svg 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not ls %t/none.svg
// EMPTY: none.mlir:{{[0-9]+}}:{{[0-9]+}}: error: expected a recurrence to explain, found none
// RUN: not rwkv-opt %t/delta.mlir --function other %{x} --rwkv-explain 2>&1 | FileCheck %s --check-prefix=FUNCTION
// FUNCTION: delta.mlir:{{[0-9]+}}:{{[0-9]+}}: error: expected the name of a function outside of models (delta), but got 'other'
// RUN: not rwkv-opt %t/delta.mlir --function delta %{x} --rwkv-explain 2>&1 | FileCheck %s --check-prefix=COUNT
// COUNT: delta.mlir:[[#]]:1: error: expected 5 arguments for 'delta', but got 1
// RUN: not rwkv-opt %t/delta.mlir --rwkv-explain --target=z80 2>&1 | FileCheck %s --check-prefix=TARGET
// TARGET: delta.mlir:{{.*}} error: unknown target 'z80'; expected host, x86-64-v3, x86-64-v4, x86-64-amx, aarch64, {{.*}} or gfx942

//--- delta.mlir
// OPEN: {{^}}-:[[#@LINE+9]]:10: recurrence
// OPEN: at -:[[#@LINE+13]]:11: %S2 = rwkv.write
!H = tensor<?x?x?x?xf32>
!g = tensor<?x?x?xf32>
!S = !rwkv.state<?|?xf32>
!v = tensor<?xf32>

func.func @delta(%q: !H, %k: !H, %v: !H, %g: !g, %s0: !H) -> (!H, !H, !H) {
  // The first line of the text that belongs to it.
  %r:3 = rwkv.recurrence over(%qt = %q : !H, %kt = %k : !H, %vt = %v : !H, %gt = %g : !g)
      init(%S = %s0 : !H) -> (!H, !H, !H) {
    %S1 = rwkv.decay %S, %gt on "all" bound [-0.5 : f32, 0.0 : f32] : !S
    %y = rwkv.read %S1[%kt] : !S  // comments are left out
    %e = arith.subf %vt, %y : !v
    %S2 = rwkv.write %S1[%kt], %e : !S
    %P = rwkv.write %S2[%qt], %vt : !S
    %p = rwkv.read %P[%qt] : !S
    %o = rwkv.read %S2[%qt] : !S
    rwkv.yield %o, %p, %S2 : !v, !v, !S
  }
  return %r#0, %r#1, %r#2 : !H, !H, !H
}

//--- given.mlir
!H = tensor<?x?x?x?xf32>
!S = !rwkv.state<?|?xf32>

func.func @chunk(%q: !H, %k: !H, %g: !H, %s0: !H) -> (!H, !H) {
  %o, %s = rwkv.recurrence over(%qt = %q : !H, %kt = %k : !H, %gt = %g : !H) init(%S = %s0 : !H) -> (!H, !H) {
    %S1 = rwkv.decay %S, %gt on "key0" : !S
    %S2 = rwkv.write %S1[%kt], %kt : !S
    %z = rwkv.read %S2[%qt] : !S
    rwkv.yield %z, %S2 : tensor<?xf32>, !S
  } attributes {schedule = #rwkv.schedule<chunk, C = 24>}
  return %o, %s : !H, !H
}

func.func @scan(%k: !H, %s0: !H) -> (!H, !H) {
  %o, %s = rwkv.recurrence over(%kt = %k : !H) init(%S = %s0 : !H) -> (!H, !H) {
    %S1 = rwkv.write %S[%kt], %kt : !S
    %z = rwkv.read %S1[%kt] : !S
    rwkv.yield %z, %S1 : tensor<?xf32>, !S
  } attributes {schedule = #rwkv.schedule<scan, C = 8>}
  return %o, %s : !H, !H
}

//--- states.mlir
!H = tensor<?x?x?x?xf32>
!J = tensor<?x?x?x4xf32>
!R = tensor<?x?x?x2x2x2xf32>
!S0 = tensor<?x?x?x4x?xf32>
!V0 = tensor<?x?x?xf32>
!S = !rwkv.state<?x4|?xf32>
!V = !rwkv.state<|?xf32>
!v = tensor<?xf32>

func.func @states(%k: !H, %v: !H, %j: !J, %R: !R, %s0: !S0, %m0: !V0) -> (!H, !S0, !V0, !V0) {
  %o:4 = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H, %jt = %j : !J, %Rt = %R : !R)
      init(%S = %s0 : !S0, %M = %m0 : !V0, %N = %m0 : !V0) -> (!H, !S0, !V0, !V0) {
    %m = rwkv.read %M[] : !V
    %n = rwkv.read %N[] : !V
    %w = arith.addf %m, %n : !v
    %S1 = rwkv.decay %S, %jt on "key1" : !S
    %S2 = rwkv.transform %S1, %Rt on "key1" : !S, tensor<2x2x2xf32>
    %S3 = rwkv.write %S2[%kt, %jt], %w : !S
    %y = rwkv.read %S3[%kt, %jt] : !S
    %M1 = rwkv.decay %M, %vt on "value" : !V
    %M2 = rwkv.write %M1[], %vt : !V
    rwkv.yield %y, %S3, %M2, %N : !v, !S, !V, !V
  }
  return %o#0, %o#1, %o#2, %o#3 : !H, !S0, !V0, !V0
}

//--- overwritten.mlir
!H = tensor<?x?x?x?xf32>
!V0 = tensor<?x?x?xf32>
!S = !rwkv.state<|?xf32>

func.func @overwritten(%k: !H, %v: !H, %m0: !V0, %h0: !V0) -> (!H, !V0, !V0) {
  %o:3 = rwkv.recurrence over(%kt = %k : !H, %vt = %v : !H) init(%M = %m0 : !V0, %H = %h0 : !V0) -> (!H, !V0, !V0) {
    %M1 = rwkv.maximum %M, %kt, %vt : !S
    %m = rwkv.read %M1[] : !S
    %h = rwkv.read %H[] : !S
    %a = arith.addf %h, %m : tensor<?xf32>
    %z = math.tanh %a : tensor<?xf32>
    %H1 = rwkv.set %H, %z : !S
    rwkv.yield %z, %M1, %H1 : tensor<?xf32>, !S, !S
  }
  return %o#0, %o#1, %o#2 : !H, !V0, !V0
}

//--- held.mlir
!H = tensor<?x?x?x?xf32>
!N0 = tensor<?x?x1xf32>
!S = !rwkv.state<?|?xf32>
!N = !rwkv.state<|1xf32>

func.func @held(%k: !H, %s0: !H, %b0: !H, %n0: !N0) -> (!H, !H, !H, !N0) {
  %o:4 = rwkv.recurrence over(%kt = %k : !H) init(%S = %s0 : !H, %B = %b0 : !H, %n = %n0 : !N0) -> (!H, !H, !H, !N0) {
    %B1 = rwkv.hold %B, %S at %n : !S
    %n1 = rwkv.count %n every 24 : !N
    %y = rwkv.read %B1[%kt] : !S
    %z = math.tanh %y : tensor<?xf32>
    %S1 = rwkv.write %S[%kt], %z : !S
    %q = rwkv.read %S1[%kt] : !S
    rwkv.yield %q, %S1, %B1, %n1 : tensor<?xf32>, !S, !S, !N
  }
  return %o#0, %o#1, %o#2, %o#3 : !H, !H, !H, !N0
}

//--- none.mlir
func.func @f(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %0 = rwkv.silu %x : tensor<?x?x8xf32>
  return %0 : tensor<?x?x8xf32>
}
