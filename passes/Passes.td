// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_PASSES_PASSES_TD
#define RWKV_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

def RwkvGeneralizePass : Pass<"rwkv-generalize"> {
  let summary = "Rewrite named rungs into rwkv.recurrence";
  let description = [{
    Every op that implements `RungOpInterface` becomes the `rwkv.recurrence` whose region its `buildStep` builds. Later
    passes know only `rwkv.recurrence`. Numeric effect: none.

    Before: `%o, %s = rwkv.gated_delta over(%q, %k, %v, %g, %beta) init(%s0) : ..`
    After: `%o, %s = rwkv.recurrence over(%x = %q : .., ..) init(%S = %s0 : ..) -> (..) { rwkv.decay .. rwkv.yield .. }`
  }];
  let statistics = [Statistic<"numRungs", "rungs", "Number of named rungs rewritten">];
}

#endif // RWKV_PASSES_PASSES_TD
