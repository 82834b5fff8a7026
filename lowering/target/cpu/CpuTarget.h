// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// CPU levels as targets.
#ifndef RWKV_LOWERING_TARGET_CPU_CPUTARGET_H
#define RWKV_LOWERING_TARGET_CPU_CPUTARGET_H

#include "lowering/target/Target.h"

namespace rwkv::cpu {
/// The table of KnownCpu.inc.
llvm::ArrayRef<TargetInfo> getRows();

/// "emu-" rows of those with matrix instructions: code that a machine without them loads, too. A test that runs it
/// there carries the instructions out.
llvm::ArrayRef<TargetInfo> getEmulatedRows();

/// The most capable row that this machine can run, or null.
const TargetInfo *findHostRow();
} // namespace rwkv::cpu

#endif // RWKV_LOWERING_TARGET_CPU_CPUTARGET_H
