// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rwkv-opt %s -verify-diagnostics -split-input-file --rwkv-specialize="checkpoint=a=8xf32,b=4x8xbf16,x.0=8xf32,x.1=8xf32,y.0=8xf32,z.0=8xf32,z.1=8xbf16,p.0=8xf32,p.1=9xf32,i=8xi32,d=8xf64,o=0x8xf32,t=2x3x8xf32 allow-unused"

rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected the checkpoint to hold "none", but found no such tensor}}
  rwkv.weight @w "none" #rwkv.dims<D>
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected the checkpoint to hold "none | nil", but found no such tensor}}
  rwkv.weight @w "none | nil" #rwkv.dims<D>
}

// -----

// A layer has all of its weights.
rwkv.model @m {
  rwkv.weight @x "x.{l}" #rwkv.dims<D>
  // expected-error @below {{'rwkv.weight' op expected the checkpoint to hold "y.{l}" for layer 1, but found no such tensor}}
  rwkv.weight @y "y.{l}" #rwkv.dims<D>
}

// -----

rwkv.model @m {
  rwkv.weight @x "x.{l}" #rwkv.dims<D>
  // expected-error @below {{'rwkv.weight' op expected the checkpoint to hold "y.{l}" for layer 1, but found no such tensor}}
  rwkv.weight @y "y.{l}" #rwkv.dims<D> when "l > 0"
}

// -----

// Ranks.
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected shape [D, F] of "a", but found [8]}}
  rwkv.weight @a "a" #rwkv.dims<D, F>
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected shape [D, F] of "t", but found [2, 3, 8]}}
  rwkv.weight @t "t" #rwkv.dims<D, F>
}

// -----

// Sizes.
rwkv.model @m {
  rwkv.weight @a "a" #rwkv.dims<D>
  // expected-error @below {{'rwkv.weight' op expected shape [D, F] with D = 8 of "b", but found [4, 8]}}
  rwkv.weight @b "b" #rwkv.dims<D, F>
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected shape [D, D] with D = 4 of "b", but found [4, 8]}}
  rwkv.weight @b "b" #rwkv.dims<D, D> transposed
}

// -----

// Factors.
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected shape [5*R] of "a", but found [8]}}
  rwkv.weight @a "a" #rwkv.dims<5*R>
}

// -----

rwkv.model @m {
  rwkv.weight @a "a" #rwkv.dims<2*R>
  // expected-error @below {{'rwkv.weight' op expected shape [F, 4*R] with F = 4, R = 4 of "b", but found [4, 8]}}
  rwkv.weight @b "b" #rwkv.dims<F, 4*R>
}

// -----

// Literal sizes.
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected shape [5] of "a", but found [8]}}
  rwkv.weight @a "a" #rwkv.dims<5>
}

// -----

// Empty tensors.
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected shape [Z, D] of "o", but found [0, 8]}}
  rwkv.weight @o "o" #rwkv.dims<Z, D>
}

// -----

// Layers differ.
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected shape [D] with D = 8 of "p.1", but found [9]}}
  rwkv.weight @p "p.{l}" #rwkv.dims<D>
}

// -----

// A static shape.
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected shape [4] of "a", but found [8]}}
  rwkv.weight @a "a" tensor<4xf32>
}

// -----

// Dtypes.
rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected one dtype in all layers, but found 'f32' in "z.0" and 'bf16' in "z.1"}}
  rwkv.weight @z "z.{l}" #rwkv.dims<D>
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected f32, f16 or bf16 in "i", but found 'i32'}}
  rwkv.weight @i "i" #rwkv.dims<D>
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.weight' op expected f32, f16 or bf16 in "d", but found 'f64'}}
  rwkv.weight @d "d" #rwkv.dims<D>
}

// -----

// Relations.
rwkv.model @m {
  rwkv.weight @a "a" #rwkv.dims<D>
  // expected-error @below {{'rwkv.dim' op expected D = 9, but found 8 and 9}}
  rwkv.dim @D = "9"
}

// -----

rwkv.model @m {
  rwkv.weight @a "a" #rwkv.dims<D>
  // expected-error @below {{'rwkv.dim' op expected a valid size "D / 3": 8 is not divisible by 3}}
  rwkv.dim @H = "D / 3"
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.dim' op expected a valid size "8 / (4 - 4)": 8 is not divisible by 0}}
  rwkv.dim @H = "8 / (4 - 4)"
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.dim' op expected a valid size "8 +": expected a number or a name of a size}}
  rwkv.dim @H = "8 +"
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.dim' op expected a valid size "(8": expected ')'}}
  rwkv.dim @H = "(8"
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.dim' op expected a valid size "8 8": unexpected '8'}}
  rwkv.dim @H = "8 8"
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.dim' op expected a valid size "": expected a number or a name of a size}}
  rwkv.dim @H = ""
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.dim' op expected a valid size "99999999999999999999": a number is too large}}
  rwkv.dim @H = "99999999999999999999"
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.dim' op expected a valid size "9223372036854775807 * 2": a number is too large}}
  rwkv.dim @H = "9223372036854775807 * 2"
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.dim' op expected a valid size "4 - 8": expected a positive size, but got -4}}
  rwkv.dim @H = "4 - 8"
}

// -----

rwkv.model @m {
  // expected-error @below {{'rwkv.dim' op expected the size K to be known, but no weight or relation gives it}}
  rwkv.dim @H = "2 * K"
}

// -----

// Axes of weights as values.
rwkv.model @m {
  rwkv.weight @a "a" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, F>>) {
    // expected-error @below {{'rwkv.get' op expected the axes of @a, #rwkv.dims<D>, to be axes of 'tensor<?x?x?xf32, #rwkv.dims<B, T, F>>' in the same order}}
    %0 = rwkv.get @a : tensor<?x?x?xf32, #rwkv.dims<B, T, F>>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @b "b" #rwkv.dims<F, D>
  func.func @f() {
    // expected-error @below {{'rwkv.get' op expected the axes of @b, #rwkv.dims<F, D>, to be axes of 'tensor<?x?x?x?xf32, #rwkv.dims<B, T, D, F>>' in the same order}}
    %0 = rwkv.get @b : tensor<?x?x?x?xf32, #rwkv.dims<B, T, D, F>>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @b "b" #rwkv.dims<F, D>
  func.func @f() {
    // expected-error @below {{'rwkv.get' op expected the axes of @b, #rwkv.dims<F, D>, to be axes of 'tensor<?xf32>' in the same order}}
    %0 = rwkv.get @b : tensor<?xf32>
    return
  }
}

// -----

// Sizes that collide, at the op.
rwkv.model @m {
  rwkv.weight @b "b" #rwkv.dims<F, D>
  func.func @f(%x: tensor<?x?x7xf32>) {
    // expected-error @below {{'rwkv.linear' op expected equal sizes of one axis, but got 7 and 4}}
    %0 = rwkv.linear %x, @b : tensor<?x?x7xf32> -> tensor<?x?x8xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @a "a" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
    // expected-error @below {{'rwkv.linear' op expected a weight of two axes, but got @a}}
    %0 = rwkv.linear %x, @a : tensor<?x?x?xf32, #rwkv.dims<B, T, D>> -> tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    return
  }
}

// -----

// A matrix that should be transposed.
rwkv.model @m {
  rwkv.weight @b "b" #rwkv.dims<F, D>
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
    // D and F are as the weight has them, but the input is D and the weight wants F first.
    // expected-error @below {{'rwkv.linear' op expected equal sizes of one axis, but got 8 and 4}}
    %0 = rwkv.linear %x, @b : tensor<?x?x?xf32, #rwkv.dims<B, T, D>> -> tensor<?x?x?xf32, #rwkv.dims<B, T, F>>
    return
  }
}

// -----

// Reshapes are checked when sizes are known.
rwkv.model @m {
  rwkv.weight @a "a" #rwkv.dims<D>
  rwkv.dim @H = "2"
  rwkv.dim @N = "3"
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
    // expected-error @below {{'rwkv.reshape' op expected equal numbers of elements per token, but got 'tensor<?x?x8xf32>' and 'tensor<?x?x2x3xf32>'}}
    %0 = rwkv.reshape %x : tensor<?x?x?xf32, #rwkv.dims<B, T, D>> -> tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>
    return
  }
}

// -----

// A size that nothing gives.
rwkv.model @m {
  rwkv.weight @a "a" #rwkv.dims<D>
  // expected-error @below {{expected the size of axis 2 of a value of type 'tensor<?x?x?xf32, #rwkv.dims<B, T, F>>' to be known, but no weight, argument or type gives it}}
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, F>>) {
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @a "a" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
    // expected-error @below {{expected the size of axis 0 of a value of type 'tensor<?x?xf32>' to be known, but no weight, argument or type gives it}}
    %0 = rwkv.fill 0.0 : tensor<?x?xf32>
    return
  }
}

// -----

rwkv.model @m {
  rwkv.weight @e "b" #rwkv.dims<V, D>
  func.func @f(%t: tensor<?x?xi32>) {
    // expected-error @below {{'rwkv.embed' op expected equal sizes of one axis, but got 7 and 8}}
    %0 = rwkv.embed %t, @e : tensor<?x?xi32> -> tensor<?x?x7xf32>
    return
  }
}

// -----

// Weights of a norm fit its axis.
rwkv.model @m {
  rwkv.weight @a "a" #rwkv.dims<D>
  rwkv.weight @b "b" #rwkv.dims<F, D>
  rwkv.param @eps = 1.0
  func.func @f(%x: tensor<?x?x?xf32, #rwkv.dims<B, T, F>>) {
    // expected-error @below {{'rwkv.norm' op expected weight @a to have 4 elements, but got tensor<8xf32>}}
    %0 = rwkv.norm %x, @a, @a over "F" eps @eps : tensor<?x?x?xf32, #rwkv.dims<B, T, F>>
    return
  }
}

// -----

// expected-error @below {{'rwkv.model' op expected a checkpoint with at least one layer, but found none}}
rwkv.model @m {
  rwkv.weight @w "no.{l}" #rwkv.dims<D>
  func.func @f(%x: tensor<?x?x8xf32>) {
    %0 = rwkv.layers l in L iter(%xl = %x : tensor<?x?x8xf32>) -> (tensor<?x?x8xf32>) {
      rwkv.yield %xl : tensor<?x?x8xf32>
    }
    return
  }
}

// -----

// The stack of states has as many layers as the checkpoint.
rwkv.model @m {
  rwkv.weight @x "x.{l}" #rwkv.dims<D>
  rwkv.weight @b "b" #rwkv.dims<F, D>
  func.func @f(%s: tensor<?x?x?xf32, #rwkv.dims<F, S, D>>) {
    // expected-error @below {{'rwkv.layers' op expected 'each' operands of 2 layers, but got 'tensor<4x?x8xf32>'}}
    %0 = rwkv.layers l in L each(%sl = %s : tensor<?x?x?xf32, #rwkv.dims<F, S, D>>) -> (tensor<?x?x?xf32, #rwkv.dims<F, S, D>>) {
      rwkv.yield %sl : tensor<?x?xf32, #rwkv.dims<S, D>>
    }
    return
  }
}
