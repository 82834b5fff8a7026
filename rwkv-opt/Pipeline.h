// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The stages of the compiler, shared by the driver and by rwkv-opt's --emit.
#ifndef RWKV_RWKV_OPT_PIPELINE_H
#define RWKV_RWKV_OPT_PIPELINE_H

#include "lowering/target/Target.h"
#include "llvm/ADT/StringMap.h"

namespace rwkv {

/// All dialects that a spec may use or that the compiler makes.
const mlir::DialectRegistry &getDialectRegistry();

/// Named rungs to recurrences, shared functions inlined: before sizes are known.
llvm::LogicalResult runFrontend(mlir::ModuleOp module);
/// Specialised functions to kernels and launches.
llvm::LogicalResult runMiddleEnd(mlir::ModuleOp module, llvm::StringRef schedule, int64_t chunk, int64_t fill,
                                 int64_t split);
/// Kernels to the llvm dialect; everything else is removed. `infos` gets how every kernel is run.
llvm::LogicalResult runCodegen(mlir::ModuleOp module, llvm::StringMap<KernelInfo> &infos);

} // namespace rwkv

#endif // RWKV_RWKV_OPT_PIPELINE_H
