// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_PASSES_PASSES_TD
#define RWKV_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

def RwkvGeneralizePass : Pass<"rwkv-generalize"> {
  let summary = "Rewrite named rungs into rwkv.recurrence, and short forms of its region into what they are short for";
  let description = [{
    Every op that implements `SugarOpInterface` is replaced by what its `expand` builds.
    Every op that implements `RungOpInterface` becomes the `rwkv.recurrence` whose region its `buildStep` builds. Later
    passes know only `rwkv.recurrence`. Numeric effect: none.

    Before: `%o, %s = rwkv.<rung> over(%q, %k, %v, %g, %beta) init(%s0) : ..`
    After: `%o, %s = rwkv.recurrence over(%x = %q : .., ..) init(%S = %s0 : ..) -> (..) { rwkv.decay .. rwkv.yield .. }`
  }];
  let statistics = [Statistic<"numRungs", "rungs", "Number of named rungs rewritten">,
                    Statistic<"numSugar", "short forms", "Number of short forms expanded">];
}

def RwkvSpecializePass : Pass<"rwkv-specialize", "::mlir::ModuleOp"> {
  let summary = "Solve all sizes but batch, time and number of sequences";
  let description = [{
    For a model: unifies the declared shapes of the weights with the checkpoint's, counts layers, resolves `rwkv.when` into
    one body of `rwkv.layers` per range of layers, expands `rwkv.lerp`, sets params. With `function`: solves the sizes of
    that function from its arguments and keeps nothing else. Afterwards no type carries `#rwkv.dims`; only B, T and S are
    dynamic. Numeric effect: none.

    Before: `rwkv.weight @Wr "blocks.{l}.att.receptance.weight" #rwkv.dims<D, D> transposed`
    After: `rwkv.weight @Wr "blocks.{l}.att.receptance.weight" tensor<768x768xbf16> transposed`
  }];
  let options = [
    ListOption<"checkpoint", "checkpoint", "std::string", "Tensors of the checkpoint, name=8x4xbf16">,
    ListOption<"params", "params", "std::string", "Values of params, name=number">,
    Option<"allowUnused", "allow-unused", "bool", "false", "Ignore tensors that no weight names">,
    Option<"function", "function", "std::string", "\"\"", "Specialise this function instead of a model">,
    ListOption<"arguments", "arguments", "std::string", "Arguments of the function, name=8x4xbf16">,
  ];
}

def RwkvSchedulePass : Pass<"rwkv-schedule", "::mlir::func::FuncOp"> {
  let summary = "Choose the form in which every recurrence runs";
  let description = [{
    First every `rwkv.decay` whose logarithm is bounded by what it is computed from gets that bound, `certified`. Then every
    `rwkv.recurrence` that has no `schedule` yet is annotated with a `#rwkv.schedule`. A form that is asked for and not legal is
    an error that names the op in the way and the rule. Numeric effect: none by itself; the forms agree to rounding.

    Before: `rwkv.recurrence over(..) init(..) -> (..) { .. }`
    After: `rwkv.recurrence over(..) init(..) -> (..) { .. } attributes {schedule = #rwkv.schedule<chunk, C = 16>}`
  }];
  let options = [
    Option<"schedule", "schedule", "std::string", "\"auto\"", "auto, step, scan or chunk">,
    Option<"chunk", "chunk", "int64_t", "0", "Tokens of a chunk; 0: chosen">,
    Option<"fill", "fill", "int64_t", "-1", "Tasks that long sequences are cut into segments for; 0: none, -1: chosen">,
    Option<"split", "split", "int64_t", "0", "Tasks that share a head, each with a part of the values; 0: chosen">,
  ];
  let statistics = [Statistic<"numCertified", "bounds", "Number of decays with a bound that needs no check">,
                    Statistic<"numScheduled", "recurrences", "Number of recurrences annotated">];
}

def RwkvFusePass : Pass<"rwkv-fuse", "::mlir::func::FuncOp"> {
  let summary = "Group the ops of a specialised function into kernels";
  let description = [{
    Every `rwkv.linear` takes the elementwise ops behind it; every `rwkv.recurrence` takes the ops that work within a head
    before and after it; the norms, token shifts and interpolations in between form groups of rows. Groups are ordered so
    that independent ones are neighbours. Numeric effect: none.

    Before: `%r = rwkv.linear %x, @W : ..` `%s = rwkv.relu %r : ..`
    After: `%s = rwkv.fused columns -> (..) { rwkv.linear .. rwkv.relu .. rwkv.yield .. }`
  }];
  let statistics = [Statistic<"numGroups", "groups", "Number of groups made">];
}

def RwkvExpandPass : Pass<"rwkv-expand", "::mlir::ModuleOp"> {
  let summary = "Turn fused groups into tile kernels and the host-side calls of them";
  let description = [{
    Every `rwkv.fused` becomes a `tile.kernel` (equal ones are shared) and a `tile.launch` in its place. Recurrences are
    expanded as their `schedule` says, token by token without one; what is left of a sequence after whole chunks is always
    expanded token by token. Numeric effect: fixes the order of sums; decays become exponentials, norms and activations their
    formulas.
  }];
  let dependentDialects = ["::rwkv::tile::TileDialect"];
  let statistics = [Statistic<"numKernels", "kernels", "Number of different kernels made">];
}

#endif // RWKV_PASSES_PASSES_TD
