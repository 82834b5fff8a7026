// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_DIALECT_INTERFACES_RUNGOPINTERFACE_TD
#define RWKV_DIALECT_INTERFACES_RUNGOPINTERFACE_TD

include "mlir/IR/OpBase.td"

def RungOpInterface : OpInterface<"RungOpInterface"> {
  let cppNamespace = "::rwkv";
  let description = [{
    A rung of the state ladder: a named recurrence. The op says what one token of one head does, once, in `buildStep`;
    everything else (the decode step, the parallel forms, the kernels) is derived from that.

    | methods                                               | what they buy                                   |
    |-------------------------------------------------------|-------------------------------------------------|
    | `getOverOperands`, `getConstOperands`, `getInitOperands`, `getResetOperand`, `buildStep` | `--rwkv-generalize` rewrites the op into `rwkv.recurrence`: every schedule, target and runtime follows |

    The order of the results is the order of the operands of the `rwkv.yield` that `buildStep` creates.
  }];
  let methods = [
    InterfaceMethod<"Operands `[B, T, H, d..]` that are consumed token by token.",
      "::mlir::OperandRange", "getOverOperands">,
    InterfaceMethod<"Operands `[H, d..]` that are the same for all tokens.",
      "::mlir::OperandRange", "getConstOperands">,
    InterfaceMethod<"Initial states `[B, H, K.., V]`, or `[S, H, K.., V]` with a reset operand.",
      "::mlir::OperandRange", "getInitOperands">,
    InterfaceMethod<"cu_seqlens `[S + 1]` i32 of packed sequences, or null.",
      "::mlir::Value", "getResetOperand">,
    InterfaceMethod<"What the operands of matrix products may be rounded to (see `rwkv.recurrence`), or null.",
      "::rwkv::PrecisionAttr", "getPrecisionAttr">,
    InterfaceMethod<[{
        Builds the token region: one token of one head. `over`, `consts` and `states` are its block arguments, typed by
        the rules of `rwkv.recurrence`. The builder is at the end of an empty block; the method ends it with `rwkv.yield`.
      }],
      "void", "buildStep",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::ValueRange":$over,
           "::mlir::ValueRange":$consts, "::mlir::ValueRange":$states)>,
  ];
}

#endif // RWKV_DIALECT_INTERFACES_RUNGOPINTERFACE_TD
