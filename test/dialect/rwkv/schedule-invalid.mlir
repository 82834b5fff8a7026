// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// expected-error @below {{expected a split of 1 or more, but got 0}}
func.func private @no_tasks() attributes {schedule = #rwkv.schedule<step, split = 0>}

// -----

// expected-error @below {{expected a split of 1 or more, of 1 where there are tasks to fill, but got 2}}
func.func private @split_segments() attributes {schedule = #rwkv.schedule<chunk, C = 16, fill = 8, split = 2>}

// -----

// expected-error @below {{expected C, fill, least or split, each once, but got 'split'}}
func.func private @twice() attributes {schedule = #rwkv.schedule<step, split = 2, split = 2>}
