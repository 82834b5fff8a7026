// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/KeyFrames.h"

#include <limits>

using namespace mlir;
using namespace rwkv;

Value frames::clampedLog(Batch &batch, const StateStep &step) {
  Value log = batch.get(step.factor);
  if (step.bound && step.bound->first >= kHardForget) {
    return log;
  }
  TileEmitter &e = batch.e;
  return arith::MaximumFOp::create(e.b, e.loc, log, e.constant(kHardForget, log.getType()));
}

Value frames::push(Batch &batch, Value keys, const StateStep &step, unsigned axis) {
  if (!step.isTransition() || step.axis != StateStep::Axis::key || step.key != axis) {
    return keys;
  }
  if (step.kind == StateStep::Kind::decay) {
    return batch.e.mul(keys, batch.exp(batch.get(step.factor)));
  }
  int64_t size = tile::getTileShape(step.factor.getType())[1];
  return batch.multiplyBlocks(batch.get(step.factor), keys, size, /*transposed=*/false);
}

KeyFrames::KeyFrames(Batch &batch, const AffineState &form, unsigned state)
    : batch(batch), e(batch.e), form(form), state(form.states[state]), blockSize(axes(), 0), decays(axes(), false),
      totals(axes()) {
  for (unsigned axis = 0; axis < axes(); ++axis) {
    if (this->state.isTurned(axis)) {
      moving.try_emplace(axis, batch, form, state, axis);
    }
  }
  for (auto [i, step] : llvm::enumerate(this->state.path)) {
    if (step.kind == StateStep::Kind::write) {
      writes.push_back(i);
    } else if (step.kind == StateStep::Kind::transform) {
      e.checkIsometric(step, batch.get(step.factor));
      blockSize[step.key] = moving.count(step.key) != 0 ? 0 : tile::getTileShape(step.factor.getType())[1];
    } else if (step.axis == StateStep::Axis::all) {
      decaysAll = true;
    } else if (step.axis == StateStep::Axis::key) {
      decays[step.key] = true;
    }
    if (step.kind == StateStep::Kind::decay && step.axis != StateStep::Axis::value) {
      e.checkBound(step, batch.get(step.factor));
    }
  }
}

// ---- what a read sees: its keys pulled back through what happens on its branch

void KeyFrames::prepareRead(unsigned index) {
  const StateRead &read = form.reads[index];
  SmallVector<Value> keys = llvm::map_to_vector(read.step.keys, [&](Value key) { return batch.get(key); });
  Value numbers;
  for (const StateStep &step : llvm::reverse(read.branch)) {
    if (!step.isTransition() || step.axis == StateStep::Axis::value) {
      continue;
    }
    Value factor = batch.get(step.factor);
    if (step.kind == StateStep::Kind::transform) {
      e.checkIsometric(step, factor);
      int64_t size = tile::getTileShape(step.factor.getType())[1];
      keys[step.key] = batch.multiplyBlocks(factor, keys[step.key], size, /*transposed=*/true);
      continue;
    }
    e.checkBound(step, factor);
    Value power = batch.exp(factor);
    if (step.axis == StateStep::Axis::key) {
      keys[step.key] = e.mul(keys[step.key], power);
    } else {
      numbers = numbers ? e.mul(numbers, power) : power;
    }
  }
  for (auto &[axis, frame] : moving) {
    keys[axis] = frame.toStart(keys[axis], read.position);
  }
  pulledKeys[index] = keys;
  pulledNumbers[index] = numbers;
}

// ---- what a loop over tokens or blocks carries

KeyFrames::Carried KeyFrames::initialise(size_t reads) {
  int64_t tokens = batch.tokens;
  auto zero = [&](ArrayRef<int64_t> shape) { return e.constant(0.0, tileOf(shape)); };
  auto moves = [&](unsigned axis) { return decays[axis] || blockSize[axis]; };
  bool anyMoves = llvm::any_of(llvm::seq<unsigned>(0, axes()), moves);
  Carried init;
  for (size_t i = 0; i < writes.size(); ++i) {
    SmallVector<Value> &keys = init.keys.emplace_back();
    for (unsigned axis = 0; axis < axes(); ++axis) {
      keys.push_back(moves(axis) ? zero({keySize(axis), tokens}) : Value());
    }
    if (decaysAll || !anyMoves) { // they also say where nothing was written yet
      init.logs.push_back(e.constant(-std::numeric_limits<double>::infinity(), tileOf({tokens})));
    }
  }
  for (unsigned axis = 0; axis < axes(); ++axis) {
    int64_t size = keySize(axis);
    init.totals.push_back(blockSize[axis] ? e.identityBlocks(size, blockSize[axis], state.type.getElementType())
                          : decays[axis]  ? e.constant(1.0, tileOf({size}))
                                          : Value());
  }
  init.enter.resize(axes());
  init.leave.resize(axes());
  init.totalLog = decaysAll ? e.constant(0.0, tileOf({})) : Value();
  for (size_t i = 0; i < reads; ++i) {
    SmallVector<Value> &keys = init.readKeys.emplace_back();
    for (unsigned axis = 0; axis < axes(); ++axis) {
      keys.push_back(moves(axis) ? zero({tokens, keySize(axis)}) : Value());
    }
    init.readLogs.push_back(decaysAll ? zero({tokens}) : Value());
    init.scores.emplace_back(writes.size(), zero({tokens, tokens}));
  }
  return init;
}

KeyFrames::Carried KeyFrames::runLoop(Carried init, int64_t count, int64_t step,
                                      function_ref<void(Carried &, Value)> body) {
  if (isWrittenOut(count, step)) {
    for (int64_t i = 0; i < count; i += step) {
      body(init, e.index(i));
    }
    return init;
  }
  SmallVector<Value> values;
  init.forEach([&](Value &value) { values.push_back(value); });
  auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), e.index(count), e.index(step), values);
  Carried carried = init;
  unsigned next = 0;
  carried.forEach([&](Value &value) { value = loop.getRegionIterArg(next++); });
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToEnd(loop.getBody());
    body(carried, loop.getInductionVar());
    SmallVector<Value> yielded;
    carried.forEach([&](Value &value) { yielded.push_back(value); });
    scf::YieldOp::create(e.b, e.loc, yielded);
  }
  next = 0;
  carried.forEach([&](Value &value) { value = loop.getResult(next++); });
  return carried;
}

void KeyFrames::finish(Carried &carried, ArrayRef<unsigned> reads) {
  for (auto [number, event] : llvm::enumerate(writes)) {
    for (unsigned axis = 0; axis < axes(); ++axis) {
      Value keys = carried.keys[number][axis] ? carried.keys[number][axis] : fixedKeys(number, axis);
      auto frame = moving.find(axis);
      writeKeys[{event, axis}] = frame == moving.end() ? keys : frame->second.toEnd(keys);
    }
    writeLogs[event] = decaysAll ? carried.logs[number] : Value();
  }
  totals = carried.totals;
  enterFactors = carried.enter;
  leaveFactors = carried.leave;
  totalLog = carried.totalLog;
  for (auto [number, read] : llvm::enumerate(reads)) {
    for (unsigned axis = 0; axis < axes(); ++axis) {
      Value keys = carried.readKeys[number][axis];
      readKeys[{read, axis}] = keys ? keys : pulledKeys.at(read)[axis];
    }
    readLogs[read] = carried.readLogs[number];
    for (auto [i, event] : llvm::enumerate(writes)) {
      Value score = carried.scores[number][i], numbers = pulledNumbers.at(read);
      scores[{read, event}] = numbers ? batch.scaleRows(score, numbers) : score;
    }
  }
}

/// [C, K]: the keys of a write; where the axis is turned, as they would be at the start.
Value KeyFrames::writtenKeys(unsigned event, unsigned axis) {
  Value keys = batch.get(state.path[event].keys[axis]);
  auto frame = moving.find(axis);
  if (frame == moving.end()) {
    return keys;
  }
  Value &known = turnedKeys[{event, axis}];
  return known = known ? known : frame->second.toStart(keys, event);
}

/// [K, C]: the keys of a write along an axis where nothing changes.
Value KeyFrames::fixedKeys(unsigned number, unsigned axis) {
  Value &known = transposed[{number, axis}];
  if (!known) {
    Value keys = writtenKeys(writes[number], axis);
    return known = tile::TransposeOp::create(e.b, e.loc, tileOf({keySize(axis), batch.tokens}), keys);
  }
  return known;
}

void KeyFrames::emit(ArrayRef<unsigned> reads) {
  // Operands of all tokens are computed in front of the loop.
  for (const StateStep &step : state.path) {
    for (Value key : step.keys) {
      batch.get(key);
    }
    if (step.isTransition()) {
      batch.get(step.factor);
    }
  }
  for (auto &[axis, frame] : moving) {
    frame.emit();
    for (unsigned event : writes) {
      writtenKeys(event, axis);
    }
  }
  for (unsigned read : reads) {
    prepareRead(read);
  }
  for (unsigned axis = 0; axis < axes(); ++axis) {
    for (size_t number = 0; number < writes.size() && !decays[axis] && !blockSize[axis]; ++number) {
      fixedKeys(number, axis);
    }
  }
  bool transforms = llvm::any_of(blockSize, [](int64_t size) { return size != 0; });
  Carried carried = initialise(reads.size());
  if (transforms) {
    carried = runLoop(carried, batch.tokens, 1, [&](Carried &c, Value token) { emitToken(c, token, reads); });
  } else {
    carried = emitDecays(carried, reads);
  }
  finish(carried, reads);
}

// ---- results

Value KeyFrames::score(unsigned read, unsigned event) const { return scores.at({read, event}); }

/// Rows of `keys` [C, K_last] times column i of the other axes' keys, for every i: `body` gets them with the first row
/// of the state that they belong to, and carries a value along.
static Value forEachLeading(TileEmitter &e, ArrayRef<int64_t> sizes, Value carried, Value last, ArrayRef<Value> leading,
                            bool transposed, Value offset, function_ref<Value(Value, Value, Value)> body) {
  if (leading.empty()) {
    return body(carried, last, offset);
  }
  Type element = getElementTypeOrSelf(last.getType());
  int64_t count = tile::getTileShape(last.getType())[transposed ? 1 : 0];
  auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), e.index(sizes.front()), e.index(1), ValueRange{carried});
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToEnd(loop.getBody());
  Value i = loop.getInductionVar();
  Value numbers;
  if (transposed) {
    numbers = e.slice(leading.front(), TileEmitter::tileType({count}, element), {i, e.index(0)});
  } else {
    Value column = e.slice(leading.front(), TileEmitter::tileType({count, 1}, element), {e.index(0), i});
    numbers = e.sum(column, 1);
  }
  Value scaled = e.mul(last, e.broadcast(numbers, last.getType(), transposed ? 1 : 0));
  int64_t rows = 1;
  for (int64_t size : sizes.drop_front()) {
    rows *= size;
  }
  Value next = forEachLeading(e, sizes.drop_front(), loop.getRegionIterArg(0), scaled, leading.drop_front(), transposed,
                              e.mulAdd(i, rows, offset), body);
  scf::YieldOp::create(e.b, e.loc, next);
  return loop.getResult(0);
}

Value KeyFrames::readInitial(unsigned read, Value initial) {
  Type element = state.type.getElementType();
  int64_t values = state.type.getValue();
  Value result;
  if (axes() == 0) {
    result = e.broadcast(initial, batch.rows(values, element), 1);
  } else {
    SmallVector<Value> keys;
    for (unsigned axis = 0; axis < axes(); ++axis) {
      keys.push_back(readKeys.at({read, axis}));
    }
    if (axes() == 1) {
      result = e.dot(keys[0], initial);
    } else {
      Value zero = e.constant(0.0, batch.rows(values, element));
      Type part = tileOf({keySize(axes() - 1), values});
      result = forEachLeading(e, state.type.getKeys(), zero, keys.back(), ArrayRef(keys).drop_back(), false, e.index(0),
                              [&](Value sum, Value scaled, Value row) {
                                return e.dot(scaled, e.slice(initial, part, {row, e.index(0)}), sum);
                              });
    }
  }
  if (Value log = readLogs.at(read)) {
    result = batch.scaleRows(result, batch.exp(log));
  }
  if (Value numbers = pulledNumbers.at(read)) {
    result = batch.scaleRows(result, numbers);
  }
  return result;
}

/// Rows times a factor per key [K] of each axis that has one.
Value KeyFrames::scaleKeys(Value x, ArrayRef<Value> factors) {
  for (unsigned axis = 0; axis < axes(); ++axis) {
    if (factors[axis]) {
      Value factor = e.repeatKey(factors[axis], state.type, axis);
      x = e.mul(x, e.broadcast(factor, x.getType(), 0));
    }
  }
  return x;
}

Value KeyFrames::enter(Value initial) {
  start = initial;
  return scaleKeys(initial, enterFactors);
}

Value KeyFrames::leave(Value end) { return scaleKeys(end, leaveFactors); }

Value KeyFrames::decayInitial(Value entered) {
  bool addsInMiddle = llvm::any_of(leaveFactors, [](Value factor) { return bool(factor); });
  Value initial = addsInMiddle ? entered : start;
  for (unsigned axis = 0; axis < axes(); ++axis) {
    if (auto frame = moving.find(axis); frame != moving.end()) {
      initial = e.transformState(initial, state.type, axis, frame->second.getTotal());
    } else if (blockSize[axis]) {
      initial = e.transformState(initial, state.type, axis, totals[axis]);
    } else if (decays[axis] && !TileEmitter::isSplat(totals[axis], 1)) {
      Value factor = e.repeatKey(totals[axis], state.type, axis);
      initial = e.mul(initial, e.broadcast(factor, initial.getType(), 0));
    }
  }
  if (totalLog) {
    initial = e.mul(initial, e.broadcast(batch.exp(totalLog), initial.getType()));
  }
  return initial;
}

Value KeyFrames::addWrite(Value whole, unsigned event, Value values) {
  if (Value log = writeLogs.at(event)) {
    values = batch.scaleRows(values, batch.exp(log));
  }
  if (axes() == 0) {
    return e.add(whole, e.sum(values, 0));
  }
  SmallVector<Value> keys;
  for (unsigned axis = 0; axis < axes(); ++axis) {
    keys.push_back(writeKeys.at({event, axis}));
  }
  if (axes() == 1) {
    return e.dot(keys[0], values, whole);
  }
  Type part = tileOf({keySize(axes() - 1), state.type.getValue()});
  return forEachLeading(e, state.type.getKeys(), whole, keys.back(), ArrayRef(keys).drop_back(), true, e.index(0),
                        [&](Value carried, Value scaled, Value row) {
                          Value old = e.slice(carried, part, {row, e.index(0)});
                          return e.insert(e.dot(scaled, values, old), carried, {row, e.index(0)});
                        });
}
