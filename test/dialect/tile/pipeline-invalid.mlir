// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// pipeline_c1: the warps that apply have all columns between them.
tile.kernel @columns(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  // expected-error @below {{'tile.pipeline' op expected matrices with the columns of all warps that apply, 3 x 16, or fewer, to be carried, but got 'tensor<32x64xf32>'}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 3 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

tile.kernel @results(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  // expected-error @below {{'tile.pipeline' op expected results of the types that are carried, 'tensor<32x64xf32>', but got 'tensor<64x64xf32>'}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<64x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

tile.kernel @carries(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    // expected-error @below {{'tile.carry' op expected values of the types that are carried, 'tensor<32x64xf32>', but got 'tensor<16x64xf32>'}}
    tile.carry %v : tensor<16x64xf32>
  }
}

// -----

// One state at least is split.
tile.kernel @narrow(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x1xf32>
  // expected-error @below {{'tile.pipeline' op expected one of what is carried to have the columns of all warps that apply, 4 x 16, but got 'tensor<32x1xf32>'}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x1xf32>) -> tensor<32x1xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    tile.pass
  } apply(%i: index, %S: tensor<32x1xf32>) {
    tile.carry %S : tensor<32x1xf32>
  }
}

// -----

// What is carried ahead is an argument of 'prepare', which passes what it is next.
tile.kernel @ahead_next(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %m0 = tile.load %z[%c0] : <f32> -> tensor<1xf32>
  %r:2 = tile.pipeline %c0 to %n step %c1 carries(%S0) ahead(%m0 : tensor<1xf32>) : (tensor<32x64xf32>) -> (tensor<32x64xf32>, tensor<1xf32>)
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index, %m: tensor<1xf32>) {
    // expected-error @below {{'tile.pass' op expected values of the types that are carried ahead, 'tensor<1xf32>', but got}}
    tile.pass
  } apply(%i: index, %S: tensor<32x64xf32>) {
    tile.carry %S : tensor<32x64xf32>
  }
}

// -----

tile.kernel @ahead_argument(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %m0 = tile.load %z[%c0] : <f32> -> tensor<1xf32>
  // expected-error @below {{'tile.pipeline' op expected 'prepare' to have arguments of types 'index', 'tensor<1xf32>', but got 'index'}}
  %r:2 = tile.pipeline %c0 to %n step %c1 carries(%S0) ahead(%m0 : tensor<1xf32>) : (tensor<32x64xf32>) -> (tensor<32x64xf32>, tensor<1xf32>)
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %m = tile.load %z[%i] : <f32> -> tensor<1xf32>
    tile.pass ahead %m : tensor<1xf32>
  } apply(%i: index, %S: tensor<32x64xf32>) {
    tile.carry %S : tensor<32x64xf32>
  }
}

// -----

// Its results come last.
tile.kernel @ahead_result(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %m0 = tile.load %z[%c0] : <f32> -> tensor<1xf32>
  // expected-error @below {{'tile.pipeline' op expected results of the types that are carried, 'tensor<32x64xf32>', 'tensor<1xf32>', but got 'tensor<1xf32>', 'tensor<32x64xf32>'}}
  %r:2 = tile.pipeline %c0 to %n step %c1 carries(%S0) ahead(%m0 : tensor<1xf32>) : (tensor<32x64xf32>) -> (tensor<1xf32>, tensor<32x64xf32>)
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index, %m: tensor<1xf32>) {
    tile.pass ahead %m : tensor<1xf32>
  } apply(%i: index, %S: tensor<32x64xf32>) {
    tile.carry %S : tensor<32x64xf32>
  }
}

// -----

// Every count is at least one.
tile.kernel @none(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  // expected-error @below {{'tile.pipeline' op attribute 'preparers' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 0 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

// pipeline_c2
tile.kernel @prepares(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  // expected-error @below {{'tile.pipeline' op expected 'prepare' to have arguments of types 'index', but got 'index', 'index'}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index, %j: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

// What is passed is what is taken.
tile.kernel @applies(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  // expected-error @below {{'tile.pipeline' op expected 'apply' to have arguments of types 'index', 'tensor<32x64xf32>', 'tensor<32x16xf32>', 'tensor<16x64xf32>', but got 'index', 'tensor<32x64xf32>', 'tensor<32x8xf32>', 'tensor<16x64xf32>'}}
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x8xf32>, %v: tensor<16x64xf32>) {
    tile.carry %S : tensor<32x64xf32>
  }
}

// -----

// What is carried is not there where chunks are prepared, nor what is prepared, unless it is passed, where they are applied.
tile.kernel @early(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    // expected-note @below {{previously referenced here}}
    %w = arith.addf %S, %S : tensor<32x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
    // expected-error @below {{region entry argument '%S' is already in use}}
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

tile.kernel @late(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %a = arith.addf %k, %k : tensor<32x16xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    // expected-error @below {{use of undeclared SSA value name}}
    %Sn = tile.dot %a, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

// pipeline_c3
tile.kernel @ends(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    // expected-error @below {{'tile.carry' op expected the phase to end with 'tile.pass'}}
    tile.carry %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

tile.kernel @begins(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    // expected-error @below {{'tile.pass' op expected the phase to end with 'tile.carry'}}
    tile.pass %Sn : tensor<32x64xf32>
  }
}

// -----

// pipeline_c4
tile.kernel @stores(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    // expected-error @below {{'tile.store' op expected results to be stored where they are applied, not where chunks are prepared}}
    tile.store %k, %z[%i] : tensor<32x16xf32>, <f32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

// Chunks are prepared while results of others are still to be stored.
tile.kernel @ahead(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    // expected-error @below {{'tile.load' op expected no load from a buffer that results are stored to: chunks are prepared ahead of it}}
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.store %v, %x[%i] : tensor<16x64xf32>, <bf16>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

// pipeline_c5
tile.kernel @loads(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    // expected-error @below {{'tile.load' op expected it where chunks are prepared: those that apply them compute and store results}}
    %l = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

tile.kernel @flags(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    %true = arith.constant true
    // expected-error @below {{'tile.flag' op expected it where chunks are prepared: those that apply them compute and store results}}
    tile.flag %true
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

tile.kernel @whole(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    // expected-error @below {{'tile.store' op expected a matrix of 64 columns, as what is carried has, but got 'tensor<32x16xf32>'}}
    tile.store %k, %z[%i] : tensor<32x16xf32>, <f32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

// pipeline_c6
tile.kernel @loops(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    // expected-error @below {{'scf.for' op expected no loops in what is prepared}}
    scf.for %j = %c0 to %n step %c1 {
    }
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

tile.kernel @one_side(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %true = arith.constant true
    // expected-error @below {{'scf.if' op expected a branch of a pipeline to have two sides that only compute}}
    scf.if %true {
    }
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

tile.kernel @loads_in_branch(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %true = arith.constant true
    // expected-error @below {{'scf.if' op expected a branch of a pipeline to have two sides that only compute}}
    %k = scf.if %true -> tensor<32x16xf32> {
      %a = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
      scf.yield %a : tensor<32x16xf32>
    } else {
      %a = tile.load %x[%c0] : <bf16> -> tensor<32x16xf32>
      scf.yield %a : tensor<32x16xf32>
    }
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

tile.kernel @branches(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %true = arith.constant true
    // expected-error @below {{'scf.if' op expected no loops or branches where chunks are applied}}
    %Sn = scf.if %true -> tensor<32x64xf32> {
      scf.yield %S : tensor<32x64xf32>
    } else {
      scf.yield %S : tensor<32x64xf32>
    }
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

// pipeline_c7: columns are passed as they lie in memory.
tile.kernel @computed(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v0 = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    %v = arith.addf %v0, %v0 : tensor<16x64xf32>
    // expected-error @below {{'tile.pass' op expected columns that are passed to be tiles of 64 columns that 'prepare' has loaded, but got 'tensor<16x64xf32>'}}
    tile.pass %k : tensor<32x16xf32> columns %v : tensor<16x64xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %k: tensor<32x16xf32>, %v: tensor<16x64xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

tile.kernel @other_columns(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %z: !tile.buffer<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %S0 = tile.load %z[%c0] : <f32> -> tensor<32x64xf32>
  %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<32x64xf32>) -> tensor<32x64xf32>
      preparers 4 appliers 4 columns 16 tasks 2
  prepare(%i: index) {
    %k = tile.load %x[%i] : <bf16> -> tensor<32x16xf32>
    %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
    // expected-error @below {{'tile.pass' op expected columns that are passed to be tiles of 64 columns that 'prepare' has loaded, but got 'tensor<32x16xf32>'}}
    tile.pass %v : tensor<16x64xf32> columns %k : tensor<32x16xf32>
  } apply(%i: index, %S: tensor<32x64xf32>, %v: tensor<16x64xf32>, %k: tensor<32x16xf32>) {
    %Sn = tile.dot %k, %v acc %S : tensor<32x64xf32> : tensor<32x16xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
    tile.carry %Sn : tensor<32x64xf32>
  }
}

// -----

func.func @outside(%v: tensor<16x64xf32>) {
  // expected-error @below {{'tile.pass' op expects parent op 'tile.pipeline'}}
  tile.pass columns %v : tensor<16x64xf32>
}
