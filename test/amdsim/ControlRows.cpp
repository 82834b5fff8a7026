// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Jumps, barriers, the end; and instructions that only matter to a machine with latencies and caches.
#include "Wave.h"

using namespace amdsim;

namespace {

template <bool (*condition)(const Wave &)> void jump(Wave &wave, const Instruction &instruction) {
  if (condition(wave)) {
    wave.pc = instruction.target;
  }
}

void doNothing(Wave &, const Instruction &) {}

bool always(const Wave &) { return true; }
bool isScc0(const Wave &wave) { return !wave.scc; }
bool isScc1(const Wave &wave) { return wave.scc; }
bool isVccZero(const Wave &wave) { return wave.readMask(kVcc) == 0; }
bool isVccNonZero(const Wave &wave) { return wave.readMask(kVcc) != 0; }
bool isExecZero(const Wave &wave) { return wave.exec() == 0; }
bool isExecNonZero(const Wave &wave) { return wave.exec() != 0; }

constexpr Slot jumpSlots[] = {{constant, 1}};

constexpr Row makeJump(const char *name, Execute execute) {
  return {.name = name, .execute = execute, .slots = jumpSlots, .next = Row::Next::mayJump};
}
constexpr Row makeStop(const char *name, Row::Next next, bool takesAnything = false) {
  return {.name = name, .execute = doNothing, .next = next, .takesAnything = takesAnything};
}
/// All accesses are complete, and seen by all, when an instruction has been executed.
constexpr Row makeNothing(const char *name) { return {.name = name, .execute = doNothing, .takesAnything = true}; }

constexpr Row rows[] = {
    makeJump("s_branch", jump<always>),
    makeJump("s_cbranch_scc0", jump<isScc0>),
    makeJump("s_cbranch_scc1", jump<isScc1>),
    makeJump("s_cbranch_vccz", jump<isVccZero>),
    makeJump("s_cbranch_vccnz", jump<isVccNonZero>),
    makeJump("s_cbranch_execz", jump<isExecZero>),
    makeJump("s_cbranch_execnz", jump<isExecNonZero>),

    makeStop("s_barrier", Row::Next::waits),
    makeStop("s_sleep", Row::Next::sleeps, /*takesAnything=*/true),
    makeStop("s_endpgm", Row::Next::ends),

    makeNothing("s_nop"),
    makeNothing("s_waitcnt"),
    makeNothing("s_setprio"),
    makeNothing("buffer_inv"),
    makeNothing("buffer_wbl2"),
};

} // namespace

std::span<const Row> amdsim::getControlRows() { return rows; }
