// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fixing the sizes of a spec, as a library: the pass and the tools give it a checkpoint's shapes or a call's arguments.
#ifndef RWKV_PASSES_SPECIALIZE_SPECIALIZE_H
#define RWKV_PASSES_SPECIALIZE_SPECIALIZE_H

#include "dialect/Rwkv/RwkvDialect.h"
#include "llvm/ADT/StringMap.h"

namespace rwkv {

/// Name, element type and shape of a checkpoint's tensor, or of an argument.
struct ArrayType {
  std::string name;
  mlir::Type elementType; // null: any, as it is converted to what is expected
  llvm::SmallVector<int64_t> shape;
};

struct SpecializeInput {
  std::vector<ArrayType> checkpoint;
  bool allowUnused = false;
  llvm::StringMap<double> params;
};

/// Solves the sizes of the one model in `module` that unifies with the checkpoint, and erases the other models. Weights
/// get their stored types, params their values, layers their bounds; named axes disappear.
llvm::LogicalResult specializeModel(mlir::ModuleOp module, const SpecializeInput &input);

/// Solves the sizes of one function from the shapes of its arguments, and erases everything else.
llvm::LogicalResult specializeFunction(mlir::ModuleOp module, llvm::StringRef name,
                                       llvm::ArrayRef<ArrayType> arguments);

/// The steps of specializeModel.
llvm::LogicalResult bindCheckpoint(ModelOp model, const SpecializeInput &input, llvm::StringMap<int64_t> &sizes);
void expandLayers(ModelOp model, int64_t layers);
/// What could not be verified while sizes were names: reshapes, weights of norms, stacks of layers, which layers have
/// which weights.
llvm::LogicalResult checkSolved(mlir::func::FuncOp function);

} // namespace rwkv

#endif // RWKV_PASSES_SPECIALIZE_SPECIALIZE_H
