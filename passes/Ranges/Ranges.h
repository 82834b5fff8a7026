// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Interval analysis: between which numbers the elements of a value lie, whatever the inputs are. It follows producers
// through a function, and from the arguments of a token region to the operands of its recurrence.
#ifndef RWKV_PASSES_RANGES_RANGES_H
#define RWKV_PASSES_RANGES_RANGES_H

#include "dialect/Rwkv/RwkvDialect.h"

namespace rwkv {

/// A closed interval; infinite where nothing is known. It holds for every element that is not a NaN, for values
/// computed in floating point: ends are widened by what rounding to the element type may do after each operation,
/// underflow and overflow included.
struct Interval {
  double lo, hi;
  bool isFinite() const;
};

/// For one value. It looks at everything that the value is computed from.
Interval getInterval(mlir::Value value);

/// Writes down what is known of the logarithms of decays inside `root`: bounds that follow from the producers need no
/// check. Gives how many.
unsigned certifyBounds(mlir::Operation *root);

} // namespace rwkv

#endif // RWKV_PASSES_RANGES_RANGES_H
