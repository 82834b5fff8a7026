// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_DIALECT_RWKV_RWKVDIALECT_TD
#define RWKV_DIALECT_RWKV_RWKVDIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"

def Rwkv_Dialect : Dialect {
  let name = "rwkv";
  let cppNamespace = "::rwkv";
  let summary = "Recurrent sequence models: what one token does to the state, and the model around it";
  let description = [{
    A recurrence is written once, as a region that processes one token of one head with `read`, `write`, `decay`,
    `transform` and `set` on a state (`rwkv.recurrence`). Named rungs expand to it with `--rwkv-generalize`. Around it a
    model (`rwkv.model`) declares weights by checkpoint key in named sizes and functions on tensors whose axes have names.

    Axis order everywhere: `B` batch, `T` time, `H` heads, then features; a state is `[K.., V]`, key-major. `S` is the
    number of packed sequences. Decays are natural logarithms.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::func::FuncDialect"];
  let extraClassDeclaration = [{
    /// `{rwkv.state = "name"}` on an argument or result of a model function: this value is the model's state array of
    /// that name; the runtime keeps it between calls.
    static constexpr ::llvm::StringLiteral kStateAttr = "rwkv.state";
    /// `{rwkv.below = n}` on an i32 argument: its elements are in 0 .. n - 1; the runtime refuses others. Set by
    /// --rwkv-specialize on the tokens of rwkv.embed.
    static constexpr ::llvm::StringLiteral kBelowAttr = "rwkv.below";
  }];
}

class Rwkv_Op<string mnemonic, list<Trait> traits = []> : Op<Rwkv_Dialect, mnemonic, traits>;

#endif // RWKV_DIALECT_RWKV_RWKVDIALECT_TD
