// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ops of token regions that are short for several others.
#ifndef RWKV_DIALECT_RWKV_RWKVSUGAROPS_TD
#define RWKV_DIALECT_RWKV_RWKVSUGAROPS_TD

include "dialect/Interfaces/SugarOpInterface.td"
include "dialect/Rwkv/RwkvRecurrenceOps.td"

class Rwkv_SugarOp<string mnemonic, list<Trait> traits = []>
    : Rwkv_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<SugarOpInterface>], traits)>;

def Rwkv_DeltaOp : Rwkv_SugarOp<"delta", [AttrSizedOperandSegments, Rwkv_ResultIsState]> {
  let summary = "The delta rule: S + c k (v - <a, S>), with a = k unless `reads` says otherwise";
  let description = [{
    Keys `tensor<K_x>` per key axis, `v` `tensor<V>`, the optional scale c a scalar. It moves what the state holds for k towards v
    (Widrow and Hoff; arXiv:2406.06484). Short for read, arith.subf, write.

    Example:
    ```mlir
    // region
    %S1 = rwkv.delta %S[%k], %v scale %beta : !rwkv.state<8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, Variadic<Rwkv_FloatTensor>:$keys, Rwkv_FloatTensor:$value,
                       Optional<AnyFloat>:$scale, Variadic<Rwkv_FloatTensor>:$readKeys);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = [{
    $state `[` $keys `]` `,` $value (`scale` $scale^)? (`reads` `[` $readKeys^ `]`)? attr-dict `:`
    custom<DeltaTypes>(type($state), ref($keys), type($keys), type($value), ref($scale), type($scale), ref($readKeys),
                       type($readKeys))
  }];
  let hasVerifier = 1;
}

def Rwkv_NormalizerOp : Rwkv_SugarOp<"normalizer", [AttrSizedOperandSegments]> {
  let summary = "A read divided by what was written: <q, S> / <q, N>, or / max(|<q, N>|, floor)";
  let description = [{
    `N` has the keys of `S` and one value, `!rwkv.state<K..|1xf32>`: it decays like S and each write to S writes 1 to it, so the
    result is the mean of the values in S, weighted by how much their keys agree with q (linear attention,
    arXiv:2006.16236). The optional `floor` is a scalar (mLSTM, arXiv:2405.04517). Short for two reads and a division.

    Constraints
    - normalizer_c1: the weights have the key axes of the state and one value.

    Example:
    ```mlir
    // region
    %one = rwkv.fill 1.0 : tensor<1xf32>
    %S1 = rwkv.write %S[%k], %v : !rwkv.state<8|8xf32>
    %N1 = rwkv.write %N[%k], %one : !rwkv.state<8|1xf32>
    %y = rwkv.normalizer %S1 by %N1[%k] floor %beta : !rwkv.state<8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, Rwkv_StateType:$weights, Variadic<Rwkv_FloatTensor>:$keys,
                       Optional<AnyFloat>:$floor);
  let results = (outs Rwkv_FloatTensor:$value);
  let assemblyFormat = [{
    $state `by` $weights `[` $keys `]` (`floor` $floor^)? attr-dict `:`
    custom<NormalizerTypes>(type($state), type($weights), ref($keys), type($keys), ref($floor), type($floor),
                            type($value))
  }];
  let hasVerifier = 1;
}

def Rwkv_MixOp : Rwkv_SugarOp<"mix", [Rwkv_ResultIsState]> {
  let summary = "Add a part of one slot of a state to another: S[to] + x S[from]";
  let description = [{
    The first key axis counts slots: memories side by side in one state. `x` is a scalar. Short for a transform of that axis
    by 1 + x e_to e_from^T.

    Constraints
    - mix_c1: `from` and `to` are different slots of the first key axis, whose size is known.

    Example:
    ```mlir
    // region
    %P1 = rwkv.mix %P, %beta from 1 to 0 : !rwkv.state<2x8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, AnyFloat:$x, I64Attr:$from, I64Attr:$to);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = [{
    $state `,` $x `from` $from `to` $to attr-dict `:` custom<SlotTypes>(type($state), type($x))
  }];
  let hasVerifier = 1;
}

def Rwkv_MomentumOp : Rwkv_SugarOp<"momentum", [AttrSizedOperandSegments, Rwkv_ResultIsState]> {
  let summary = "Gradient descent with momentum and weight decay: P <- eta P + c k z, M <- (1 - alpha) M + P";
  let description = [{
    The first key axis has two slots, the memory M (0) and its momentum P (1). `keys` are those of the other key axes, `z`
    `tensor<V>`; `eta`, `alpha` and the optional scale c are scalars (Titans, arXiv:2501.00663, equations 9 to 14). Short for a
    transform of the slots, a write to P, and another transform. Read the memory with the key (1, 0).

    Constraints
    - momentum_c1: the first key axis has two slots.

    Example:
    ```mlir
    // region
    %P1 = rwkv.momentum %P[%k], %v scale %beta eta %beta alpha %beta : !rwkv.state<2x8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_StateType:$state, Variadic<Rwkv_FloatTensor>:$keys, Rwkv_FloatTensor:$value,
                       Optional<AnyFloat>:$scale, AnyFloat:$eta, AnyFloat:$alpha);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = [{
    $state `[` $keys `]` `,` $value (`scale` $scale^)? `eta` $eta `alpha` $alpha attr-dict `:`
    custom<MomentumTypes>(type($state), ref($keys), type($keys), type($value), ref($scale), type($scale), type($eta),
                          type($alpha))
  }];
  let hasVerifier = 1;
}

def Rwkv_FeatureMap : I32EnumAttr<"FeatureMap", "a map of keys, by the inner product of what it maps x and y to", [
    I32EnumAttrCase<"power", 0>, I32EnumAttrCase<"taylor", 1>]> {
  let cppNamespace = "::rwkv";
}

class Rwkv_FeatureOp<string mnemonic, list<Trait> traits = []> : Rwkv_SugarOp<mnemonic, traits> {
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// As many times as there are key axes.
    ::llvm::SmallVector<::mlir::Value> getKeysOf(StateType state) {
      return ::llvm::SmallVector<::mlir::Value>(state.getKeys().size(), getKey());
    }
  }];
}

def Rwkv_FeatureWriteOp : Rwkv_FeatureOp<"feature_write", [AttrSizedOperandSegments]> {
  let summary = "S + c phi(k) v^T for features phi(k) of a key: its power, or the terms of a Taylor series";
  let description = [{
    A map is known by the inner product of what it makes of two keys, phi(x) . phi(y):

    | map      | phi(x) . phi(y)                         | states                                                |
    |----------|-----------------------------------------|-------------------------------------------------------|
    | `power`  | (x . y)^p                               | one, with p key axes                                  |
    | `taylor` | 1 + x . y + .. + (x . y)^p / p!         | p + 1, with 0, 1, .., p key axes                      |

    The features of degree n are k (x) k (x) .. (n times), on n key axes of one size, which are stored in full. Only the type of
    the last state is written. `k` is `tensor<K>`, `v` `tensor<V>`, the optional scale c a scalar. Short for a write to each
    state. The states may decay (by one number for all elements, or the features would not stay features) and be written to in
    other ways in between. (`taylor`: arXiv:2402.18668.)

    Constraints
    - feature_c1: all key axes of the states are of one size, and all values.
    - feature_c2: as many states, with as many key axes, as the map needs.

    Example:
    ```mlir
    // region
    %F1 = rwkv.feature_write power %F[%k], %v scale %beta : !rwkv.state<8x8|8xf32>
    ```
  }];
  let arguments = (ins Variadic<Rwkv_StateType>:$states, Rwkv_FeatureMap:$map, Rwkv_FloatTensor:$key,
                       Rwkv_FloatTensor:$value, Optional<AnyFloat>:$scale);
  let results = (outs Variadic<Rwkv_StateType>:$results);
  let assemblyFormat = [{
    $map $states `[` $key `]` `,` $value (`scale` $scale^)? attr-dict `:`
    custom<FeatureWriteTypes>(ref($states), type($states), type($key), type($value), ref($scale), type($scale),
                              type($results))
  }];
}

def Rwkv_FeatureReadOp : Rwkv_FeatureOp<"feature_read"> {
  let summary = "<phi(q), S> for features phi(q) of a key: the sum over past writes of phi(q) . phi(k) v";
  let description = [{
    Maps and states as in `rwkv.feature_write`: what was written is weighted by (q . k)^p, or by the Taylor series of e^(q . k).
    Short for a read of each state, times 1 / n! (`taylor`), and their sum.

    Constraints
    - feature_c1, feature_c2: as for `rwkv.feature_write`.

    Example:
    ```mlir
    // region
    %y = rwkv.feature_read power %F[%k] : !rwkv.state<8x8|8xf32>
    ```
  }];
  let arguments = (ins Variadic<Rwkv_StateType>:$states, Rwkv_FeatureMap:$map, Rwkv_FloatTensor:$key);
  let results = (outs Rwkv_FloatTensor:$value);
  let assemblyFormat = [{
    $map $states `[` $key `]` attr-dict `:`
    custom<FeatureReadTypes>(ref($states), type($states), type($key), type($value))
  }];
}

def Rwkv_EvolveFunction : I32EnumAttr<"EvolveFunction", "the function of a generator that a state is multiplied by", [
    I32EnumAttrCase<"exp", 0>, I32EnumAttrCase<"resolvent", 1>, I32EnumAttrCase<"cayley", 2>]> {
  let cppNamespace = "::rwkv";
}

def Rwkv_EvolveOp : Rwkv_SugarOp<"evolve", [AttrSizedOperandSegments, Rwkv_ResultIsState]> {
  let summary = "S <- f(s A) S for a generator of low rank, A = sum_i b_i a_i^T";
  let description = [{
    `f` is `exp`, `resolvent` 1 / (1 - s A), or `cayley` (1 + s A / 2) / (1 - s A / 2), which is orthogonal for skew A. `s` is a
    scalar per token; a_i (`reads`) and b_i (`writes`) are keys `tensor<K>`, as many of one as of the other, one or two. The
    state has one key axis.

    With X = [a_i . b_j], f(s A) S = f(0) S + sum_ij b_i Psi_ij <a_j, S>: m reads, then m writes. Psi is s phi(s X) with
    phi(Y) = (e^Y - 1) / Y, s / (1 - s X), or s / (1 - s X / 2). For `exp` of rank 2 phi is a polynomial of degree 9 of s X / 16 and
    four doublings, which is exact to rounding while the norm of s X is at most 8. The other two have a pole: s b . a = 1
    (`cayley`: 2) is the caller's to avoid.

    With `diagonal` d (`tensor<K>`) the generator is diag(d) + A. For `resolvent` and `cayley` the function of it is again a
    diagonal plus low rank: with E = 1 / (1 - s d) (`cayley`: s d / 2), keys are multiplied by E and the state by E
    (`cayley`: (1 + s d / 2) E). `resolvent` expects s d <= 0. The exponential of a diagonal plus a low rank has no low rank, so
    `exp` takes a diagonal only with `strang`, Strang's splitting e^(s d / 2) e^(s A) e^(s d / 2): another layer, exact as such,
    that differs from the exponential by O(s^3).

    Constraints
    - evolve_c1: the state has one key axis.
    - evolve_c2: as many `reads` as `writes`, one or two.
    - evolve_c3: `exp` with a diagonal is asked for with `strang`, and nothing else is.

    Example:
    ```mlir
    // region
    %S1 = rwkv.evolve exp %S, %beta reads [%k] writes [%w] : !rwkv.state<8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_EvolveFunction:$function, Rwkv_StateType:$state, AnyFloat:$s,
                       Variadic<Rwkv_FloatTensor>:$readKeys, Variadic<Rwkv_FloatTensor>:$writeKeys,
                       Optional<Rwkv_FloatTensor>:$diagonal, UnitAttr:$strang);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = [{
    $function $state `,` $s `reads` `[` $readKeys `]` `writes` `[` $writeKeys `]` (`diagonal` $diagonal^)?
    (`strang` $strang^)? attr-dict `:`
    custom<EvolveTypes>(type($state), type($s), ref($readKeys), type($readKeys), ref($writeKeys), type($writeKeys),
                        ref($diagonal), type($diagonal))
  }];
  let hasVerifier = 1;
}

#endif // RWKV_DIALECT_RWKV_RWKVSUGAROPS_TD
