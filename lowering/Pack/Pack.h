// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writing packs: the manifest with its launch plans, and the bytes of the file. docs/Pack.md describes the format.
#ifndef RWKV_LOWERING_PACK_PACK_H
#define RWKV_LOWERING_PACK_PACK_H

#include "dialect/Tile/TileDialect.h"
#include "lowering/target/Target.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/JSON.h"

namespace rwkv {

/// The manifest of an expanded module, without targets. `infos` says how each kernel is run.
mlir::FailureOr<llvm::json::Object> buildManifest(mlir::ModuleOp module, const llvm::StringMap<KernelInfo> &infos);

/// The bytes of a pack with the code for one target.
std::string assemblePack(llvm::json::Object manifest, const TargetInfo &target, llvm::StringRef code);

/// The steps of one function: used by buildManifest.
mlir::FailureOr<llvm::json::Object> buildPlan(mlir::func::FuncOp function, const llvm::StringMap<int64_t> &weights,
                                              const llvm::StringMap<int64_t> &kernels);

/// Element type and shape as the manifest spells them. One open axis is sequences (batch rows if not `packed`), two are
/// batch and time.
std::string spellElement(mlir::Type type);
llvm::json::Array spellShape(mlir::Type type, bool packed);
bool isSequences(mlir::Type type);
bool isPacked(mlir::func::FuncOp function);

} // namespace rwkv

#endif // RWKV_LOWERING_PACK_PACK_H
