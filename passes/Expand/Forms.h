// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The forms in which C tokens of a stratum run at once.
#ifndef RWKV_PASSES_EXPAND_FORMS_H
#define RWKV_PASSES_EXPAND_FORMS_H

#include "passes/AffineState/AffineState.h"
#include "passes/Expand/Batch.h"

namespace rwkv {

class StratumForm {
public:
  virtual ~StratumForm() = default;
  /// Does what all reads need; lower strata have run.
  virtual void run() = 0;
  /// [C, V]: what a read gives. Its keys may depend on any read that does not depend on it.
  virtual mlir::Value emitRead(unsigned read) = 0;
  /// A state after the chunk.
  virtual mlir::Value emitFinal(unsigned state) = 0;
};

/// What of a chunk's effect on states: everything, or what is linear in them.
enum class FormPart { all, linear };

/// Matrix products and one unit lower triangular solve. `states` are all states before the chunk.
std::unique_ptr<StratumForm> createMatrixForm(Batch &batch, const AffineState &form, const Stratum &stratum,
                                              llvm::ArrayRef<mlir::Value> states, FormPart part);
/// A state that is the same for all tokens, or a counter of tokens.
std::unique_ptr<StratumForm> createHeldForm(Batch &batch, const AffineState &form, const Stratum &stratum,
                                            llvm::ArrayRef<mlir::Value> states);
/// Every element on its own: a first-order scan.
std::unique_ptr<StratumForm> createElementwiseForm(Batch &batch, const AffineState &form, const Stratum &stratum,
                                                   llvm::ArrayRef<mlir::Value> states);

} // namespace rwkv

#endif // RWKV_PASSES_EXPAND_FORMS_H
