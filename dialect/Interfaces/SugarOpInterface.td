// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_DIALECT_INTERFACES_SUGAROPINTERFACE_TD
#define RWKV_DIALECT_INTERFACES_SUGAROPINTERFACE_TD

include "mlir/IR/OpBase.td"

def SugarOpInterface : OpInterface<"SugarOpInterface"> {
  let cppNamespace = "::rwkv";
  let description = [{
    An op of a token region that is short for several others. `--rwkv-generalize` replaces it; later passes never see it. States
    that it changes are its first operands, and its results in the same order.

    | methods  | what they buy                                                     |
    |----------|-------------------------------------------------------------------|
    | `expand` | everything that is derived from the ops that it is short for       |
  }];
  let methods = [
    InterfaceMethod<"Builds the ops that it is short for where the builder stands; gives what replaces its results.",
      "::llvm::SmallVector<::mlir::Value>", "expand", (ins "::mlir::OpBuilder &":$builder)>,
  ];
}

#endif // RWKV_DIALECT_INTERFACES_SUGAROPINTERFACE_TD
