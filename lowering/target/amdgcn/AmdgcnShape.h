// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// AMD GPUs with waves of 64 lanes, as far as lane programs depend on them. Code for them is not made yet: the row is
// emulated only, which keeps the lowering honest about other widths than 32.
#ifndef RWKV_LOWERING_TARGET_AMDGCN_AMDGCNSHAPE_H
#define RWKV_LOWERING_TARGET_AMDGCN_AMDGCNSHAPE_H

#include "lowering/target/Target.h"

namespace rwkv::amdgcn {

/// Without what code generation needs.
const TargetInfo &getRow();
const lanes::Shape &getShape();

} // namespace rwkv::amdgcn

#endif // RWKV_LOWERING_TARGET_AMDGCN_AMDGCNSHAPE_H
