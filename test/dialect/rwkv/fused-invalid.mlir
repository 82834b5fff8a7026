// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @domain(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.fused' expected string or keyword containing one of the following enum values for attribute 'domain' [rows, columns, heads]}}
  %r = rwkv.fused blocks -> (tensor<8xf32>) {
    rwkv.yield %x : tensor<8xf32>
  }
  return
}

// -----

func.func @yield_type(%x: tensor<4xf32>) {
  // expected-error @below {{'rwkv.fused' op expected the body to end with 'rwkv.yield' of the result types}}
  %r = rwkv.fused rows -> (tensor<8xf32>) {
    rwkv.yield %x : tensor<4xf32>
  }
  return
}

// -----

func.func @yield_count(%x: tensor<8xf32>) {
  // expected-error @below {{'rwkv.fused' op expected the body to end with 'rwkv.yield' of the result types}}
  %r = rwkv.fused rows -> (tensor<8xf32>) {
    rwkv.yield
  }
  return
}
