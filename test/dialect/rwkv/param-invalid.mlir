// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// expected-error @below {{'rwkv.param' op expects parent op 'rwkv.model'}}
rwkv.param @eps = 1.0

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.param' invalid kind of attribute specified}}
  rwkv.param @eps = "a"
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.param' op attribute 'value' failed to satisfy constraint: 64-bit float attribute}}
  "rwkv.param"() <{sym_name = "eps", value = 1.0 : f32}> : () -> ()
}
