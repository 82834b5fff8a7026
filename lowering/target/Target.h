// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The target seam: what the compiler asks of a target, and the registry of targets.
#ifndef RWKV_LOWERING_TARGET_TARGET_H
#define RWKV_LOWERING_TARGET_TARGET_H

#include "dialect/Rwkv/RwkvDialect.h"
#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace rwkv {

/// Numbers of one chip (or one CPU level): a row of a target's table.
struct TargetInfo {
  std::string chip;                  // as the user names it: x86-64-v3, x86-64-v4, ..
  std::string triple;                // LLVM's
  std::string cpu;                   // LLVM's -mcpu
  std::vector<std::string> features; // LLVM's names of the features that the code may use, which the pack requires
  int64_t vectorBits;
  int64_t registers;
  int64_t scratchBytes;

  TargetAttr toAttr(mlir::MLIRContext *context) const;
};

/// What a compiled module can be written as.
enum class EmitKind { llvmIR, assembly, object, shared };

/// The row for `name`; "host" is the best row that this machine has. On failure says in `error` which names are known.
std::optional<TargetInfo> lookupTarget(llvm::StringRef name, std::string &error);

/// Names that lookupTarget accepts, for messages and --help.
std::vector<std::string> listTargets();

/// Translates a module of the llvm dialect and generates code in this process: no external program is run. `shared` is
/// a shared object (an ELF file for CPUs) that exports the module's functions and needs nothing.
mlir::FailureOr<std::string> emitCode(mlir::ModuleOp module, const TargetInfo &target, EmitKind kind);

} // namespace rwkv

#endif // RWKV_LOWERING_TARGET_TARGET_H
