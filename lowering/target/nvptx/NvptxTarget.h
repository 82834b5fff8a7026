// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// NVIDIA GPUs: tasks are blocks of threads, code is PTX, which the driver compiles.
#ifndef RWKV_LOWERING_TARGET_NVPTX_NVPTXTARGET_H
#define RWKV_LOWERING_TARGET_NVPTX_NVPTXTARGET_H

#include "lowering/target/Target.h"
#include "llvm/ADT/ArrayRef.h"

namespace rwkv::nvptx {

llvm::ArrayRef<TargetInfo> getRows();

} // namespace rwkv::nvptx

#endif // RWKV_LOWERING_TARGET_NVPTX_NVPTXTARGET_H
