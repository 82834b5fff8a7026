// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Model level: declarations, layers, and ops that use weights.
#ifndef RWKV_DIALECT_RWKV_RWKVMODELOPS_TD
#define RWKV_DIALECT_RWKV_RWKVMODELOPS_TD

include "dialect/Rwkv/RwkvTypes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Rwkv_ModelOp : Rwkv_Op<"model", [Symbol, SymbolTable, NoTerminator, SingleBlock, IsolatedFromAbove]> {
  let summary = "A family of models: weights, params, sizes and functions";
  let description = [{
    Holds `rwkv.weight`, `rwkv.param` and `rwkv.dim` declarations and `func.func` functions. A spec holds for every size of
    its family; `--rwkv-specialize` solves the sizes from a checkpoint's shapes. A model belongs to a checkpoint if all its
    weights unify with it.

    Example:
    ```mlir
    rwkv.model @m {
      rwkv.weight @emb "emb.weight" #rwkv.dims<V, D>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let hasRegionVerifier = 1;
}

def Rwkv_ParamOp : Rwkv_Op<"param", [Symbol, HasParent<"ModelOp">]> {
  let summary = "A number that no checkpoint holds; --param name=value overrides it";
  let description = [{
    A number without a unit, kept in f64 and rounded where it is used (the epsilon of a norm).

    Example:
    ```mlir
    rwkv.model @m {
      rwkv.param @ln_x_eps = 64.0e-5
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, F64Attr:$value);
  let assemblyFormat = "$sym_name `=` $value attr-dict";
}

def Rwkv_DimOp : Rwkv_Op<"dim", [Symbol, HasParent<"ModelOp">]> {
  let summary = "A relation between named sizes: name = expression";
  let description = [{
    The expression uses integers, names of sizes, `+ - * /` (exact division) and parentheses. A size that the weights give as
    well must agree.

    Example:
    ```mlir
    rwkv.model @m {
      rwkv.dim @H = "D / N"
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$expression);
  let assemblyFormat = "$sym_name `=` $expression attr-dict";
}

def Rwkv_WeightOp : Rwkv_Op<"weight", [Symbol, HasParent<"ModelOp">]> {
  let summary = "A weight: checkpoint key(s) and shape in named sizes";
  let description = [{
    `{l}` in a key is the layer index. With several keys, separated by `|`, the first that exists wins. The shape is that of
    the stored array without axes of size 1. `transposed` marks a matrix that is stored (out, in), the order of
    torch.nn.Linear; without it (in, out). `when "l > 0"` restricts a layer weight to the layers for which it exists.
    After `--rwkv-specialize` the shape is a static tensor type whose element type is the stored one.

    Constraints
    - weight_c1: a shape is `#rwkv.dims<..>` or a static tensor type.
    - weight_c2: `transposed` needs two axes.
    - weight_c3: a `when` condition reads `l <op> <integer>` with one of `== != < <= > >=`, and the key contains `{l}`.
    - weight_c4: `{l}` is in all keys or in none.

    Example:
    ```mlir
    rwkv.model @m {
      rwkv.weight @Wr "blocks.{l}.att.receptance.weight" #rwkv.dims<D, D> transposed
      rwkv.weight @v0 "blocks.{l}.att.v0" #rwkv.dims<D> when "l > 0"
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$key, AnyAttrOf<[Rwkv_DimsAttr, TypeAttr]>:$shape,
                       UnitAttr:$transposed, OptionalAttr<StrAttr>:$when);
  let assemblyFormat = "$sym_name $key $shape (`transposed` $transposed^)? (`when` $when^)? attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The static type of the stored array, or null before specialisation.
    ::mlir::RankedTensorType getStoredType();
    /// Whether the key depends on the layer.
    bool isPerLayer() { return getKey().contains("{l}"); }
  }];
}

class Rwkv_WeightUser<string mnemonic, list<Trait> traits = []>
    : Rwkv_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>], traits)>;

def Rwkv_GetOp : Rwkv_WeightUser<"get"> {
  let summary = "A weight as a value, repeated along the axes that it lacks";
  let description = [{
    With axis names, the weight's axes are found in the result by name; otherwise `on [..]` gives the position in the result
    of each axis of the weight (the last axes if absent). The value is converted to the result's element type.

    Example:
    ```mlir
    // model
    %m = rwkv.get @vec : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight, OptionalAttr<DenseI64ArrayAttr>:$on);
  let results = (outs Rwkv_FloatTensor:$result);
  let assemblyFormat = "$weight (`on` $on^)? attr-dict `:` type($result)";
}

def Rwkv_EmbedOp : Rwkv_WeightUser<"embed"> {
  let summary = "Rows of a weight: y[b, t, :] = W[token[b, t], :]";
  let description = [{
    `tokens` is i32 `[B, T]`, the weight `[V, D]`, the result `[B, T, D]`.

    Example:
    ```mlir
    // model
    %e = rwkv.embed %tokens, @emb : tensor<?x?xi32, #rwkv.dims<B, T>> -> tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    ```
  }];
  let arguments = (ins TensorOf<[I32]>:$tokens, FlatSymbolRefAttr:$weight);
  let results = (outs Rwkv_FloatTensor:$result);
  let assemblyFormat = "$tokens `,` $weight attr-dict `:` type($tokens) `->` type($result)";
}

def Rwkv_LinearOp : Rwkv_WeightUser<"linear"> {
  let summary = "Matrix product with a weight over the last axis: y[.., o] = sum_i x[.., i] W[i, o]";
  let description = [{
    The weight is stored (in, out), or (out, in) if it is declared `transposed`; it is used as stored. Sums are f32.

    Example:
    ```mlir
    // model
    %y = rwkv.linear %x, @mat : tensor<?x?x?xf32, #rwkv.dims<B, T, D>> -> tensor<?x?x?xf32, #rwkv.dims<B, T, F>>
    ```
  }];
  let arguments = (ins Rwkv_FloatTensor:$x, FlatSymbolRefAttr:$weight);
  let results = (outs Rwkv_FloatTensor:$result);
  let assemblyFormat = "$x `,` $weight attr-dict `:` type($x) `->` type($result)";
}

def Rwkv_NormOp : Rwkv_WeightUser<"norm", [SameOperandsAndResultType]> {
  let summary = "Layer norm over one axis: (x - mean) / sqrt(var + eps) * w + b";
  let description = [{
    Biased variance. `w` and `b` have the normalised axis, or, for a group norm over N of a `[.., H, N]` value, the product
    axis H*N or the two axes. `eps` is a `rwkv.param`.

    Example:
    ```mlir
    // model
    %h = rwkv.norm %x, @vec, @vec over "D" eps @eps : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    ```
  }];
  let arguments = (ins Rwkv_FloatTensor:$x, FlatSymbolRefAttr:$scale, FlatSymbolRefAttr:$bias, Rwkv_AxisAttr:$axis,
                       FlatSymbolRefAttr:$eps);
  let results = (outs Rwkv_FloatTensor:$result);
  let assemblyFormat = "$x `,` $scale `,` $bias `over` custom<Axis>($axis) `eps` $eps attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Rwkv_L2NormOp : Rwkv_Op<"l2norm", [Pure, SameOperandsAndResultType]> {
  let summary = "x / max(|x|_2, floor) over one axis";
  let description = [{
    The axis is a name, or a position where axes have none.

    Example:
    ```mlir
    // model
    %h = rwkv.l2norm %x over "D" floor 1.0e-12 : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    ```

    Example: keys of length 1, as delta rules expect them.
    ```mlir
    // region
    %kn = rwkv.l2norm %k over 0 floor 1.0e-12 : tensor<8xf32>
    ```
  }];
  let arguments = (ins Rwkv_FloatTensor:$x, Rwkv_AxisAttr:$axis, F64Attr:$floor);
  let results = (outs Rwkv_FloatTensor:$result);
  let assemblyFormat = "$x `over` custom<Axis>($axis) `floor` $floor attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Rwkv_LerpOp : Rwkv_WeightUser<"lerp", [AllTypesMatch<["from", "to", "result"]>]> {
  let summary = "Interpolate with a weight: from + (to - from) * w";
  let description = [{
    Sugar for `rwkv.get` and `arith`; `--rwkv-specialize` expands it.

    Example:
    ```mlir
    // model
    %h = rwkv.lerp %x, %p by @vec : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    ```
  }];
  let arguments = (ins Rwkv_FloatTensor:$from, Rwkv_FloatTensor:$to, FlatSymbolRefAttr:$weight);
  let results = (outs Rwkv_FloatTensor:$result);
  let assemblyFormat = "$from `,` $to `by` $weight attr-dict `:` type($result)";
}

def Rwkv_TokenShiftOp : Rwkv_Op<"token_shift", [Pure,
    TypesMatchWith<"shifted has the type of x", "x", "shifted", "$_self">,
    TypesMatchWith<"next has the type of last", "last", "next", "$_self">]> {
  let summary = "The value of the previous token, and of the last one";
  let description = [{
    `x` is `[B, T, d..]`, `last` `[B, d..]` the value before the first token. shifted[b, t] = x[b, t - 1], shifted[b, 0] =
    last[b]; next[b] = x[b, T - 1] (last[b] if there are no tokens). With `reset` (cu_seqlens `[S + 1]`, B = 1) `last` and
    `next` are `[S, d..]` and each sequence starts anew.

    Constraints
    - token_shift_c1: `last` is `x` without the time axis (with `reset`: with S in place of B).

    Example:
    ```mlir
    // model
    %shifted, %next = rwkv.token_shift %x, %last : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>, tensor<?x?xf32, #rwkv.dims<B, D>>
    ```
  }];
  let arguments = (ins Rwkv_FloatTensor:$x, Rwkv_FloatTensor:$last, Optional<Rwkv_Sequences>:$reset);
  let results = (outs Rwkv_FloatTensor:$shifted, Rwkv_FloatTensor:$next);
  let assemblyFormat = "$x `,` $last (`reset` `(` $reset^ `:` type($reset) `)`)? attr-dict `:` type($x) `,` type($last)";
  let hasVerifier = 1;
}

def Rwkv_LastOp : Rwkv_Op<"last", [Pure]> {
  let summary = "The value of each sequence's last token";
  let description = [{
    `x` is `[B, T, d..]`, the result `[B, d..]`, with `reset` `[S, d..]`. Rows of sequences without tokens are zero.

    Example:
    ```mlir
    // model
    %y = rwkv.last %x : tensor<?x?x?xf32, #rwkv.dims<B, T, D>> -> tensor<?x?xf32, #rwkv.dims<B, D>>
    ```
  }];
  let arguments = (ins Rwkv_FloatTensor:$x, Optional<Rwkv_Sequences>:$reset);
  let results = (outs Rwkv_FloatTensor:$result);
  let assemblyFormat = "$x (`reset` `(` $reset^ `:` type($reset) `)`)? attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Rwkv_ReshapeOp : Rwkv_Op<"reshape", [Pure]> {
  let summary = "Split or merge the feature axes, row-major: [.., H*N] <-> [.., H, N]";
  let description = [{
    The leading axes of equal name (or all dynamic ones) stay; the products of the remaining sizes must be equal.

    Example:
    ```mlir
    // model
    %h = rwkv.reshape %x : tensor<?x?x?xf32, #rwkv.dims<B, T, D>> -> tensor<?x?x?x?xf32, #rwkv.dims<B, T, H, N>>
    ```
  }];
  let arguments = (ins Rwkv_FloatTensor:$x);
  let results = (outs Rwkv_FloatTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Rwkv_LayersOp : Rwkv_Op<"layers", [AttrSizedOperandSegments, Pure,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "A scan over layers";
  let description = [{
    `iter` values flow from layer to layer; `each` values are stacked per layer, `[L, ..]`, and the body sees its layer's
    slice. The body yields the next iter values, then the new slices; results are the last iter values, then the new stacks.
    `l in L` runs over all layers of the checkpoint. After `--rwkv-specialize` there is a body per range of layers, `l in
    [0, 1, 12]` with two bodies: layers 0 .. 0 use the first, 1 .. 11 the second.

    Constraints
    - layers_c1: one region argument per operand, of the operand's type, for `each` without the first axis.
    - layers_c2: one value yielded and one result per operand, of the region argument's and the operand's type.
    - layers_c3: bounds ascend, with one more of them than bodies; a count goes with one body; stacks are as long as the
      bounds say.

    Example:
    ```mlir
    // model
    %y = rwkv.layers l in L iter(%xl = %x : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>)
        -> (tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
      %z = arith.addf %xl, %xl : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
      rwkv.yield %z : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    }
    ```
  }];
  let arguments = (ins StrAttr:$index, OptionalAttr<StrAttr>:$count, OptionalAttr<DenseI64ArrayAttr>:$bounds,
                       Variadic<AnyRankedTensor>:$iter, Variadic<AnyRankedTensor>:$each);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Rwkv_WhenOp : Rwkv_Op<"when", [Pure, SingleBlock]> {
  let summary = "A choice by layer index, made at specialisation, never at run time";
  let description = [{
    The condition reads `l <op> <integer>`. Constraint when_c1: both regions yield the result types.

    Example:
    ```mlir
    // layer
    %r = rwkv.when "l > 0" -> (tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
      rwkv.yield %x : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    } else {
      rwkv.yield %p : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    }
    ```
  }];
  let arguments = (ins StrAttr:$condition);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$then, SizedRegion<1>:$otherwise);
  let assemblyFormat = "$condition (`->` `(` type($results)^ `)`)? $then `else` $otherwise attr-dict";
  let hasVerifier = 1;
}

def Rwkv_FusedDomain : I32EnumAttr<"FusedDomain", "what one task of a fused group computes", [
    I32EnumAttrCase<"rows", 0>, I32EnumAttrCase<"columns", 1>, I32EnumAttrCase<"heads", 2>]> {
  let cppNamespace = "::rwkv";
}

def Rwkv_FusedOp : Rwkv_Op<"fused", [Pure]> {
  let summary = "Ops that become one kernel";
  let description = [{
    Made by `--rwkv-fuse`, consumed by `--rwkv-expand`. The domain is what one task computes: `rows` all features of one
    token (or of one sequence), `columns` a block of output features of one `rwkv.linear` for all rows, `heads` one head of
    one sequence, token by token. Values from above are used as they are. The body yields the result types.

    Example:
    ```mlir
    // model
    %f = rwkv.fused rows -> (tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
      %y = rwkv.relu %x : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
      rwkv.yield %y : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    }
    ```
  }];
  let arguments = (ins Rwkv_FusedDomain:$domain);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$domain (`->` `(` type($results)^ `)`)? $body attr-dict";
  let hasVerifier = 1;
}

#endif // RWKV_DIALECT_RWKV_RWKVMODELOPS_TD
