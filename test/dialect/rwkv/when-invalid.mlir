// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @condition(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.when' op expected a condition 'l <op> <integer>' with one of == != < <= > >=, but got 'layer > 0'}}
  %r = rwkv.when "layer > 0" -> (tensor<8xf32>) {
    rwkv.yield %x : tensor<8xf32>
  } else {
    rwkv.yield %x : tensor<8xf32>
  }
  return
}

// -----

func.func @integer(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.when' op expected a condition 'l <op> <integer>' with one of == != < <= > >=, but got 'l > L'}}
  %r = rwkv.when "l > L" -> (tensor<8xf32>) {
    rwkv.yield %x : tensor<8xf32>
  } else {
    rwkv.yield %x : tensor<8xf32>
  }
  return
}

// -----

// when_c1
func.func @then_type(%x: tensor<8xf32>, %y: tensor<4xf32>) {
  // expected-error @below {{'rwkv.when' op expected both regions to end with 'rwkv.yield' of the result types}}
  %r = rwkv.when "l > 0" -> (tensor<8xf32>) {
    rwkv.yield %y : tensor<4xf32>
  } else {
    rwkv.yield %x : tensor<8xf32>
  }
  return
}

// -----

// when_c1
func.func @else_count(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.when' op expected both regions to end with 'rwkv.yield' of the result types}}
  %r = rwkv.when "l > 0" -> (tensor<8xf32>) {
    rwkv.yield %x : tensor<8xf32>
  } else {
    rwkv.yield
  }
  return
}
