// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The registry of targets. A family of targets adds its table to getTables().
#include "lowering/target/Target.h"
#include "lowering/target/amdgcn/AmdgcnTarget.h"
#include "lowering/target/cpu/CpuTarget.h"
#include "lowering/target/emu/EmuTarget.h"
#include "lowering/target/nvptx/NvptxTarget.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace rwkv;

TargetAttr TargetInfo::toAttr(mlir::MLIRContext *context) const {
  return TargetAttr::get(context, chip, vectorBits, registers, scratchBytes, lanes, units,
                         matrix ? matrix->numbers.speed : 0);
}

static llvm::SmallVector<llvm::ArrayRef<TargetInfo>> getTables() {
  return {cpu::getRows(), nvptx::getRows(), amdgcn::getRows()};
}

/// Lanes and matrix instructions of other machines on this one's CPU; nothing if this machine has no row.
static llvm::ArrayRef<TargetInfo> getEmulated() {
  static const std::vector<TargetInfo> rows = [] {
    std::vector<TargetInfo> rows;
    if (const TargetInfo *host = cpu::findHostRow()) {
      for (llvm::ArrayRef<TargetInfo> table : getTables()) {
        for (const TargetInfo &row : table) {
          if (row.hooks) {
            rows.push_back(emu::makeRow(*host, row, *row.hooks));
          }
        }
      }
      for (const TargetInfo &row : cpu::getEmulatedRows()) {
        if (llvm::StringRef(row.triple) == host->triple) {
          rows.push_back(row);
        }
      }
    }
    return rows;
  }();
  return rows;
}

std::vector<std::string> rwkv::listTargets() {
  std::vector<std::string> names = {"host"};
  for (llvm::ArrayRef<TargetInfo> table : getTables()) {
    for (const TargetInfo &row : table) {
      names.push_back(row.chip);
    }
  }
  return names;
}

/// "a, b or c".
static void printNames(llvm::raw_ostream &os, llvm::ArrayRef<std::string> names) {
  for (auto [i, name] : llvm::enumerate(names)) {
    os << (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") << name;
  }
}

std::optional<TargetInfo> rwkv::lookupTarget(llvm::StringRef name, std::string &error) {
  const std::vector<std::string> names = listTargets();
  llvm::raw_string_ostream os(error);
  error.clear();
  if (name == "host") {
    if (const TargetInfo *row = cpu::findHostRow()) {
      return *row;
    }
    os << "this machine is none of the known targets ";
    printNames(os, llvm::ArrayRef(names).drop_front());
    return std::nullopt;
  }
  for (llvm::ArrayRef<TargetInfo> table : getTables()) {
    for (const TargetInfo &row : table) {
      if (row.chip == name) {
        return row;
      }
    }
  }
  std::vector<std::string> emulated;
  for (const TargetInfo &row : getEmulated()) {
    if (row.chip == name) {
      return row;
    }
    emulated.push_back(row.chip);
  }
  os << "unknown target '" << name << "'; expected ";
  printNames(os, name.starts_with("emu") ? emulated : names);
  return std::nullopt;
}
