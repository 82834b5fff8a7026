// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// expected-error @below {{'rwkv.dim' op expects parent op 'rwkv.model'}}
rwkv.dim @H = "D / N"

// -----

rwkv.model @m {
  // expected-error @below {{integer literal not valid for specified type}}
  rwkv.dim @H = 8
}
