// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-form-pipelines --verify-roundtrip | FileCheck %s
// RUN: rwkv-opt %s --tile-form-pipelines --remarks-filter=tile-form-pipelines -o %t 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: rwkv-opt %s --tile-form-pipelines --tile-lower-kernels -o %t
// RUN: sed 's/#rwkv.target<.*>}/#rwkv.target<"x86-64-v4", vector = 512, registers = 32, scratch = 65536>}/' %s | rwkv-opt --tile-form-pipelines | FileCheck %s --check-prefix=CPU

// Loops over chunks as pipelines, for machines that run them.
// CPU-NOT: tile.pipeline

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {

// What needs nothing that is carried is prepared. Values, whose columns are those of what is carried, pass as they are. Both
// phases have the address, and transposes, of their own; results are stored where they are made.
// CHECK-LABEL: tile.kernel @chunks(
// CHECK-SAME: %[[N:[a-z0-9]+]]: index, %{{[a-z0-9]+}}: index, %[[X:[a-z0-9]+]]: !tile.buffer<bf16>, %{{[a-z0-9]+}}: !tile.buffer<f32>, %[[Y:[a-z0-9]+]]:
// CHECK: %[[S0:.*]] = tile.load
// CHECK: %[[R:.*]] = tile.pipeline %[[C0:.*]] to %[[N]] step %[[C1:.*]] carries(%[[S0]]) : (tensor<64x64xf32>) -> tensor<64x64xf32>
// CHECK-NEXT: preparers 4 appliers 4 columns 16 tasks 2 pairs{{$}}
// CHECK-NEXT: prepare (%[[I:[a-z0-9]+]]: index) {
// CHECK-NEXT: %[[AT:.*]] = arith.muli %[[I]],
// CHECK-NEXT: %[[K:.*]] = tile.load %[[X]][%[[AT]]]
// CHECK-NEXT: %[[V:.*]] = tile.load %[[X]][%[[AT]]]
// CHECK-NEXT: %[[KT:.*]] = tile.transpose %[[K]]
// CHECK-NEXT: %[[A:.*]] = tile.dot %[[K]], %[[KT]]
// CHECK-NEXT: tile.pass %[[A]], %[[K]] : tensor<16x16xf32>, tensor<16x64xf32> columns %[[V]] : tensor<16x64xf32>
// CHECK-NEXT: } apply (%[[I:[a-z0-9]+]]: index, %[[S:[a-z0-9]+]]: tensor<64x64xf32>, %[[A:[a-z0-9]+]]: tensor<16x16xf32>, %[[K:[a-z0-9]+]]: tensor<16x64xf32>, %[[V:[a-z0-9]+]]: tensor<16x64xf32>) {
// CHECK-NEXT: %[[W:.*]] = tile.dot %[[A]], %[[V]]
// CHECK-NEXT: %[[O:.*]] = tile.dot %[[K]], %[[S]] {{.*}} acc %[[W]]
// CHECK-NEXT: %[[AT:.*]] = arith.muli %[[I]],
// CHECK-NEXT: tile.store %[[O]], %[[Y]][%[[AT]]]
// CHECK-NEXT: %[[KT:.*]] = tile.transpose %[[K]]
// CHECK-NEXT: %[[SN:.*]] = tile.dot %[[KT]], %[[V]] {{.*}} acc %[[S]]
// CHECK-NEXT: tile.carry %[[SN]] : tensor<64x64xf32>
// CHECK-NEXT: }
// CHECK-NEXT: tile.store %[[R]],
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

// A system is inverted where it is prepared, and the inverse passed. It is of rows and columns, whose numbers are made inside.
// CHECK-LABEL: tile.kernel @system(
// CHECK: tile.pipeline
// CHECK: tile.iota
// CHECK: %[[INVERSE:.*]] = tile.solve_unit_lower
// CHECK: tile.pass {{.*}}%[[INVERSE]]{{.*}} columns
// CHECK: } apply
// CHECK-NOT: tile.iota
// CHECK-NOT: tile.solve_unit_lower
// CHECK: tile.carry
tile.kernel @system(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                    %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %zeros = arith.constant dense<0.0> : tensor<16x16xf32>
  %rows = tile.iota 0 : tensor<16x16xi32>
  %columns = tile.iota 1 : tensor<16x16xi32>
  %below = arith.cmpi slt, %columns, %rows : tensor<16x16xi32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %at = arith.muli %i, %c1024 : index
    %k = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%at] : <bf16> -> tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %all = tile.dot %k, %kt precision tf32 : tensor<16x64xf32>, tensor<64x16xf32> -> tensor<16x16xf32>
    %A = arith.select %below, %all, %zeros : tensor<16x16xi1>, tensor<16x16xf32>
    %w = tile.dot %k, %S precision tf32 : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    %e = arith.subf %v, %w : tensor<16x64xf32>
    %u = tile.solve_unit_lower %A, %e : tensor<16x16xf32>, tensor<16x64xf32>
    tile.store %u, %y[%at] : tensor<16x64xf32>, <bf16>
    %Sn = tile.dot %kt, %u precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// Of a condition, the numbers that it is made of are passed.
// CHECK-LABEL: tile.kernel @condition(
// CHECK: tile.pipeline
// CHECK: %[[SUM:.*]] = tile.reduce sum %{{.*}} over 0 : tensor<64xf32> -> f32
// CHECK: tile.pass %[[SUM]], %{{.*}} : f32, tensor<64x16xf32> columns
// CHECK: } apply ({{.*}} %[[SUM:[a-z0-9]+]]: f32,
// CHECK: %[[LARGE:.*]] = arith.cmpf ogt, %[[SUM]],
// CHECK: arith.select %[[LARGE]]
// CHECK: tile.carry
tile.kernel @condition(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %limit = arith.constant 1.0 : f32
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32>
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %sums = tile.reduce sum %k over 1 : tensor<64x16xf32> -> tensor<64xf32>
    %sum = tile.reduce sum %sums over 0 : tensor<64xf32> -> f32
    %large = arith.cmpf ogt, %sum, %limit : f32
    %Sd = arith.select %large, %zeros, %S : tensor<64x64xf32>
    %Sn = tile.dot %k, %v precision tf32 acc %Sd : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// Chunks are prepared before the results of others have been stored.
// REMARK: [[#@LINE+5]]:{{.*}}no pipeline: a buffer that is read and written
tile.kernel @same(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<64x64xf32>) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.store %v, %x[%i] : tensor<16x64xf32>, <bf16>
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}

// A normaliser beside a memory is applied by all warps alike, and what its products with prepared tiles give is prepared. The
// largest exponent needs nothing that is applied: it is carried ahead, and its result comes last.
// CHECK-LABEL: tile.kernel @normalised(
// CHECK: %[[R:.*]]:3 = tile.pipeline {{.*}} carries(%[[N0:.*]], %[[S0:.*]]) ahead(%[[M0:.*]] : tensor<1xf32>) : (tensor<64x1xf32>, tensor<64x64xf32>) -> (tensor<64x1xf32>, tensor<64x64xf32>, tensor<1xf32>)
// CHECK-NEXT: preparers 4 appliers 4 columns 16 tasks 2 pairs{{$}}
// CHECK-NEXT: prepare (%{{[a-z0-9]+}}: index, %[[M:[a-z0-9]+]]: tensor<1xf32>) {
// CHECK: %[[MAXIMA:.*]] = tile.scan maxplus {{.*}} init %[[M]]
// CHECK: %[[NEXT:.*]] = tile.slice %[[MAXIMA]]{{.*}} -> tensor<1xf32>
// CHECK: %[[TERMS:.*]] = arith.mulf {{.*}} : tensor<16x64xf32>
// CHECK: %[[SUM:.*]] = tile.reduce sum %[[TERMS]] over 0 : tensor<16x64xf32> -> tensor<64xf32>
// CHECK: tile.pass {{.*}}%[[SUM]]{{.*}} columns {{.*}} ahead %[[NEXT]] : tensor<1xf32>
// CHECK: } apply (%{{[a-z0-9]+}}: index, %[[N:[a-z0-9]+]]: tensor<64x1xf32>, %[[S:[a-z0-9]+]]: tensor<64x64xf32>,
// CHECK: tile.dot %{{.*}}, %[[N]] precision tf32 : tensor<16x64xf32>, tensor<64x1xf32> -> tensor<16x1xf32>
// CHECK: arith.divf
// CHECK: arith.addf %[[N]], %{{.*}} : tensor<64x1xf32>
// CHECK: tile.carry
// CHECK: tile.store %[[R]]#2, %{{.*}} : tensor<1xf32>
// CHECK: tile.store %[[R]]#1, %{{.*}} : tensor<64x64xf32>
tile.kernel @normalised(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>,
                        %y: !tile.buffer<bf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %N0 = tile.load %z[%c0] : <f32> -> tensor<64x1xf32>
  %m0 = tile.load %z[%c0] : <f32> -> tensor<1xf32>
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r:3 = scf.for %i = %c0 to %n step %c1 iter_args(%N = %N0, %m = %m0, %S = %S0) -> (tensor<64x1xf32>, tensor<1xf32>, tensor<64x64xf32>) {
    %k = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %g = tile.load %x[%i] : <bf16> -> tensor<16x1xf32>
    %kt = tile.transpose %k : tensor<16x64xf32> -> tensor<64x16xf32>
    %maxima = tile.scan maxplus %g, %g init %m : tensor<16x1xf32>, tensor<1xf32> -> tensor<17x1xf32>
    %before = tile.slice %maxima[%c0, %c0] : tensor<17x1xf32> -> tensor<16x1xf32>
    %mn = tile.slice %maxima[%c16, %c0] : tensor<17x1xf32> -> tensor<1xf32>
    %read = tile.dot %k, %N precision tf32 : tensor<16x64xf32>, tensor<64x1xf32> -> tensor<16x1xf32>
    %sums = tile.reduce sum %read over 1 : tensor<16x1xf32> -> tensor<16xf32>
    %all = tile.broadcast %sums on 0 : tensor<16xf32> -> tensor<16x64xf32>
    %values = tile.dot %k, %S precision tf32 : tensor<16x64xf32>, tensor<64x64xf32> -> tensor<16x64xf32>
    %o = arith.divf %values, %all : tensor<16x64xf32>
    tile.store %o, %y[%i] : tensor<16x64xf32>, <bf16>
    %Nn = tile.dot %kt, %before precision tf32 acc %N : tensor<64x1xf32> : tensor<64x16xf32>, tensor<16x1xf32> -> tensor<64x1xf32>
    %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    scf.yield %Nn, %mn, %Sn : tensor<64x1xf32>, tensor<1xf32>, tensor<64x64xf32>
  }
  tile.store %r#1, %z[%c0] : tensor<1xf32>, <f32>
  tile.store %r#2, %z[%c0] : tensor<64x64xf32>, <f32>
}

}
