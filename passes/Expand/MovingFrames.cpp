// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/MovingFrames.h"

using namespace mlir;
using namespace rwkv;

static bool isOnAxis(const StateStep &step, unsigned axis) {
  return step.isTransition() && step.axis == StateStep::Axis::key && step.key == axis;
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

/// [K, p] or planes: the blocks of one token times what is there.
Value MovingFrame::multiplyAt(Value turns, Value token, Value turned) {
  if (!hasPlanes()) {
    Value line = e.slice(turns, tileOf({rows * size}), {token, e.index(0)});
    return e.multiplyBlocks(e.reshape(line, tileOf({rows, size})), turned);
  }
  // (i, j) is the sum over k of (i, k) and (k, j).
  Type part = tileOf({size, blocks()});
  Value first = e.mulAdd(token, blocks(), e.index(0));
  Value right = e.reshape(turned, tileOf({size, size * blocks()}));
  return e.iterate(size, e.constant(0.0, turned.getType()), [&](Value i, Value outer) {
    Value row = e.mulAdd(i, size, e.index(0));
    Value left = e.slice(turns, part, {row, first});
    return e.iterate(size, outer, [&](Value j, Value result) {
      Value column = e.slice(right, part, {e.index(0), e.mulAdd(j, blocks(), e.index(0))});
      return e.insert(e.sum(e.mul(left, column), 0), result, {arith::AddIOp::create(e.b, e.loc, row, j), e.index(0)});
    });
  });
}

void MovingFrame::emit() {
  if (total) {
    return;
  }
  Type element = state.type.getElementType();
  SmallVector<Value> turns;
  for (const StateStep &step : state.path) {
    if (isOnAxis(step, axis)) {
      Value matrices = batch.get(step.factor);
      turns.push_back(hasPlanes() ? e.planes(matrices, size) : matrices);
    }
  }
  Type all = hasPlanes() ? tileOf({size * size, batch.tokens * blocks()}) : tileOf({batch.tokens, rows * size});
  SmallVector<Value> init = {e.identityBlocks(rows, size, element)};
  if (hasPlanes()) {
    init[0] = e.planes(init[0], size);
  }
  init.append(isUsed.count(), e.constant(0.0, all));
  auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), e.index(batch.tokens), e.index(1), init);
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToEnd(loop.getBody());
    Value token = loop.getInductionVar();
    SmallVector<Value> carried(loop.getRegionIterArgs());
    unsigned next = 1;
    for (unsigned i = 0; i <= turns.size(); ++i) {
      if (i > 0) {
        carried[0] = multiplyAt(turns[i - 1], token, carried[0]);
      }
      if (!isUsed[i]) {
        continue;
      }
      Value &known = carried[next++];
      known = hasPlanes() ? e.insert(carried[0], known, {e.index(0), e.mulAdd(token, blocks(), e.index(0))})
                          : e.insert(e.reshape(carried[0], tileOf({rows * size})), known, {token, e.index(0)});
    }
    scf::YieldOp::create(e.b, e.loc, carried);
  }
  total = loop.getResult(0);
  if (hasPlanes()) {
    total = tile::TransposeOp::create(e.b, e.loc, tileOf({blocks(), size * size}), total);
    total = e.reshape(total, tileOf({rows, size}));
  }
  frames.resize(isUsed.size());
  for (auto [i, turned] : llvm::enumerate(isUsed.set_bits())) {
    frames[turned] = loop.getResult(i + 1);
  }
}

Value MovingFrame::toStart(Value keys, unsigned position) {
  Value frame = frames[turnsBefore(position)];
  if (!hasPlanes()) {
    return batch.multiplyBlocks(frame, keys, size, /*transposed=*/true);
  }
  int64_t count = batch.tokens * blocks();
  Type part = tileOf({size, count}), lines = tileOf({count, size});
  Value elements = tile::TransposeOp::create(e.b, e.loc, part, e.reshape(keys, lines));
  frame = e.reshape(frame, tileOf({size, size * count}));
  Value turned = e.iterate(size, e.constant(0.0, part), [&](Value j, Value result) {
    Value column = e.slice(frame, part, {e.index(0), e.mulAdd(j, count, e.index(0))});
    return e.insert(e.sum(e.mul(column, elements), 0), result, {j, e.index(0)});
  });
  return e.reshape(tile::TransposeOp::create(e.b, e.loc, lines, turned), keys.getType());
}

Value MovingFrame::toEnd(Value columns) { return e.multiplyBlocks(total, columns); }
