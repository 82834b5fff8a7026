// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The recurrence and the state ops of its token region.
#ifndef RWKV_DIALECT_RWKV_RWKVRECURRENCEOPS_TD
#define RWKV_DIALECT_RWKV_RWKVRECURRENCEOPS_TD

include "dialect/Interfaces/StateStepOpInterface.td"
include "dialect/Rwkv/RwkvTypes.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Rwkv_RecurrenceOp : Rwkv_Op<"recurrence", [AttrSizedOperandSegments, IsolatedFromAbove, Pure,
    SingleBlock, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "A recurrence over tokens, written as a region that processes one token of one head";
  let description = [{
    For every sequence and every head the region runs once per token, in order. Its arguments are the token's slices of the
    `over` operands, the head's slices of the `const` operands, and the states; it yields, per result, either an output of
    this token or the state after this token. The result of a yielded state is the state after the last token.

    | operand        | shape                                   | region argument                          |
    |----------------|-----------------------------------------|------------------------------------------|
    | `over`         | `[B, T, Hg, d..]`                       | `tensor<d..xf32>`, or `f32` without `d`  |
    | `const`        | `[Hg, d..]`                             | the same                                 |
    | `init`         | `[B, H, K.., V]` (`[S, H, K.., V]`)     | `!rwkv.state<K..|Vxf32>`                 |
    | `reset`        | cu_seqlens, `[S + 1]` i32               | -                                        |

    Values in the region are f32 whatever the element type outside (f64 if it is f64): conversion happens at load and store.
    `Hg` divides `H`; head `h` reads group `h * Hg / H`. With `reset`, `B` is 1 and sequence `s` is the tokens
    `cu[s] .. cu[s+1]-1`; sequences of no tokens are legal and keep their state.

    Constraints
    - recurrence_c1: every `over` operand has rank >= 3, every `const` rank >= 1, every `init` rank >= 3 (batch, head, value).
    - recurrence_c2: known sizes of B, T agree among `over`; Hg divides H, the heads of the first `init`.
    - recurrence_c3: region arguments have the types above, in the order over, const, init.
    - recurrence_c4: one value is yielded per result; the k-th yielded state descends from the k-th `init`; all inits are yielded.
    - recurrence_c5: a state value has any number of reads but at most one successor that is yielded; other branches are
      *peeks* and may only be read.
    - recurrence_c6: ops in the region are free of side effects; those that take states implement `StateStepOpInterface`.
    - recurrence_c7: a result has the element shape `[B, T, H, d..]` of its yielded value or the shape of its `init`.
    - recurrence_c8: the element type of an `init` holds the numbers that `rwkv.count` carries in it: up to 256 in bf16, 2048
      in f16.
    - recurrence_c9: no `precision` but f32 is asked for where the region computes in f64.
    - recurrence_c10: ops in the region that take no states are `rwkv.fill`, `sum`, `l2norm`, `broadcast`, `reshape`, `dot`,
      `matvec`, `arith.constant` (of integers: one for all elements), and elementwise ones of rwkv, arith and math with one
      result, but for `arith.remf`, `math.ipowi` and `arith.bitcast` of 16 bits. Their results are f16, bf16, f32, f64 or integers of
      1, 8, 16, 32 or 64 bits.

    `schedule` and `precision` are attributes, after the region: `} attributes {precision = #rwkv.precision<bf16>}`. Without a
    `precision` operands of matrix products are rounded as `tf32` permits if all `over` operands have 16 bits, and else not.

    Example:
    ```mlir
    // y = a^T S ; S <- diag(w) S + b y + k v ; o = r^T S        (RWKV-7, arXiv:2503.14456)
    func.func @example(%r: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>,
                       %a: tensor<?x?x2x8xf32>, %b: tensor<?x?x2x8xf32>, %s0: tensor<?x2x8x8xf32>)
        -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>) {
      %o, %s = rwkv.recurrence
          over(%rt = %r : tensor<?x?x2x8xf32>, %wt = %w : tensor<?x?x2x8xf32>, %kt = %k : tensor<?x?x2x8xf32>,
               %vt = %v : tensor<?x?x2x8xf32>, %at = %a : tensor<?x?x2x8xf32>, %bt = %b : tensor<?x?x2x8xf32>)
          init(%S = %s0 : tensor<?x2x8x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>) {
        %y  = rwkv.read  %S[%at] : !rwkv.state<8|8xf32>
        %S1 = rwkv.decay %S, %wt on "key0" bound [-0.606531 : f32, 0.0 : f32] : !rwkv.state<8|8xf32>
        %S2 = rwkv.write %S1[%bt], %y : !rwkv.state<8|8xf32>
        %S3 = rwkv.write %S2[%kt], %vt : !rwkv.state<8|8xf32>
        %ot = rwkv.read  %S3[%rt] : !rwkv.state<8|8xf32>
        rwkv.yield %ot, %S3 : tensor<8xf32>, !rwkv.state<8|8xf32>
      }
      return %o, %s : tensor<?x?x2x8xf32>, tensor<?x2x8x8xf32>
    }
    ```
  }];
  let arguments = (ins Variadic<Rwkv_FloatTensor>:$over, Variadic<Rwkv_FloatTensor>:$consts,
                       Variadic<Rwkv_FloatTensor>:$inits, Optional<Rwkv_Sequences>:$reset,
                       OptionalAttr<Rwkv_ScheduleAttr>:$schedule, OptionalAttr<Rwkv_PrecisionAttr>:$precision);
  let results = (outs Variadic<Rwkv_FloatTensor>:$results);
  let regions = (region SizedRegion<1>:$token);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// Types of the region's arguments for these operand types (recurrence_c3). Operand ranks must satisfy recurrence_c1.
    static ::mlir::Type getOverArgType(::mlir::Type operand);
    static ::mlir::Type getConstArgType(::mlir::Type operand);
    static ::rwkv::StateType getInitArgType(::mlir::Type operand);

    ::mlir::ArrayRef<::mlir::BlockArgument> getOverArgs() {
      return getToken().getArguments().take_front(getOver().size());
    }
    ::mlir::ArrayRef<::mlir::BlockArgument> getConstArgs() {
      return getToken().getArguments().slice(getOver().size(), getConsts().size());
    }
    ::mlir::ArrayRef<::mlir::BlockArgument> getStateArgs() {
      return getToken().getArguments().take_back(getInits().size());
    }
    ::rwkv::YieldOp getYield();
    /// What operands of its matrix products may be rounded to: what is asked for, or what its operands suggest.
    ::rwkv::Precision getProductPrecision();
  }];
}

class Rwkv_StateOp<string mnemonic, list<Trait> traits = []>
    : Rwkv_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<StateStepOpInterface>], traits)>;
def Rwkv_ResultIsState : TypesMatchWith<"the result has the type of the state", "state", "result", "$_self">;

def Rwkv_ReadOp : Rwkv_StateOp<"read"> {
  let summary = "Contract all key axes of a state with one key each: y[v] = sum_k a0[k0] a1[k1] .. S[k0, k1, .., v]";
  let description = [{
    Shapes: one key `tensor<K_x>` per key axis x (none for a vector state: y = S), result `tensor<V>`.

    Example:
    ```mlir
    // region
    %y = rwkv.read %S[%k] : !rwkv.state<8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, Variadic<Rwkv_FloatTensor>:$keys);
  let results = (outs Rwkv_FloatTensor:$value);
  let assemblyFormat = [{
    $state `[` $keys `]` attr-dict `:` custom<ReadTypes>(type($state), ref($keys), type($keys), type($value))
  }];
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::Value":$state, "::mlir::ValueRange":$keys)>];
}

def Rwkv_WriteOp : Rwkv_StateOp<"write", [AttrSizedOperandSegments, Rwkv_ResultIsState]> {
  let summary = "Add an outer product to a state: S + c * b0 (x) b1 (x) .. (x) z";
  let description = [{
    Shapes: one key `tensor<K_x>` per key axis x, `z` `tensor<V>`, the optional scale `c` a scalar.

    Example:
    ```mlir
    // region
    %S1 = rwkv.write %S[%k], %v scale %beta : !rwkv.state<8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, Variadic<Rwkv_FloatTensor>:$keys, Rwkv_FloatTensor:$value,
                       Optional<AnyFloat>:$scale);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = [{
    $state `[` $keys `]` `,` $value (`scale` $scale^)? attr-dict `:`
    custom<WriteTypes>(type($state), ref($keys), type($keys), type($value), ref($scale), type($scale))
  }];
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::Value":$state, "::mlir::ValueRange":$keys, "::mlir::Value":$value,
                                 CArg<"::mlir::Value", "{}">:$scale)>];
}

def Rwkv_DecayOp : Rwkv_StateOp<"decay", [Rwkv_ResultIsState]> {
  let summary = "Multiply a state by e^g along an axis";
  let description = [{
    `g` is a natural logarithm, g <= 0 unless a bound with hi > 0 is asserted. Its shape follows from the axis: `"key<x>"`
    `tensor<K_x>`, `"value"` `tensor<V>`, `"all"` a scalar, `"each"` the shape of the state (elementwise: scan or step only).
    `bound [lo, hi]` asserts lo <= g <= hi; the assertion is checked when the code runs. `--rwkv-schedule` adds the bounds
    that it derives from the producers and marks them `certified`: those need no check.

    Constraints
    - decay_c1: the axis is one of the above and exists in the state.
    - decay_c2: lo <= hi.
    - decay_c3: only a bound can be certified.

    Example:
    ```mlir
    // region
    %S1 = rwkv.decay %S, %w on "key0" bound [-0.606531 : f32, 0.0 : f32] : !rwkv.state<8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, Rwkv_ScalarOrTensor:$log, StrAttr:$axis,
                       OptionalAttr<F32ArrayAttr>:$bound, UnitAttr:$certified);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = [{
    $state `,` $log `on` $axis (`bound` $bound^)? (`certified` $certified^)? attr-dict `:` custom<DecayTypes>(type($state), ref($axis), type($log))
  }];
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::Value":$state, "::mlir::Value":$log, "::llvm::StringRef":$axis)>];
}

def Rwkv_TransformOp : Rwkv_StateOp<"transform", [Rwkv_ResultIsState]> {
  let summary = "Multiply a key axis of a state by a block-diagonal matrix: S'[n p + i, ..] = sum_j R[n, i, j] S[n p + j, ..]";
  let description = [{
    `R` is `tensor<K_x / p x p x p>` for blocks of size p on key axis x: a rotation of pairs is p = 2, a full matrix p = K_x.
    `orthogonal` asserts that each block's transpose is its inverse, but for rounding: no element of R R^T - 1 is larger than
    8 sqrt(p) times the distance from 1 to the next number (1e-6 sqrt(p) in f32). The assertion is checked when the code
    runs, like the bound of a decay; in return, chunks turn keys instead of pushing them from token to token.

    Constraints
    - transform_c1: the axis is `"key<x>"` and exists in the state.
    - transform_c2: p divides K_x and R has K_x / p blocks of p x p.

    Example:
    ```mlir
    // region
    %S1 = rwkv.transform %S, %R on "key0" orthogonal : !rwkv.state<8|8xf32>, tensor<4x2x2xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, Rwkv_FloatTensor:$matrix, StrAttr:$axis, UnitAttr:$orthogonal);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = [{
    $state `,` $matrix `on` $axis (`orthogonal` $orthogonal^)? attr-dict `:` custom<State>(type($state)) `,` type($matrix)
  }];
  let hasVerifier = 1;
}

def Rwkv_MaximumOp : Rwkv_StateOp<"maximum", [Rwkv_ResultIsState]> {
  let summary = "Raise a state: max(S + g, z), elementwise";
  let description = [{
    `g` and `z` have the shape of the state, `tensor<K.. x V>`. It is the (max, +) form of a decay and a write: the running
    exponent that stabilises sums of exponentials (RWKV-4, arXiv:2305.13048, appendix D; mLSTM, arXiv:2405.04517,
    equation 15). Sums are then kept relative to it: decay by `S + g - S'`, write with `e^(z - S')`.

    Example:
    ```mlir
    // region
    %S1 = rwkv.maximum %S, %z, %z : !rwkv.state<8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, Rwkv_FloatTensor:$added, Rwkv_FloatTensor:$value);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = [{
    $state `,` $added `,` $value attr-dict `:` custom<MaximumTypes>(type($state), type($added), type($value))
  }];
  let hasVerifier = 1;
}

def Rwkv_SetOp : Rwkv_StateOp<"set", [Rwkv_ResultIsState]> {
  let summary = "Overwrite a state";
  let description = [{
    `z` has the shape of the state, `tensor<K.. x V>`. A state that is overwritten is not affine in its past: only the
    sequential schedule runs it.

    Example:
    ```mlir
    // region
    %S1 = rwkv.set %S, %z : !rwkv.state<8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, Rwkv_FloatTensor:$value);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = "$state `,` $value attr-dict `:` custom<SetTypes>(type($state), type($value))";
  let hasVerifier = 1;
}

def Rwkv_CountOp : Rwkv_StateOp<"count", [Rwkv_ResultIsState]> {
  let summary = "Count tokens: n + 1 modulo a period";
  let description = [{
    The state is one number, `!rwkv.state<|1xf32>`: how many tokens lie behind since the last multiple of `every`. A new sequence
    starts with 0. It is part of the state like any other, so a sequence may be cut anywhere.

    Constraints
    - count_c1: the state is one number.
    - count_c2: the period is at least 1 and at most 2^24, up to which f32 counts.

    Example:
    ```mlir
    // region
    %n1 = rwkv.count %n every 16 : !rwkv.state<|1xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, I64Attr:$every);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = "$state `every` $every attr-dict `:` custom<State>(type($state))";
  let hasVerifier = 1;
}

def Rwkv_HoldOp : Rwkv_StateOp<"hold", [Rwkv_ResultIsState]> {
  let summary = "Sample and hold: another state where the counter is 0, else what is held";
  let description = [{
    Shapes: `source` is a state of the type of the held one, `counter` one number, `!rwkv.state<|1xf32>`. With a counter that counts
    every b tokens, what is read from the held state is *stale*: the source as it was before the last token whose number is
    a multiple of b. A value written to the source may be any function of it, so a layer that learns by gradients at the
    start of every b tokens (TTT, arXiv:2407.04620; Titans, arXiv:2501.00663) has a chunk form.

    Example:
    ```mlir
    // region
    %B1 = rwkv.hold %B, %S at %n : !rwkv.state<8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, Rwkv_StateType:$source, Rwkv_StateType:$counter);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = [{
    $state `,` $source `at` $counter attr-dict `:` custom<HoldTypes>(type($state), type($source), type($counter))
  }];
  let hasVerifier = 1;
}

def Rwkv_YieldOp : Rwkv_Op<"yield", [Pure, Terminator, ReturnLike,
    ParentOneOf<["RecurrenceOp", "LayersOp", "WhenOp", "FusedOp"]>]> {
  let summary = "Ends the region of rwkv.recurrence, rwkv.layers, rwkv.when or rwkv.fused";
  let description = [{
    Its operands are the values of the region, of the types that the op around it requires.

    Example:
    ```mlir
    // model
    %f = rwkv.fused rows -> (tensor<?x?x?xf32, #rwkv.dims<B, T, D>>) {
      %y = rwkv.relu %x : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
      rwkv.yield %y : tensor<?x?x?xf32, #rwkv.dims<B, T, D>>
    }
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$operands);
  let assemblyFormat = "($operands^ `:` type($operands))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
}

#endif // RWKV_DIALECT_RWKV_RWKVRECURRENCEOPS_TD
