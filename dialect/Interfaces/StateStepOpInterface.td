// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_DIALECT_INTERFACES_STATESTEPOPINTERFACE_TD
#define RWKV_DIALECT_INTERFACES_STATESTEPOPINTERFACE_TD

include "mlir/IR/OpBase.td"

def StateStepOpInterface : OpInterface<"StateStepOpInterface"> {
  let cppNamespace = "::rwkv";
  let description = [{
    An op of a token region that reads or changes a state. `affine-state` understands a region, and the expansions run it,
    through this description alone; they know no op by name.

    | methods   | what they buy                                                                                       |
    |-----------|-----------------------------------------------------------------------------------------------------|
    | `getStep` | the op is legal on states; all schedules that its kind permits (see `StateStep::Kind`) are derived   |
  }];
  let methods = [
    InterfaceMethod<"What the op does, in terms of its operands and result.", "::rwkv::StateStep", "getStep">,
  ];
}

#endif // RWKV_DIALECT_INTERFACES_STATESTEPOPINTERFACE_TD
