// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The two forms in which C tokens of a stratum run at once.
#ifndef RWKV_PASSES_EXPAND_FORMS_H
#define RWKV_PASSES_EXPAND_FORMS_H

#include "passes/AffineState/AffineState.h"
#include "passes/Expand/Batch.h"

namespace rwkv {

/// Both take the states before the chunk, put those after it in their place, and set the stratum's reads in `batch`.

/// Matrix products and one unit lower triangular solve.
void emitMatrixForm(Batch &batch, const AffineState &form, const Stratum &stratum,
                    llvm::MutableArrayRef<mlir::Value> states);
/// Every element on its own: a first-order scan.
void emitElementwiseForm(Batch &batch, const AffineState &form, const Stratum &stratum,
                         llvm::MutableArrayRef<mlir::Value> states);

} // namespace rwkv

#endif // RWKV_PASSES_EXPAND_FORMS_H
