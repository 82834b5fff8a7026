// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// layers_c1
func.func @scalar_each(%s: f32) {
  // expected-error @below {{'rwkv.layers' expected a tensor [L, ..], but got 'f32'}}
  %y = rwkv.layers l in L each(%sl = %s : f32) -> (f32) {
    rwkv.yield %sl : f32
  }
  return
}

// -----

// layers_c1
func.func @no_layer_axis(%s: tensor<f32>) {
  // expected-error @below {{'rwkv.layers' expected a tensor [L, ..], but got 'tensor<f32>'}}
  %y = rwkv.layers l in L each(%sl = %s : tensor<f32>) -> (tensor<f32>) {
    rwkv.yield %sl : tensor<f32>
  }
  return
}

// -----

// layers_c1
func.func @scalar_iter(%s: f32) {
  // expected-error @below {{'rwkv.layers' expected a tensor, but got 'f32'}}
  %y = rwkv.layers l in L iter(%sl = %s : f32) -> (f32) {
    rwkv.yield %sl : f32
  }
  return
}

// -----

// layers_c1
func.func @arg_type(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected region arguments of the operands' types, 'each' without its first axis}}
  %y = "rwkv.layers"(%x) <{index = "l", count = "L", operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%xl: tensor<8xf32>):
    rwkv.yield %xl : tensor<8xf32>
  }) : (tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

// layers_c1
func.func @arg_count(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected region arguments of the operands' types, 'each' without its first axis}}
  %y = "rwkv.layers"(%x) <{index = "l", count = "L", operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%xl: tensor<8xf32>, %z: tensor<8xf32>):
    rwkv.yield %xl : tensor<8xf32>
  }) : (tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

// layers_c2
func.func @result_count(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected one result per iter and each operand, of its type}}
  %y:2 = rwkv.layers l in L iter(%xl = %x : tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
    rwkv.yield %xl, %xl : tensor<8xf32>, tensor<8xf32>
  }
  return
}

// -----

// layers_c2
func.func @result_type(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected one result per iter and each operand, of its type}}
  %y = rwkv.layers l in L iter(%xl = %x : tensor<8xf32>) -> (tensor<4xf32>) {
    rwkv.yield %xl : tensor<8xf32>
  }
  return
}

// -----

// layers_c2
func.func @yield_type(%x: tensor<2x8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected the body to end with 'rwkv.yield' of its arguments' types}}
  %y = rwkv.layers l in L each(%xl = %x : tensor<2x8xf32>) -> (tensor<2x8xf32>) {
    %z = rwkv.fill 0.0 : tensor<2x8xf32>
    rwkv.yield %z : tensor<2x8xf32>
  }
  return
}

// -----

// layers_c2
func.func @yield_count(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected the body to end with 'rwkv.yield' of its arguments' types}}
  %y = rwkv.layers l in L iter(%xl = %x : tensor<8xf32>) -> (tensor<8xf32>) {
    rwkv.yield
  }
  return
}

// -----

// layers_c3
func.func @bound_count(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected ascending bounds, one more than bodies, but got 1 for 1 bodies}}
  %y = rwkv.layers l in [0] iter(%xl = %x : tensor<8xf32>) -> (tensor<8xf32>) {
    rwkv.yield %xl : tensor<8xf32>
  }
  return
}

// -----

// layers_c3
func.func @bound_order(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected ascending bounds, one more than bodies, but got 3 for 2 bodies}}
  %y = rwkv.layers l in [0, 4, 2] iter(%xl = %x : tensor<8xf32>) -> (tensor<8xf32>) {
    rwkv.yield %xl : tensor<8xf32>
  } {
    rwkv.yield %xl : tensor<8xf32>
  }
  return
}

// -----

// layers_c3: ascending, not equal
func.func @bound_equal(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected ascending bounds, one more than bodies, but got 3 for 2 bodies}}
  %y = rwkv.layers l in [0, 2, 2] iter(%xl = %x : tensor<8xf32>) -> (tensor<8xf32>) {
    rwkv.yield %xl : tensor<8xf32>
  } {
    rwkv.yield %xl : tensor<8xf32>
  }
  return
}

// -----

// layers_c3
func.func @bound_negative(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected ascending bounds, one more than bodies, but got 2 for 1 bodies}}
  %y = rwkv.layers l in [-1, 2] iter(%xl = %x : tensor<8xf32>) -> (tensor<8xf32>) {
    rwkv.yield %xl : tensor<8xf32>
  }
  return
}

// -----

// layers_c3
func.func @count_and_bounds(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected a count or bounds}}
  %y = "rwkv.layers"(%x) <{index = "l", count = "L", bounds = array<i64: 0, 2>, operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%xl: tensor<8xf32>):
    rwkv.yield %xl : tensor<8xf32>
  }) : (tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

// layers_c3
func.func @neither(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected a count or bounds}}
  %y = "rwkv.layers"(%x) <{index = "l", operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%xl: tensor<8xf32>):
    rwkv.yield %xl : tensor<8xf32>
  }) : (tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

// layers_c3
func.func @bodies_of_count(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected one body, but got 2}}
  %y = "rwkv.layers"(%x) <{index = "l", count = "L", operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%xl: tensor<8xf32>):
    rwkv.yield %xl : tensor<8xf32>
  }, {
  ^bb0(%xl: tensor<8xf32>):
    rwkv.yield %xl : tensor<8xf32>
  }) : (tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

// layers_c3: the stacks are as long as the bounds say.
func.func @stack_size(%s: tensor<3x8xf32>) {
  // expected-error @below {{'rwkv.layers' op expected 'each' operands of 4 layers, but got 'tensor<3x8xf32>'}}
  %y = rwkv.layers l in [0, 4] each(%sl = %s : tensor<3x8xf32>) -> (tensor<3x8xf32>) {
    rwkv.yield %sl : tensor<8xf32>
  }
  return
}

// -----

// layers_c1: in the generic form
func.func @generic_no_layer_axis(%x: tensor<f32>) {
  // expected-error @below {{'rwkv.layers' op expected 'each' operands of rank >= 1, but got 'tensor<f32>'}}
  %y = "rwkv.layers"(%x) <{index = "l", count = "L", operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%xl: tensor<f32>):
    rwkv.yield %xl : tensor<f32>
  }) : (tensor<f32>) -> tensor<f32>
  return
}
