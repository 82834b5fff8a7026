// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

func.func @precision_by_name(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  // expected-error @below {{expected "precision" to be a #rwkv.precision, but got "bf16"}}
  } attributes {precision = "bf16"}
  return
}

// -----

func.func @unknown_precision(%k: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>) {
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf32>) init(%S = %s0 : tensor<?x2x8x8xf32>)
      -> (tensor<?x2x8x8xf32>) {
    rwkv.yield %S : !rwkv.state<8|8xf32>
  // expected-error @below {{expected ::rwkv::Precision to be one of: f32, tf32, bf16}}
  // expected-error @below {{failed to parse Rwkv_PrecisionAttr parameter 'value'}}
  } attributes {precision = #rwkv.precision<bf8>}
  return
}

// -----

func.func @rounded_f64(%k: tensor<?x?x2x8xf64>, %s0: tensor<?x2x8x8xf64>) {
  // expected-error @below {{expected precision f32 for a state that is computed in f64, 'tensor<?x2x8x8xf64>', but got bf16}}
  %s = rwkv.recurrence over(%kt = %k : tensor<?x?x2x8xf64>) init(%S = %s0 : tensor<?x2x8x8xf64>)
      -> (tensor<?x2x8x8xf64>) {
    rwkv.yield %S : !rwkv.state<8|8xf64>
  } attributes {precision = #rwkv.precision<bf16>}
  return
}
