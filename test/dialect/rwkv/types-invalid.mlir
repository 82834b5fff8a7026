// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// expected-error @below {{expected state elements of f32 or f64, but got 'bf16'}}
func.func private @element(!rwkv.state<64|64xbf16>)

// -----

// expected-error @below {{expected positive sizes of state axes, but got 0}}
func.func private @key(!rwkv.state<0|64xf32>)

// -----

// expected-error @below {{expected positive sizes of state axes, but got 0}}
func.func private @value(!rwkv.state<64|0xf32>)

// -----

// expected-error @below {{expected exactly one value axis after '|', but got 2}}
func.func private @values(!rwkv.state<64|4x64xf32>)

// -----

// expected-error @below {{expected exactly one value axis after '|', but got 0}}
func.func private @no_value(!rwkv.state<64|f32>)

// -----

// expected-error @below {{expected a positive size, but got 0}}
func.func private @dims() attributes {shape = #rwkv.dims<D, 0>}

// -----

// Names and axes are as many.
// expected-error @below {{expected one axis name per axis, but got 1 name(s) for 2 axes}}
func.func private @names(tensor<?x?xf32, #rwkv.dims<B>>)
