// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// AMD GPUs with waves of 64 lanes: tasks are work-groups, code is an ELF object that their runtime loads.
#ifndef RWKV_LOWERING_TARGET_AMDGCN_AMDGCNTARGET_H
#define RWKV_LOWERING_TARGET_AMDGCN_AMDGCNTARGET_H

#include "lowering/target/Target.h"
#include "llvm/ADT/ArrayRef.h"

namespace rwkv::amdgcn {

llvm::ArrayRef<TargetInfo> getRows();

} // namespace rwkv::amdgcn

#endif // RWKV_LOWERING_TARGET_AMDGCN_AMDGCNTARGET_H
