// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/target/cpu/CpuTarget.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace rwkv;

llvm::ArrayRef<TargetInfo> cpu::getRows() {
  static const TargetInfo rows[] = {
#define CPU(name, triple, cpu, vectorBits, registers, scratchBytes, ...)                                               \
  TargetInfo{name, triple, cpu, {__VA_ARGS__}, vectorBits, registers, scratchBytes},
#include "lowering/target/cpu/KnownCpu.inc"
  };
  return rows;
}

const TargetInfo *cpu::findHostRow() {
  const auto arch = llvm::Triple(llvm::sys::getProcessTriple()).getArch();
  const llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  for (const TargetInfo &row : llvm::reverse(getRows())) {
    if (llvm::Triple(row.triple).getArch() == arch &&
        llvm::all_of(row.features, [&](llvm::StringRef feature) { return features.lookup(feature); })) {
      return &row;
    }
  }
  return nullptr;
}
