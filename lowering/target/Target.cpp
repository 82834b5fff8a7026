// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The registry of targets. A family of targets adds its table to getTables().
#include "lowering/target/Target.h"
#include "lowering/target/cpu/CpuTarget.h"
#include "lowering/target/nvptx/NvptxTarget.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace rwkv;

TargetAttr TargetInfo::toAttr(mlir::MLIRContext *context) const {
  return TargetAttr::get(context, chip, vectorBits, registers, scratchBytes, lanes, matrix ? matrix->numbers.speed : 0);
}

static llvm::SmallVector<llvm::ArrayRef<TargetInfo>> getTables() { return {cpu::getRows(), nvptx::getRows()}; }

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
  os << "unknown target '" << name << "'; expected ";
  printNames(os, names);
  return std::nullopt;
}
