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

    The exponential of a diagonal plus a low rank has no low rank: there is no operand for a diagonal. A decay before or
    after (or half of it before and half after: Strang's splitting) is another layer, exact as such.

    Constraints
    - evolve_c1: the state has one key axis.
    - evolve_c2: as many `reads` as `writes`, one or two.

    Example:
    ```mlir
    // region
    %S1 = rwkv.evolve exp %S, %beta reads [%k] writes [%w] : !rwkv.state<8|8xf32>
    ```
  }];
  let arguments = (ins Rwkv_EvolveFunction:$function, Rwkv_StateType:$state, AnyFloat:$s,
                       Variadic<Rwkv_FloatTensor>:$readKeys, Variadic<Rwkv_FloatTensor>:$writeKeys);
  let results = (outs Rwkv_StateType:$result);
  let assemblyFormat = [{
    $function $state `,` $s `reads` `[` $readKeys `]` `writes` `[` $writeKeys `]` attr-dict `:`
    custom<EvolveTypes>(type($state), type($s), ref($readKeys), type($readKeys), ref($writeKeys), type($writeKeys))
  }];
  let hasVerifier = 1;
}

#endif // RWKV_DIALECT_RWKV_RWKVSUGAROPS_TD
