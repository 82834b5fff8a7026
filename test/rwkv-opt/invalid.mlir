// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Errors of --emit: exit code 1, what was expected and what was found, and no output file.

// RUN: rm -rf %t && mkdir %t
// DEFINE: %{opt} = not rwkv-opt %s -o %t/out
// DEFINE: %{f} = --function f --argument 1x2x8xf32

// RUN: %{opt} %{f} --emit=asm --target=z80 2>&1 | FileCheck %s --check-prefix=TARGET
// TARGET: invalid.mlir:{{.*}} error: unknown target 'z80'; expected host, x86-64-v3, x86-64-v4, x86-64-amx, aarch64, sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120a or gfx942

// The same names, once each, are in the help; so are the tool's own options, but not those of code generators.
// RUN: rwkv-opt --help | FileCheck %s --check-prefix=HELP --implicit-check-not=--x86
// HELP: Targets: host, x86-64-v3, x86-64-v4, x86-64-amx, aarch64, sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120a
// HELP: Compiling a spec:
// HELP: --emit=
// HELP: General options:
// HELP: --rwkv-generalize

// RUN: %{opt} %{f} --emit=exe 2>&1 | FileCheck %s --check-prefix=KIND
// KIND: error: expected to emit explain, picture, mlir, llvm, asm, obj or pack, but got 'exe'

// RUN: %{opt} --rwkv-generalize --schedule=chunk 2>&1 | FileCheck %s --check-prefix=UNUSED
// UNUSED: rwkv-opt: error: expected --emit or --rwkv-explain beside --schedule, found neither

// RUN: %{opt} %{f} --emit=asm --param eps 2>&1 | FileCheck %s --check-prefix=PARAM
// PARAM: rwkv-opt: error: expected --param name=number, but got 'eps'
// RUN: %{opt} %{f} --emit=asm --param eps=small 2>&1 | FileCheck %s --check-prefix=NUMBER
// NUMBER: rwkv-opt: error: expected --param name=number, but got 'eps=small'

// RUN: %{opt} %{f} --emit=asm --param eps=1 2>&1 | FileCheck %s --check-prefix=PARAMS
// PARAMS: invalid.mlir:{{.*}} error: expected no params for a function outside of models, but got 'eps'
// RUN: %{opt} %{f} --emit=asm --fill=65537 2>&1 | FileCheck %s --check-prefix=FILL
// FILL: error: expected 0 to 65536 tasks to fill, or -1, but got 65537

// RUN: %{opt} --function f --emit=asm --argument 1x2x8 2>&1 | FileCheck %s --check-prefix=DTYPE
// DTYPE: error: expected the dtype of 'argument 0' to be f32, f16, bf16, f64, i32, .., but got '8'
// RUN: %{opt} --function f --emit=asm --argument 1xtwox8xf32 2>&1 | FileCheck %s --check-prefix=SHAPE
// SHAPE: rwkv-opt: error: expected --argument of the form 2x7x4x64xf32, but got '1xtwox8xf32'
// RUN: %{opt} --function f --emit=asm --argument 1x2x 2>&1 | FileCheck %s --check-prefix=END
// END: rwkv-opt: error: expected --argument of the form 2x7x4x64xf32, but got '1x2x'
// RUN: %{opt} --function f --emit=asm 2>&1 | FileCheck %s --check-prefix=COUNT
// COUNT: invalid.mlir:[[#]]:1: error: expected 1 argument{{s?}} for 'f', but got 0
// RUN: %{opt} --function f --emit=asm --argument 1x2x8xbf16 2>&1 | FileCheck %s --check-prefix=ELEMENTS
// ELEMENTS: invalid.mlir:[[#]]:1: error: expected argument 0 of 'f' to be {{.*}}, but got other elements (1x2x8xbf16)
// RUN: %{opt} --emit=asm --argument 1x2x8xf32 2>&1 | FileCheck %s --check-prefix=ALONE
// ALONE: rwkv-opt: error: expected --function beside --argument, found none
// RUN: %{opt} --function g --emit=asm 2>&1 | FileCheck %s --check-prefix=FUNCTION
// FUNCTION: error: expected the name of a function outside of models (f), but got 'g'
// RUN: %{opt} --emit=pack 2>&1 | FileCheck %s --check-prefix=MODEL
// MODEL: error: expected a 'rwkv.model' in the spec, but found none

// RUN: %{opt} --emit=pack --checkpoint %t/none.safetensors 2>&1 | FileCheck %s --check-prefix=CHECKPOINT
// CHECKPOINT: rwkv-opt: error: {{.*}}none.safetensors: cannot be opened: No such file or directory
// RUN: %{opt} --emit=pack --checkpoint %s 2>&1 | FileCheck %s --check-prefix=FORMAT
// FORMAT: rwkv-opt: error: {{.*}}invalid.mlir: {{.+}}

// RUN: not rwkv-opt %t/none.mlir --emit=asm 2>&1 | FileCheck %s --check-prefix=INPUT
// RUN: not rwkv-opt %t/none.mlir --canonicalize 2>&1 | FileCheck %s --check-prefix=INPUT
// INPUT: rwkv-opt: error: cannot read '{{.*}}none.mlir': No such file or directory
// RUN: not rwkv-opt %t --canonicalize 2>&1 | FileCheck %s --check-prefix=READ
// READ: rwkv-opt: error: cannot read '{{.*}}': Is a directory
// RUN: not rwkv-opt /dev/zero --emit=asm 2>&1 | FileCheck %s --check-prefix=ENDLESS
// RUN: not rwkv-opt --canonicalize < /dev/zero 2>&1 | FileCheck %s --check-prefix=ENDLESS
// ENDLESS: rwkv-opt: error: cannot read '{{/dev/zero|-}}': expected at most 256 MiB, found more
// RUN: echo "func.func @f() {" > %t/broken.mlir
// RUN: not rwkv-opt %t/broken.mlir --emit=asm -o %t/out 2>&1 | FileCheck %s --check-prefix=PARSE
// PARSE: broken.mlir:{{[0-9:]+}} error:
// RUN: rm %t/broken.mlir

// RUN: not rwkv-opt %s %{f} --emit=asm -o %t/none/out 2>&1 | FileCheck %s --check-prefix=OUTPUT
// OUTPUT: rwkv-opt: error: cannot write '{{.*}}none/out': No such file or directory
// RUN: not rwkv-opt %s %{f} --emit=asm -o %t 2>&1 | FileCheck %s --check-prefix=FOLDER
// FOLDER: rwkv-opt: error: cannot write '{{.*}}': Is a directory

// Nothing was left behind; a file that was there before a failure is still what it was.
// RUN: ls -A %t | count 0
// RUN: echo kept > %t/out
// RUN: %{opt} %{f} --emit=exe 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: FileCheck %s --check-prefix=KEPT --input-file=%t/out
// KEPT: kept

!X = tensor<?x?x8xf32, #rwkv.dims<B, T, D>>
func.func @f(%x: !X) -> !X {
  %0 = rwkv.silu %x : !X
  return %0 : !X
}
