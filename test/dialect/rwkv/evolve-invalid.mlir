// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// evolve_c1
func.func @two_key_axes(%S: !rwkv.state<2x8|4xf32>, %a: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' expected a state with one key axis, but got '!rwkv.state<2x8|4xf32>'}}
  %0 = rwkv.evolve exp %S, %s reads [%a] writes [%a] : !rwkv.state<2x8|4xf32>
  return
}

// -----

// evolve_c1
func.func @no_key_axis(%S: !rwkv.state<|4xf32>, %a: tensor<4xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' expected a state with one key axis, but got '!rwkv.state<|4xf32>'}}
  %0 = rwkv.evolve cayley %S, %s reads [%a] writes [%a] : !rwkv.state<|4xf32>
  return
}

// -----

// evolve_c1
func.func @two_key_axes_generic(%S: !rwkv.state<2x8|4xf32>, %a: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected a state with one key axis, but got '!rwkv.state<2x8|4xf32>'}}
  %0 = "rwkv.evolve"(%S, %s, %a, %a) <{function = 0 : i32, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>}>
    : (!rwkv.state<2x8|4xf32>, f32, tensor<8xf32>, tensor<8xf32>) -> !rwkv.state<2x8|4xf32>
  return
}

// -----

// evolve_c2
func.func @three_keys(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected one or two keys to read and as many to write, but got 3 and 3}}
  %0 = rwkv.evolve exp %S, %s reads [%a, %a, %a] writes [%a, %a, %a] : !rwkv.state<8|4xf32>
  return
}

// -----

// evolve_c2
func.func @fewer_writes(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected one or two keys to read and as many to write, but got 2 and 1}}
  %0 = rwkv.evolve exp %S, %s reads [%a, %a] writes [%a] : !rwkv.state<8|4xf32>
  return
}

// -----

// evolve_c2
func.func @fewer_reads(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected one or two keys to read and as many to write, but got 1 and 2}}
  %0 = rwkv.evolve exp %S, %s reads [%a] writes [%a, %a] : !rwkv.state<8|4xf32>
  return
}

// -----

// evolve_c2
func.func @no_keys(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected one or two keys to read and as many to write, but got 0 and 0}}
  %0 = rwkv.evolve exp %S, %s reads [] writes [] : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @read_key_type(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %v: tensor<4xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected key of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %0 = "rwkv.evolve"(%S, %s, %v, %a) <{function = 0 : i32, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, f32, tensor<4xf32>, tensor<8xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @write_key_type(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %v: tensor<4xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected key of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %0 = "rwkv.evolve"(%S, %s, %a, %a, %a, %v) <{function = 0 : i32, operandSegmentSizes = array<i32: 1, 1, 2, 2, 0>}>
    : (!rwkv.state<8|4xf32>, f32, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<4xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @key_element(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf64>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected key of type 'tensor<8xf32>', but got 'tensor<8xf64>'}}
  %0 = "rwkv.evolve"(%S, %s, %a, %a) <{function = 1 : i32, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, f32, tensor<8xf64>, tensor<8xf64>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @s_type(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %s: f64) {
  // expected-error @below {{'rwkv.evolve' op expected s of type 'f32', but got 'f64'}}
  %0 = "rwkv.evolve"(%S, %s, %a, %a) <{function = 2 : i32, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, f64, tensor<8xf32>, tensor<8xf32>) -> !rwkv.state<8|4xf32>
  return
}

// -----

func.func @result_type(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op failed to verify that the result has the type of the state}}
  %0 = "rwkv.evolve"(%S, %s, %a, %a) <{function = 0 : i32, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>}>
    : (!rwkv.state<8|4xf32>, f32, tensor<8xf32>, tensor<8xf32>) -> !rwkv.state<4|8xf32>
  return
}

// -----

func.func @not_a_state(%x: tensor<4xf32>, %s: f32) {
  // expected-error @below {{expected a !rwkv.state type, but got 'tensor<4xf32>'}}
  %0 = rwkv.evolve exp %x, %s reads [%x] writes [%x] : tensor<4xf32>
  return
}

// -----

func.func @function(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %s: f32) {
  // expected-error @below {{custom op 'rwkv.evolve' expected string or keyword containing one of the following enum values for attribute 'function' [exp, resolvent, cayley]}}
  %0 = rwkv.evolve sine %S, %s reads [%a] writes [%a] : !rwkv.state<8|4xf32>
  return
}

// -----

// evolve_c3
func.func @exp_with_diagonal(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %d: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected 'strang' with a diagonal: the exponential of a diagonal plus a low rank has no low rank; Strang's splitting is another layer, and so are 'resolvent' and 'cayley', which are exact}}
  %0 = rwkv.evolve exp %S, %s reads [%a] writes [%a] diagonal %d : !rwkv.state<8|4xf32>
  return
}

// -----

// evolve_c3
func.func @strang_without_diagonal(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %d: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected 'strang' with 'exp' and a diagonal only}}
  %0 = rwkv.evolve exp %S, %s reads [%a] writes [%a] strang : !rwkv.state<8|4xf32>
  return
}

// -----

// evolve_c3
func.func @strang_resolvent(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %d: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected 'strang' with 'exp' and a diagonal only}}
  %0 = rwkv.evolve resolvent %S, %s reads [%a] writes [%a] diagonal %d strang : !rwkv.state<8|4xf32>
  return
}

// -----

// evolve_c3
func.func @strang_cayley(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %d: tensor<8xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected 'strang' with 'exp' and a diagonal only}}
  %0 = rwkv.evolve cayley %S, %s reads [%a] writes [%a] strang : !rwkv.state<8|4xf32>
  return
}

// -----

func.func @diagonal_type(%S: !rwkv.state<8|4xf32>, %a: tensor<8xf32>, %d: tensor<4xf32>, %s: f32) {
  // expected-error @below {{'rwkv.evolve' op expected diagonal of type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
  %0 = "rwkv.evolve"(%S, %s, %a, %a, %d) <{function = 1 : i32, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>}>
    : (!rwkv.state<8|4xf32>, f32, tensor<8xf32>, tensor<8xf32>, tensor<4xf32>) -> !rwkv.state<8|4xf32>
  return
}
