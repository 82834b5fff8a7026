// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s --verify-roundtrip | FileCheck %s
// RUN: %roundtrip

// Types, attributes and their aliases.

// CHECK-DAG: !BTD = tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
// CHECK-DAG: !BTD_bf16 = tensor<?x?x?xbf16, #rwkv.dims<B, T, D>>
// CHECK-DAG: !BT_i32 = tensor<?x?xi32, #rwkv.dims<B, T>>
// CHECK-DAG: !state = !rwkv.state<64|64xf32>
// CHECK-DAG: = !rwkv.state<|64xf32>
// CHECK-DAG: = !rwkv.state<64x32|16xf64>
// CHECK-DAG: = !rwkv.state<?x?|?xf32>

// CHECK-LABEL: func private @dims(!BTD, !BTD_bf16, !BT_i32)
func.func private @dims(tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, tensor<?x?x?xbf16, #rwkv.dims<B, T, D>>,
                        tensor<?x?xi32, #rwkv.dims<B, T>>)

// CHECK: func private @states(!state, !state{{[0-9]+}}, !state{{[0-9]+}}, !state{{[0-9]+}})
func.func private @states(!rwkv.state<64|64xf32>, !rwkv.state<|64xf32>, !rwkv.state<64x32|16xf64>,
                          !rwkv.state<?x?|?xf32>)

// CHECK: func private @attributes()
// CHECK-SAME: shape = #rwkv.dims<5, R, 2*D>, target = #rwkv.target<"x86-64-v3", vector = 256, registers = 16, scratch = 32768>
func.func private @attributes() attributes {
  shape = #rwkv.dims<5, R, 2*D>,
  target = #rwkv.target<"x86-64-v3", vector = 256, registers = 16, scratch = 32768>
}
