// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The target seam: what the compiler asks of a target, and the registry of targets.
#ifndef RWKV_LOWERING_TARGET_TARGET_H
#define RWKV_LOWERING_TARGET_TARGET_H

#include "dialect/Rwkv/RwkvDialect.h"
#include "lowering/Lanes/Hooks.h"
#include "lowering/RegisterBlocks/MatrixUnit.h"
#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace llvm {
class Function;
class Module;
} // namespace llvm

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
  const blocks::MatrixUnit *matrix = nullptr; // the matrix instructions of a thread, if it has any

  // Of targets whose tasks are run by lanes.
  int64_t lanes = 1;                      // per task, at most
  const lanes::Hooks *hooks = nullptr;    // null: a thread with vectors
  std::vector<std::string> required = {}; // what the pack requires instead of `features`
  int64_t units = 0;                      // tasks of so many lanes that run at once at full speed; 0: not known
  bool isText = false; // code is text, which the driver of the machine compiles: there are no objects
  void (*prepareKernel)(llvm::Function &code) = nullptr; // called for every exported function
  void (*prepareModule)(llvm::Module &code) = nullptr;   // called after that
  void (*finishModule)(llvm::Module &code) = nullptr;    // called when the code is optimized

  TargetAttr toAttr(mlir::MLIRContext *context) const;
};

/// What a compiled module can be written as.
enum class EmitKind { llvmIR, assembly, object, shared };

/// The row for `name`; "host" is the best row that this machine has, and "emu-" before the name of a target whose tasks
/// are run by lanes is the same lanes on this machine, for tests; before that of a CPU with matrix instructions, the
/// same code for a machine without. On failure says in `error` which names are known.
std::optional<TargetInfo> lookupTarget(llvm::StringRef name, std::string &error);

/// Names that lookupTarget accepts, for messages and --help.
std::vector<std::string> listTargets();

/// How a kernel is to be run.
struct KernelInfo {
  int64_t scratch = 0; // bytes per thread, or per task of lanes
  int64_t lanes = 0;   // of a task; 0: a thread
  int64_t shared = 0;  // bytes that the lanes of a task share
};

/// Translates a module of the llvm dialect and generates code in this process: no external program is run. `shared` is
/// what the runtime loads: an ELF file that exports the module's functions and needs nothing, or text that a driver
/// compiles.
mlir::FailureOr<std::string> emitCode(mlir::ModuleOp module, const TargetInfo &target, EmitKind kind);

} // namespace rwkv

#endif // RWKV_LOWERING_TARGET_TARGET_H
