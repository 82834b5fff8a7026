// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/MovingFrames.h"

using namespace mlir;
using namespace rwkv;

static bool isOnAxis(const StateStep &step, unsigned axis) {
  return step.isTransition() && step.axis == StateStep::Axis::key && step.key == axis;
}

bool MovingFrame::isTurned(const CarriedState &state, unsigned axis) {
  bool any = false;
  for (const StateStep &step : state.path) {
    if (isOnAxis(step, axis)) {
      any = true;
      if (!step.isIsometric) {
        return false;
      }
    }
  }
  return any;
}

MovingFrame::MovingFrame(Batch &batch, const AffineState &form, unsigned index, unsigned axis)
    : batch(batch), e(batch.e), state(form.states[index]), axis(axis), rows(state.type.getKeys()[axis]) {
  for (const StateStep &step : state.path) {
    if (isOnAxis(step, axis)) {
      size = tile::getTileShape(step.factor.getType())[1];
    }
  }
  isUsed.resize(turnsBefore(state.path.size()) + 1);
  for (auto [position, step] : llvm::enumerate(state.path)) {
    if (step.kind == StateStep::Kind::write) {
      isUsed.set(turnsBefore(position));
    }
  }
  for (const StateRead &read : form.reads) {
    if (read.state == index) {
      isUsed.set(turnsBefore(read.position));
    }
  }
}

unsigned MovingFrame::turnsBefore(unsigned position) const {
  return llvm::count_if(ArrayRef<StateStep>(state.path).take_front(position),
                        [&](const StateStep &step) { return isOnAxis(step, axis); });
}

void MovingFrame::emit() {
  if (total) {
    return;
  }
  SmallVector<Value> turns;
  for (const StateStep &step : state.path) {
    if (isOnAxis(step, axis)) {
      turns.push_back(batch.get(step.factor));
    }
  }
  Type element = state.type.getElementType();
  Type blocks = TileEmitter::tileType({rows, size}, element), line = TileEmitter::tileType({rows * size}, element);
  SmallVector<Value> init = {e.identityBlocks(rows, size, element)};
  for (unsigned i : isUsed.set_bits()) {
    (void)i;
    init.push_back(e.constant(0.0, batch.rows(rows * size, element)));
  }
  auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), e.index(batch.tokens), e.index(1), init);
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToEnd(loop.getBody());
    Value token = loop.getInductionVar();
    SmallVector<Value> carried(loop.getRegionIterArgs());
    unsigned next = 1;
    for (unsigned i = 0; i <= turns.size(); ++i) {
      if (i > 0) {
        Value turn = e.reshape(e.slice(turns[i - 1], line, {token, e.index(0)}), blocks);
        carried[0] = e.multiplyBlocks(turn, carried[0]);
      }
      if (isUsed[i]) {
        carried[next] = e.insert(e.reshape(carried[0], line), carried[next], {token, e.index(0)});
        ++next;
      }
    }
    scf::YieldOp::create(e.b, e.loc, carried);
  }
  total = loop.getResult(0);
  frames.resize(isUsed.size());
  for (auto [i, turned] : llvm::enumerate(isUsed.set_bits())) {
    frames[turned] = loop.getResult(i + 1);
  }
}

Value MovingFrame::toStart(Value keys, unsigned position) {
  return batch.multiplyBlocks(frames[turnsBefore(position)], keys, size, /*transposed=*/true);
}

Value MovingFrame::toEnd(Value columns) { return e.multiplyBlocks(total, columns); }
