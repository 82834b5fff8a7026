// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which values of a token region go along the value axis of its states. Where nothing sums over that axis, mixes it
// with another or makes keys of it, its elements do not know of each other, and a task can have a part of them. A pure
// library: it reads a region and builds nothing.
#ifndef RWKV_PASSES_AFFINESTATE_VALUEAXIS_H
#define RWKV_PASSES_AFFINESTATE_VALUEAXIS_H

#include "dialect/Rwkv/RwkvDialect.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/IntEqClasses.h"

namespace rwkv {

class ValueAxis {
public:
  explicit ValueAxis(RecurrenceOp recurrence);

  /// The op in the way of a task that has a part of the value axis, and why; null if none is.
  mlir::Operation *getObstacle() const { return obstacle; }
  const std::string &getReason() const { return reason; }
  /// How long it is.
  int64_t getSize() const { return size; }
  /// Whether an axis of a value's tensor, of a state the keys and then the values, goes along it.
  bool isAlong(mlir::Value value, unsigned axis) const;

private:
  using Axis = std::pair<mlir::Value, unsigned>;

  unsigned number(Axis axis);
  void join(Axis a, Axis b) { classes.join(number(a), number(b)); }
  void joinAll(mlir::Value a, mlir::Value b);
  /// The axis must not be the value axis.
  void exclude(Axis axis, mlir::Operation *op, const char *why);
  void read(mlir::Operation *op);
  void readStep(const StateStep &step);
  void refuse(mlir::Operation *op, std::string why);

  llvm::DenseMap<Axis, unsigned> numbers;
  llvm::IntEqClasses classes{0};
  struct Exclusion {
    Axis axis;
    mlir::Operation *op;
    const char *why;
  };
  std::vector<Exclusion> excluded;
  mlir::Operation *obstacle = nullptr;
  std::string reason;
  int64_t size = 0;
  unsigned values = 0; // the class of the value axis
};

} // namespace rwkv

#endif // RWKV_PASSES_AFFINESTATE_VALUEAXIS_H
