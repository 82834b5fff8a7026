// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A head's recurrence as a task sees it that has one of several equal parts of the value axis: the same region, whose
// values that go along the axis are as long as the part.
#ifndef RWKV_PASSES_EXPAND_PART_H
#define RWKV_PASSES_EXPAND_PART_H

#include "passes/AffineState/ValueAxis.h"
#include "passes/Expand/TileEmitter.h"

#include "mlir/IR/OwningOpRef.h"

namespace rwkv {

class Part {
public:
  /// Of as many parts as the schedule says.
  explicit Part(RecurrenceOp recurrence);
  /// Fails after an error has been reported.
  llvm::LogicalResult prepare();

  int64_t getCount() const { return count; }
  /// The recurrence whose region says what the task does. Its operands are whole.
  RecurrenceOp getRecurrence() { return narrowed ? *narrowed : recurrence; }
  /// Whether an argument or a yielded value of the whole region goes along the value axis.
  bool isAlong(mlir::Value value) const;

private:
  RecurrenceOp recurrence;
  int64_t count;
  std::optional<ValueAxis> axis;
  mlir::OwningOpRef<RecurrenceOp> narrowed;
};

} // namespace rwkv

#endif // RWKV_PASSES_EXPAND_PART_H
