// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file

// weight_c1
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected a shape #rwkv.dims<..> or a static tensor type, but got tensor<?x4xf32>}}
  rwkv.weight @w "w" tensor<?x4xf32>
}

// -----

// weight_c1
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected a shape #rwkv.dims<..> or a static tensor type, but got f32}}
  rwkv.weight @w "w" f32
}

// -----

// weight_c1
rwkv.model @m {
  // expected-error @below {{attribute 'shape' failed to satisfy constraint}}
  rwkv.weight @w "w" "D"
}

// -----

// weight_c2
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected two axes of a 'transposed' weight, but got 1}}
  rwkv.weight @w "w" #rwkv.dims<D> transposed
}

// -----

// weight_c2
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected two axes of a 'transposed' weight, but got 3}}
  rwkv.weight @w "w" tensor<2x3x4xf32> transposed
}

// -----

// weight_c3
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected a condition 'l <op> <integer>' with one of == != < <= > >=, but got 'm > 0'}}
  rwkv.weight @w "w.{l}" #rwkv.dims<D> when "m > 0"
}

// -----

// weight_c3
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected a condition 'l <op> <integer>' with one of == != < <= > >=, but got 'l = 0'}}
  rwkv.weight @w "w.{l}" #rwkv.dims<D> when "l = 0"
}

// -----

// weight_c3
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected a condition 'l <op> <integer>' with one of == != < <= > >=, but got 'l > 0 && l < 4'}}
  rwkv.weight @w "w.{l}" #rwkv.dims<D> when "l > 0 && l < 4"
}

// -----

// weight_c3
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected a condition 'l <op> <integer>' with one of == != < <= > >=, but got ''}}
  rwkv.weight @w "w.{l}" #rwkv.dims<D> when ""
}

// -----

// weight_c3
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected a key with {l} for a weight with 'when', but got "w"}}
  rwkv.weight @w "w" #rwkv.dims<D> when "l > 0"
}

// -----

// expected-error @below {{'rwkv.weight' op expects parent op 'rwkv.model'}}
rwkv.weight @w "w" #rwkv.dims<D>

// -----

rwkv.model @m {
  // expected-error @below {{expected a positive size, but got 0}}
  rwkv.weight @w "w" #rwkv.dims<0, D>
}

// -----

rwkv.model @m {
  // expected-error @below {{expected a positive size, but got -5}}
  rwkv.weight @w "w" #rwkv.dims<-5*R>
}

// -----

rwkv.model @m {
  // expected-error @below {{expected valid keyword}}
  rwkv.weight @w "w" #rwkv.dims<5*7>
}

// -----

// Of several keys all or none depend on the layer.
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected {l} in all keys or in none, but got "b | c.{l}"}}
  rwkv.weight @w "b | c.{l}" #rwkv.dims<D>
}
