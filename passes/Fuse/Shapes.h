// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How a specialised model value splits into rows and heads. After --rwkv-specialize only batch, time and sequence axes
// are dynamic and they come first: two of them make a value per token, one a value per sequence, none a constant.
#ifndef RWKV_PASSES_FUSE_SHAPES_H
#define RWKV_PASSES_FUSE_SHAPES_H

#include "mlir/IR/BuiltinTypes.h"

namespace rwkv {

enum class RowSpace { constant, sequences, tokens };

inline RowSpace getRowSpace(mlir::Type type) {
  switch (llvm::cast<mlir::RankedTensorType>(type).getNumDynamicDims()) {
  case 0:
    return RowSpace::constant;
  case 1:
    return RowSpace::sequences;
  default:
    return RowSpace::tokens;
  }
}

/// The axes after batch and time (or sequence).
inline llvm::ArrayRef<int64_t> getFeatures(mlir::Type type) {
  auto tensor = llvm::cast<mlir::RankedTensorType>(type);
  return tensor.getShape().drop_front(tensor.getNumDynamicDims());
}

inline int64_t countFeatures(mlir::Type type) {
  int64_t count = 1;
  for (int64_t size : getFeatures(type)) {
    count *= size;
  }
  return count;
}

/// Whether a value per token splits into `heads` equal, adjacent parts.
inline bool splitsIntoHeads(mlir::Type type, int64_t heads) {
  llvm::ArrayRef<int64_t> features = getFeatures(type);
  return getRowSpace(type) == RowSpace::tokens && !features.empty() && features[0] % heads == 0 &&
         (features.size() == 1 || features[0] == heads);
}

} // namespace rwkv

#endif // RWKV_PASSES_FUSE_SHAPES_H
