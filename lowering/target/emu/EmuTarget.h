// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lane programs of other targets as code for this machine's CPU, for tests: what lanes do together, the emulator does
// (runtime/emu_lanes.c).
#ifndef RWKV_LOWERING_TARGET_EMU_EMUTARGET_H
#define RWKV_LOWERING_TARGET_EMU_EMUTARGET_H

#include "lowering/target/Target.h"

namespace rwkv::emu {

/// The row "emu-CHIP": the numbers of `emulated`, lanes and matrix instructions as in `shape` (which must stay), code
/// for `machine`. Programs are those of the emulated target, but for the instructions.
TargetInfo makeRow(const TargetInfo &machine, const TargetInfo &emulated, const lanes::Shape &shape);

} // namespace rwkv::emu

#endif // RWKV_LOWERING_TARGET_EMU_EMUTARGET_H
