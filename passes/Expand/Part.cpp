// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/Part.h"

using namespace mlir;
using namespace rwkv;

static Type narrowType(const ValueAxis &axis, Value value, int64_t count) {
  if (auto state = dyn_cast<StateType>(value.getType())) {
    return StateType::get(state.getContext(), state.getKeys(), state.getValue() / count, state.getElementType());
  }
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  if (!tensor) {
    return value.getType();
  }
  SmallVector<int64_t> shape(tensor.getShape());
  for (auto [i, size] : llvm::enumerate(shape)) {
    size /= axis.isAlong(value, i) ? count : 1;
  }
  return tensor.clone(shape);
}

Part::Part(RecurrenceOp recurrence)
    : recurrence(recurrence), count(recurrence.getScheduleAttr() ? recurrence.getScheduleAttr().getSplit() : 1) {}

LogicalResult Part::prepare() {
  if (count == 1) {
    return success();
  }
  axis.emplace(recurrence);
  if (Operation *obstacle = axis->getObstacle()) {
    return obstacle->emitOpError("cannot be split along the value axis: it ") << axis->getReason();
  }
  if (axis->getSize() % count != 0) {
    return recurrence.emitOpError("expected a split that divides the ")
           << axis->getSize() << " values of its states, but got " << count;
  }
  narrowed = recurrence.clone();
  Block &from = recurrence.getToken().front(), &to = narrowed->getToken().front();
  for (auto [whole, arg] : llvm::zip_equal(from.getArguments(), to.getArguments())) {
    arg.setType(narrowType(*axis, whole, count));
  }
  for (auto [whole, op] : llvm::zip_equal(from, to)) {
    for (auto [value, result] : llvm::zip_equal(whole.getResults(), op.getResults())) {
      result.setType(narrowType(*axis, value, count));
    }
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue())) {
        constant.setValueAttr(splat.resizeSplat(cast<ShapedType>(constant.getType())));
      }
    }
  }
  return success();
}

bool Part::isAlong(Value value) const {
  if (isa<StateType>(value.getType())) {
    return true;
  }
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  return axis && tensor && tensor.getRank() == 1 && axis->isAlong(value, 0);
}
