// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lane programs of other targets as code for this machine's CPU, for tests: what lanes do together, the emulator does
// (runtime/emu_lanes.c).
#ifndef RWKV_LOWERING_TARGET_EMU_EMUTARGET_H
#define RWKV_LOWERING_TARGET_EMU_EMUTARGET_H

#include "lowering/target/Target.h"
#include "runtime/emu_kernel.h"

namespace rwkv::emu {

/// The row "emu-CHIP": the numbers of `emulated`, lanes and matrix instructions as in `shape` (which must stay), code
/// for `machine`. Programs are those of the emulated target, but for the instructions.
TargetInfo makeRow(const TargetInfo &machine, const TargetInfo &emulated, const lanes::Shape &shape);

/// A matrix instruction of warps of so many lanes, as the emulator wants it.
rwkv_emu_product describe(const MatrixInstruction &instruction, int64_t warp);

} // namespace rwkv::emu

#endif // RWKV_LOWERING_TARGET_EMU_EMUTARGET_H
