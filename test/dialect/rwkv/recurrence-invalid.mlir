// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// recurrence_c1
func.func @over_rank(%k: tensor<?x2xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' expected 'over' operands that are tensors of rank >= 3, but got 'tensor<?x2xf32>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x2xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>) -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c1
func.func @init_rank(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2xf32>) {
  // expected-error @below {{'rwkv.recurrence' expected 'init' operands that are tensors of rank >= 3, but got 'tensor<?x2xf32>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2xf32>) -> (tensor<?x2xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c1
func.func @const_rank(%k: tensor<?x?x2x8xf32>, %u: tensor<f32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>)
      // expected-error @below {{'rwkv.recurrence' expected 'const' operands that are tensors of rank >= 1, but got 'tensor<f32>'}}
      const(%ut = %u : tensor<f32>) init(%S = %s0 : tensor<?x2x8x8xf32>) -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c1
func.func @not_a_tensor(%k: f32, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' expected 'over' operands that are tensors of rank >= 3, but got 'f32'}}
  %s = rwkv.recurrence over(%kt = %k : f32) init(%S = %s0 : tensor<?x2x8x8xf32>) -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

func.func @integers(%k: tensor<?x?x2x8xi32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' expected float elements, but got 'tensor<?x?x2x8xi32>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xi32>) init(%S = %s0 : tensor<?x2x8x8xf32>) -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c1: in the generic form
func.func @generic_over_rank(%k: tensor<?x2xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected 'over' operands of rank >= 3, but got 'tensor<?x2xf32>'}}
  %s = "rwkv.recurrence"(%k, %s0) <{operandSegmentSizes = array<i32: 1, 0, 1, 0>}> ({
  ^bb0(%kt: tensor<8xf32>, %S: !rwkv.state<8|8xf32>):
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }) : (tensor<?x2xf32>, tensor<?x2x8x8xf32>) -> tensor<?x2x8x8xf32>
  return
}

// -----

// recurrence_c1
func.func @generic_const_rank(%k: tensor<?x?x2x8xf32>, %u: tensor<f32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected 'const' operands of rank >= 1, but got 'tensor<f32>'}}
  %s = "rwkv.recurrence"(%k, %u, %s0) <{operandSegmentSizes = array<i32: 1, 1, 1, 0>}> ({
  ^bb0(%kt: tensor<8xf32>, %ut: f32, %S: !rwkv.state<8|8xf32>):
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }) : (tensor<?x?x2x8xf32>, tensor<f32>, tensor<?x2x8x8xf32>) -> tensor<?x2x8x8xf32>
  return
}

// -----

// recurrence_c1
func.func @generic_init_rank(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected 'init' operands of rank >= 3, but got 'tensor<?x2xf32>'}}
  %s = "rwkv.recurrence"(%k, %s0) <{operandSegmentSizes = array<i32: 1, 0, 1, 0>}> ({
  ^bb0(%kt: tensor<8xf32>, %S: !rwkv.state<|8xf32>):
    rwkv.yield %S : !rwkv.state<|8xf32>
  }) : (tensor<?x?x2x8xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
  return
}

// -----

func.func @no_init(%k: tensor<?x?x2x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected at least one state in 'init', but got none}}
  %o = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) -> (tensor<?x?x2x8xf32>) {
    rwkv.yield %kt : tensor<8xf32>
  }
  return
}

// -----

func.func @no_over(%s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected at least one operand in 'over', but got none}}
  %s = rwkv.recurrence init(%S = %s0 : tensor<?x2x8x8xf32>) -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c2
func.func @batch(%k: tensor<2x?x6x8xf32>, %v: tensor<3x?x6x8xf32>, %s0: tensor<?x6x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected equal sizes of axis B in all 'over' operands, but got 'tensor<2x?x6x8xf32>' and 'tensor<3x?x6x8xf32>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<2x?x6x8xf32>, %vt = %v : tensor<3x?x6x8xf32>)
      init(%S = %s0 : tensor<?x6x8x8xf32>) -> (tensor<?x6x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c2
func.func @time(%k: tensor<?x5x6x8xf32>, %v: tensor<?x7x6x8xf32>, %s0: tensor<?x6x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected equal sizes of axis T in all 'over' operands, but got 'tensor<?x5x6x8xf32>' and 'tensor<?x7x6x8xf32>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x5x6x8xf32>, %vt = %v : tensor<?x7x6x8xf32>)
      init(%S = %s0 : tensor<?x6x8x8xf32>) -> (tensor<?x6x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c2: an open size in between hides nothing
func.func @time_behind_open(%a: tensor<?x?x6x8xf32>, %b: tensor<?x5x6x8xf32>, %c: tensor<?x7x6x8xf32>, %s0: tensor<?x6x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected equal sizes of axis T in all 'over' operands, but got 'tensor<?x5x6x8xf32>' and 'tensor<?x7x6x8xf32>'}}
  %s = rwkv.recurrence over(%at = %a : tensor<?x?x6x8xf32>, %bt = %b : tensor<?x5x6x8xf32>, %ct = %c : tensor<?x7x6x8xf32>)
      init(%S = %s0 : tensor<?x6x8x8xf32>) -> (tensor<?x6x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c2
func.func @groups(%k: tensor<?x?x6x8xf32>, %v: tensor<?x?x4x8xf32>, %s0: tensor<?x6x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected a number of heads that divides the 6 heads of the state, but got 4 in 'tensor<?x?x4x8xf32>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x6x8xf32>, %vt = %v : tensor<?x?x4x8xf32>)
      init(%S = %s0 : tensor<?x6x8x8xf32>) -> (tensor<?x6x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c2
func.func @no_heads(%k: tensor<?x?x6x8xf32>, %v: tensor<?x?x0x8xf32>, %s0: tensor<?x6x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected a number of heads that divides the 6 heads of the state, but got 0 in 'tensor<?x?x0x8xf32>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x6x8xf32>, %vt = %v : tensor<?x?x0x8xf32>)
      init(%S = %s0 : tensor<?x6x8x8xf32>) -> (tensor<?x6x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c2
func.func @const_groups(%k: tensor<?x?x6x8xf32>, %u: tensor<4x8xf32>, %s0: tensor<?x6x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected a number of heads that divides the 6 heads of the state, but got 4 in 'tensor<4x8xf32>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x6x8xf32>) const(%ut = %u : tensor<4x8xf32>)
      init(%S = %s0 : tensor<?x6x8x8xf32>) -> (tensor<?x6x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

func.func @heads_of_states(%k: tensor<?x?x2x8xf32>, %a: tensor<?x2x8xf32>, %b: tensor<?x4x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected equal numbers of heads in all 'init' operands, but got 'tensor<?x2x8xf32>' and 'tensor<?x4x8xf32>'}}
  %s:2 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>)
      init(%A = %a : tensor<?x2x8xf32>, %B = %b : tensor<?x4x8xf32>) -> (tensor<?x2x8xf32>, tensor<?x4x8xf32>) {
    rwkv.yield %A, %B : !rwkv.state<|8xf32>, !rwkv.state<|8xf32>
  }
  return
}

// -----

func.func @batch_of_state(%k: tensor<2x?x2x8xf32>, %s0: tensor<3x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected one state per batch row, but got 'tensor<3x2x8x8xf32>' for 'tensor<2x?x2x8xf32>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<2x?x2x8xf32>) init(%S = %s0 : tensor<3x2x8x8xf32>) -> (tensor<3x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

func.func @batch_with_reset(%k: tensor<2x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>, %cu: tensor<?xi32>) {
  // expected-error @below {{'rwkv.recurrence' op expected a batch of 1 with 'reset', but got 'tensor<2x?x2x8xf32>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<2x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>) reset(%cu : tensor<?xi32>) -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

func.func @reset_type(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>, %cu: tensor<?xi64>) {
  // expected-error @below {{'rwkv.recurrence' op operand #2 must be 1D tensor of 32-bit signless integer values, but got 'tensor<?xi64>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      reset(%cu : tensor<?xi64>) -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c3
func.func @arg_count(%k: tensor<?x?x2x8xbf16>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected one region argument per over, const and init operand (2), but got 1}}
  %s = "rwkv.recurrence"(%k, %s0) <{operandSegmentSizes = array<i32: 1, 0, 1, 0>}> ({
  ^bb0(%S: !rwkv.state<8|8xf32>):
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }) : (tensor<?x?x2x8xbf16>, tensor<?x2x8x8xf32>) -> tensor<?x2x8x8xf32>
  return
}

// -----

// recurrence_c3
func.func @over_arg(%k: tensor<?x?x2x8xbf16>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected region argument 0 of type 'tensor<8xf32>', but got 'tensor<8xbf16>'}}
  %s = "rwkv.recurrence"(%k, %s0) <{operandSegmentSizes = array<i32: 1, 0, 1, 0>}> ({
  ^bb0(%kt: tensor<8xbf16>, %S: !rwkv.state<8|8xf32>):
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }) : (tensor<?x?x2x8xbf16>, tensor<?x2x8x8xf32>) -> tensor<?x2x8x8xf32>
  return
}

// -----

// recurrence_c3
func.func @const_arg(%k: tensor<?x?x2x8xf32>, %u: tensor<2xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected region argument 1 of type 'f32', but got 'tensor<2xf32>'}}
  %s = "rwkv.recurrence"(%k, %u, %s0) <{operandSegmentSizes = array<i32: 1, 1, 1, 0>}> ({
  ^bb0(%kt: tensor<8xf32>, %ut: tensor<2xf32>, %S: !rwkv.state<8|8xf32>):
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }) : (tensor<?x?x2x8xf32>, tensor<2xf32>, tensor<?x2x8x8xf32>) -> tensor<?x2x8x8xf32>
  return
}

// -----

// recurrence_c3
func.func @state_arg(%k: tensor<?x?x2x8xbf16>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected region argument 1 of type '!rwkv.state<8|8xf32>', but got '!rwkv.state<|8xf32>'}}
  %s = "rwkv.recurrence"(%k, %s0) <{operandSegmentSizes = array<i32: 1, 0, 1, 0>}> ({
  ^bb0(%kt: tensor<8xf32>, %S: !rwkv.state<|8xf32>):
    rwkv.yield %S : !rwkv.state<|8xf32>
  }) : (tensor<?x?x2x8xbf16>, tensor<?x2x8x8xf32>) -> tensor<?x2x8x8xf32>
  return
}

// -----

// recurrence_c4
func.func @yield_count(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected one yielded value per result, but got 2 for 1 results}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %kt, %S : tensor<8xf32>, !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c4
func.func @state_not_yielded(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x?x2x8xf32>) {
    // expected-error @below {{'rwkv.yield' op expected all 1 states to be yielded, but got 0}}
    rwkv.yield %kt : tensor<8xf32>
  }
  return
}

// -----

// recurrence_c4
func.func @state_yielded_twice(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s:2 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>, tensor<?x2x8x8xf32>) {
    // expected-error @below {{'rwkv.yield' op expected the states to be yielded in the order of 'init', each one once}}
    rwkv.yield %S, %S : !rwkv.state<8|8xf32>, !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c4
func.func @state_order(%k: tensor<?x?x2x8xf32>, %a: tensor<?x2x8xf32>, %b: tensor<?x2x8xf32>) {
  %s:2 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>)
      init(%A = %a : tensor<?x2x8xf32>, %B = %b : tensor<?x2x8xf32>) -> (tensor<?x2x8xf32>, tensor<?x2x8xf32>) {
    // expected-error @below {{'rwkv.yield' op expected the states to be yielded in the order of 'init', each one once}}
    rwkv.yield %B, %A : !rwkv.state<|8xf32>, !rwkv.state<|8xf32>
  }
  return
}

// -----

func.func @no_yield(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    // expected-error @below {{block with no terminator}}
    %S1 = rwkv.write %S[%kt], %kt : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c5
func.func @fork(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %o, %s, %t = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>, tensor<?x2x8x8xf32>) {
    %S1 = rwkv.write %S[%kt], %kt : !rwkv.state<8|8xf32>
    // expected-note @below {{first carried use}}
    %S2 = rwkv.write %S1[%kt], %kt : !rwkv.state<8|8xf32>
    // expected-error @below {{'rwkv.write' op second carried use of a state; a state may have only one successor that is yielded}}
    %S3 = rwkv.write %S1[%kt], %kt : !rwkv.state<8|8xf32>
    %ot = rwkv.read %S2[%kt] : !rwkv.state<8|8xf32>
    rwkv.yield %ot, %S2, %S3 : tensor<8xf32>, !rwkv.state<8|8xf32>, !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c6
func.func private @effect(tensor<8xf32>) -> tensor<8xf32>
func.func @side_effects(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    // expected-error @below {{'func.call' op expected only ops without side effects and regions in the token region of 'rwkv.recurrence'}}
    %y = func.call @effect(%kt) : (tensor<8xf32>) -> tensor<8xf32>
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c6
func.func @regions(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    // expected-error @below {{'rwkv.when' op expected only ops without side effects and regions in the token region of 'rwkv.recurrence'}}
    %y = rwkv.when "l > 0" -> (tensor<8xf32>) {
      rwkv.yield %kt : tensor<8xf32>
    } else {
      rwkv.yield %kt : tensor<8xf32>
    }
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c7
func.func @output_type(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected a result [B, T, H, d..] for the yielded 'tensor<8xf32>', but got 'tensor<?x?x2x4xf32>'}}
  %s:2 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x?x2x4xf32>, tensor<?x2x8x8xf32>) {
    rwkv.yield %kt, %S : tensor<8xf32>, !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c7
func.func @output_rank(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected a result [B, T, H, d..] for the yielded 'tensor<8xf32>', but got 'tensor<?x8xf32>'}}
  %s:2 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x8xf32>, tensor<?x2x8x8xf32>) {
    rwkv.yield %kt, %S : tensor<8xf32>, !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c7: an output has the batch, time and heads of the operands, not others.
func.func @output_heads(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected a result [B, T, H, d..] for the yielded 'tensor<8xf32>', but got 'tensor<?x?x3x8xf32>'}}
  %s:2 = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x?x3x8xf32>, tensor<?x2x8x8xf32>) {
    rwkv.yield %kt, %S : tensor<8xf32>, !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c7: the state's heads, not the groups' ones.
func.func @output_groups(%k: tensor<2x5x1x8xf32>, %s0: tensor<2x4x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected a result [B, T, H, d..] for the yielded 'tensor<8xf32>', but got 'tensor<2x6x4x8xf32>'}}
  %o:2 = rwkv.recurrence over(%kt = %k : tensor<2x5x1x8xf32>) init(%S = %s0 : tensor<2x4x8x8xf32>)
      -> (tensor<2x6x4x8xf32>, tensor<2x4x8x8xf32>) {
    rwkv.yield %kt, %S : tensor<8xf32>, !rwkv.state<8|8xf32>
  }
  return
}

// -----

// recurrence_c7
func.func @state_type(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-error @below {{'rwkv.recurrence' op expected a result of the type of its 'init', 'tensor<?x2x8x8xf32>', but got 'tensor<?x2x8x8xbf16>'}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xbf16>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// The region sees nothing from above.
func.func @isolated(%k: tensor<?x?x2x8xf32>, %z: tensor<8xf32>, %s0: tensor<?x2x8x8xf32>) {
  // expected-note @below {{required by region isolation constraints}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    // expected-error @below {{'rwkv.write' op using value defined outside the region}}
    %S1 = rwkv.write %S[%z], %kt : !rwkv.state<8|8xf32>
    rwkv.yield %S1 : !rwkv.state<8|8xf32>
  }
  return
}

// -----

// Only state ops may make a state from a state.
func.func @select(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    %c = arith.constant true
    %S1 = rwkv.write %S[%kt], %kt : !rwkv.state<8|8xf32>
    // expected-error @below {{'arith.select' op expected only state ops on a state}}
    %S2 = arith.select %c, %S1, %S : !rwkv.state<8|8xf32>
    rwkv.yield %S2 : !rwkv.state<8|8xf32>
  }
  return
}

// -----

func.func @empty_chunk(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  // expected-error @below {{expected a chunk of at least one token, but got 0}}
  } attributes {schedule = #rwkv.schedule<chunk, C = 0>}
  return
}

// -----

func.func @negative_chunk(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  // expected-error @below {{expected a chunk of at least one token, but got -16}}
  } attributes {schedule = #rwkv.schedule<scan, C = -16>}
  return
}

// -----

func.func @schedule_by_name(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  // expected-error @below {{expected "schedule" to be a #rwkv.schedule, but got "chunk"}}
  } attributes {note = 1 : i64, schedule = "chunk"}
  return
}

// -----

func.func @chunk_of_steps(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  // expected-error @below {{expected a chunk of at least one token only where there are chunks, but got 4}}
  } attributes {schedule = #rwkv.schedule<step, C = 4>}
  return
}

// -----

func.func @filled_steps(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  // expected-error @below {{expected tasks to fill only where there are chunks, but got 4}}
  } attributes {schedule = #rwkv.schedule<step, fill = 4>}
  return
}

// -----

func.func @least_of_steps(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  // expected-error @below {{expected a least number of tokens only where there is another form, but got 4}}
  } attributes {schedule = #rwkv.schedule<step, least = 4>}
  return
}

// -----

func.func @unknown_key(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  // expected-error @below {{expected C, fill, least or split, each once, but got 'D'}}
  } attributes {schedule = #rwkv.schedule<chunk, C = 4, D = 4>}
  return
}

// -----

// recurrence_c8: 257 is no bf16.
func.func @counter(%x: tensor<?x?x2x8xf32>, %n: tensor<?x2x1xbf16>) {
  %r = rwkv.recurrence over(%xt = %x : tensor<?x?x2x8xf32>) init(%N = %n : tensor<?x2x1xbf16>) -> (tensor<?x2x1xbf16>) {
    // expected-error @below {{'rwkv.count' op expected a period of at most 256 tokens for a counter that is stored as 'bf16', but got 257}}
    %N1 = rwkv.count %N every 257 : !rwkv.state<|1xf32>
    rwkv.yield %N1 : !rwkv.state<|1xf32>
  }
  return
}

// -----

// recurrence_c8: behind something else, and beside a counter that is stored as f32.
func.func @counters(%x: tensor<?x?x2x8xf32>, %m: tensor<?x2x1xf32>, %n: tensor<?x2x1xf16>) {
  %r:2 = rwkv.recurrence over(%xt = %x : tensor<?x?x2x8xf32>)
      init(%M = %m : tensor<?x2x1xf32>, %N = %n : tensor<?x2x1xf16>) -> (tensor<?x2x1xf32>, tensor<?x2x1xf16>) {
    %M1 = rwkv.count %M every 4096 : !rwkv.state<|1xf32>
    // expected-error @below {{'rwkv.count' op expected a period of at most 2048 tokens for a counter that is stored as 'f16', but got 4096}}
    %N1 = rwkv.count %N every 4096 : !rwkv.state<|1xf32>
    %z = rwkv.fill 0.0 : tensor<1xf32>
    %N2 = rwkv.write %N1[], %z : !rwkv.state<|1xf32>
    rwkv.yield %M1, %N2 : !rwkv.state<|1xf32>, !rwkv.state<|1xf32>
  }
  return
}
