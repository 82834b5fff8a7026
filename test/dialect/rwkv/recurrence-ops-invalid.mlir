// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// recurrence_c10: ops that a token region cannot have.
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

!x = tensor<?x?x2x8xf32>
!s = tensor<?x2x8xf32>
!S = !rwkv.state<|8xf32>

// recurrence_c10
func.func @remainder(%x: !x, %s: !s) {
  %0 = rwkv.recurrence over(%xt = %x : !x) init(%S = %s : !s) -> (!s) {
    // expected-error @below {{'arith.remf' op has no form for one token of one head, so it cannot be in the region of 'rwkv.recurrence'}}
    %y = arith.remf %xt, %xt : tensor<8xf32>
    rwkv.yield %S : !S
  }
  return
}

// -----

!x = tensor<?x?x2x8xf32>
!s = tensor<?x2x8xf32>
!S = !rwkv.state<|8xf32>

// recurrence_c10
func.func @two_results(%x: !x, %s: !s) {
  %0 = rwkv.recurrence over(%xt = %x : !x) init(%S = %s : !s) -> (!s) {
    // expected-error @below {{'math.sincos' op has no form for one token of one head}}
    %y, %z = math.sincos %xt : tensor<8xf32>
    rwkv.yield %S : !S
  }
  return
}

// -----

!x = tensor<?x?x2x8xf32>
!s = tensor<?x2x8xf32>
!S = !rwkv.state<|8xf32>

// recurrence_c10
func.func @several_integers(%x: !x, %s: !s) {
  %0 = rwkv.recurrence over(%xt = %x : !x) init(%S = %s : !s) -> (!s) {
    // expected-error @below {{'arith.constant' op has no form for one token of one head}}
    %y = arith.constant dense<[1, 2]> : tensor<2xi32>
    rwkv.yield %S : !S
  }
  return
}

// -----

!x = tensor<?x?x2x8xf32>
!s = tensor<?x2x8xf32>
!S = !rwkv.state<|8xf32>

// recurrence_c10
func.func @small_float(%x: !x, %s: !s) {
  %0 = rwkv.recurrence over(%xt = %x : !x) init(%S = %s : !s) -> (!s) {
    // expected-error @below {{'arith.truncf' op has no form for one token of one head}}
    %y = arith.truncf %xt : tensor<8xf32> to tensor<8xf8E4M3FN>
    rwkv.yield %S : !S
  }
  return
}

// -----

!x = tensor<?x?x2x8xf32>
!s = tensor<?x2x8xf32>
!S = !rwkv.state<|8xf32>

// recurrence_c10
func.func @bits_of_a_half(%x: !x, %s: !s) {
  %0 = rwkv.recurrence over(%xt = %x : !x) init(%S = %s : !s) -> (!s) {
    %y = arith.truncf %xt : tensor<8xf32> to tensor<8xf16>
    // expected-error @below {{'arith.bitcast' op has no form for one token of one head}}
    %z = arith.bitcast %y : tensor<8xf16> to tensor<8xi16>
    rwkv.yield %S : !S
  }
  return
}

// -----

!x = tensor<?x?x2x8xf32>
!s = tensor<?x2x8xf32>
!S = !rwkv.state<|8xf32>

// recurrence_c10
rwkv.model @m {
  rwkv.param @eps = 1.0e-5
  rwkv.weight @w "w" tensor<8xf32>
  func.func @norm(%x: !x, %s: !s) {
    %0 = rwkv.recurrence over(%xt = %x : !x) init(%S = %s : !s) -> (!s) {
      // expected-error @below {{'rwkv.norm' op has no form for one token of one head}}
      %y = rwkv.norm %xt, @w, @w over 0 eps @eps : tensor<8xf32>
      rwkv.yield %S : !S
    }
    return
  }
}
