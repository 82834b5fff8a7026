// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --tile-lower-kernels -verify-diagnostics -split-input-file
// What a target cannot run, in pipelines that are right as they are.

// Threads have no warps.
module attributes {rwkv.target = #rwkv.target<"x86-64-v4", vector = 512, registers = 32, scratch = 65536>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  // expected-error @below {{'tile.pipeline' op expected a target whose tasks are run by lanes}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}

// -----

// Warps are given their roles once.
module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  %r0 = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  // expected-error @below {{'tile.pipeline' op expected a kernel to have one pipeline, but got another}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%r0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}

// -----

// Slots are shared memory.
module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 32768, lanes = 256>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  // expected-error @below {{'tile.pipeline' op expected a pipeline that the target can run: slots that shared memory cannot hold}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}

// -----

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  // expected-error @below {{'tile.pipeline' op expected a pipeline that the target can run: more warps than a task has}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 5 appliers 4 columns 16 tasks 1
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}

// -----

// What a warp applies is made of matrix instructions.
module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  // expected-error @below {{'tile.pipeline' op expected a pipeline that the target can run: a product that is not made of matrix instructions}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 2 appliers 8 columns 8 tasks 1
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}

// -----

module attributes {rwkv.target = #rwkv.target<"gfx942", vector = 1024, registers = 64, scratch = 65536, lanes = 256>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  // expected-error @below {{'tile.pipeline' op expected a pipeline that the target can run: operands that cannot be pairs}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 1 pairs
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}

// -----

// Registers of a lane: of all tasks at once, and what can be moved.
module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  // expected-error @below {{'tile.pipeline' op expected a pipeline that the target can run: more is carried than registers hold}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 4
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}

// -----

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  // expected-error @below {{'tile.pipeline' op expected a pipeline that the target can run: registers that cannot be moved}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2 moved 12
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}

// -----

// Columns of what is carried are independent of each other.
module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  // expected-error @below {{'tile.pipeline' op expected a pipeline that the target can run: the columns of the state depend on each other}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %sums = tile.reduce sum %S over 1 : tensor<64x64xf32> -> tensor<64xf32>
    %all = tile.broadcast %sums on 0 : tensor<64xf32> -> tensor<64x64xf32>
    %Sn = tile.dot %k, %v precision tf32 acc %all : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}

// -----

// They are passed as columns, and are not prepared; everything else is.
module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  // expected-error @below {{'tile.pipeline' op expected a pipeline that the target can run: columns of what is carried in what is prepared}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k, %v : tensor<64x16xf32>, tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}

// -----

module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  // expected-error @below {{'tile.pipeline' op expected a pipeline that the target can run: what has no columns of what is carried is not prepared}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
    %k2 = arith.addf %k, %k : tensor<64x16xf32>
    %Sn = tile.dot %k2, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}

// -----

// What costs nothing is made where it is needed.
module attributes {rwkv.target = #rwkv.target<"sm_90a", vector = 1024, registers = 64, scratch = 232448, lanes = 256>} {
tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<64x64xf32>
  // expected-error @below {{'tile.pipeline' op expected a pipeline that the target can run: what is passed is not made for the chunk}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %kt = tile.transpose %k : tensor<64x16xf32> -> tensor<16x64xf32>
    tile.pass %kt : tensor<16x64xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<64x64xf32>, %kt: tensor<16x64xf32>, %v: tensor<16x64xf32>) {
    %k = tile.transpose %kt : tensor<16x64xf32> -> tensor<64x16xf32>
    %Sn = tile.dot %k, %v precision tf32 acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
    tile.carry %Sn : tensor<64x64xf32>
  }
  tile.store %r, %z[%c0] : tensor<64x64xf32>, <f32>
}
}
