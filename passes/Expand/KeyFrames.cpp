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
  for (auto [i, step] : llvm::enumerate(this->state.path)) {
    if (step.kind == StateStep::Kind::write) {
      writes.push_back(i);
    } else if (step.kind == StateStep::Kind::transform) {
      blockSize[step.key] = tile::getTileShape(step.factor.getType())[1];
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
  pulledKeys[index] = keys;
  pulledNumbers[index] = numbers;
}

// ---- token by token: the program of the region, run on keys instead of states

/// What the loop over tokens carries.
struct KeyFrames::Carried {
  SmallVector<SmallVector<Value>> keys;     // write, axis: [K, C], a column per token so far
  SmallVector<Value> logs;                  // write: [C], -inf where nothing was written yet
  SmallVector<Value> totals;                // axis: [K] or [K, p], null without transitions
  Value totalLog;                           // scalar
  SmallVector<SmallVector<Value>> readKeys; // read, axis: [C, K]
  SmallVector<Value> readLogs;              // read: [C]
  SmallVector<SmallVector<Value>> scores;   // read, write: [C, C]

  void forEach(function_ref<void(Value &)> body) {
    auto visit = [&](Value &value) {
      if (value) {
        body(value);
      }
    };
    auto visitAll = [&](SmallVector<Value> &values) { llvm::for_each(values, visit); };
    llvm::for_each(keys, visitAll);
    visitAll(logs);
    visitAll(totals);
    visit(totalLog);
    llvm::for_each(readKeys, visitAll);
    visitAll(readLogs);
    llvm::for_each(scores, visitAll);
  }
};

/// [K, p]: rows of unit blocks.
Value KeyFrames::identityBlocks(int64_t rows, int64_t size) {
  Type indices = RankedTensorType::get({rows, size}, e.b.getI32Type());
  Value row = tile::IotaOp::create(e.b, e.loc, indices, 0), column = tile::IotaOp::create(e.b, e.loc, indices, 1);
  Value p = arith::ConstantOp::create(
      e.b, e.loc, DenseElementsAttr::get(cast<ShapedType>(indices), Attribute(e.b.getI32IntegerAttr(size))));
  Value inBlock = arith::RemUIOp::create(e.b, e.loc, row, p);
  Value isDiagonal = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq, inBlock, column);
  Type type = tileOf({rows, size});
  return arith::SelectOp::create(e.b, e.loc, isDiagonal, e.constant(1.0, type), e.constant(0.0, type));
}

/// [K, p]: the blocks of one token.
Value KeyFrames::blocksAt(const StateStep &step, Value token) {
  int64_t rows = keySize(step.key), size = tile::getTileShape(step.factor.getType())[1];
  Value line = e.slice(batch.get(step.factor), tileOf({rows * size}), {token, e.index(0)});
  return e.reshape(line, tileOf({rows, size}));
}

void KeyFrames::applyTransition(Carried &carried, const StateStep &step, Value token) {
  if (step.kind == StateStep::Kind::decay && step.axis == StateStep::Axis::all) {
    Value log = e.slice(batch.get(step.factor), tileOf({}), {token});
    for (Value &logs : carried.logs) {
      logs = e.add(logs, e.broadcast(log, logs.getType()));
    }
    carried.totalLog = e.add(carried.totalLog, log);
    return;
  }
  if (step.axis != StateStep::Axis::key) {
    return;
  }
  auto forEachKey = [&](function_ref<Value(Value)> change) {
    for (SmallVector<Value> &keys : carried.keys) {
      keys[step.key] = change(keys[step.key]);
    }
    carried.totals[step.key] = change(carried.totals[step.key]);
  };
  if (step.kind == StateStep::Kind::transform) {
    Value blocks = blocksAt(step, token);
    int64_t size = tile::getTileShape(blocks.getType())[1];
    forEachKey([&](Value x) -> Value {
      return tile::DotOp::create(e.b, e.loc, x.getType(), blocks, x, Value(), UnitAttr(), e.b.getI64IntegerAttr(size));
    });
    return;
  }
  Value log = e.slice(batch.get(step.factor), tileOf({keySize(step.key)}), {token, e.index(0)});
  Value factor = batch.exp(log);
  forEachKey([&](Value x) { return e.mul(x, e.broadcast(factor, x.getType(), 0)); });
}

void KeyFrames::emitWriteColumn(Carried &carried, unsigned number, Value token) {
  const StateStep &step = state.path[writes[number]];
  for (unsigned axis = 0; axis < axes(); ++axis) {
    Value key = e.slice(batch.get(step.keys[axis]), tileOf({keySize(axis)}), {token, e.index(0)});
    Value &keys = carried.keys[number][axis];
    keys = e.insert(e.reshape(key, tileOf({keySize(axis), 1})), keys, {e.index(0), token});
  }
  if (!carried.logs.empty()) {
    carried.logs[number] = e.insert(e.constant(0.0, tileOf({})), carried.logs[number], {token});
  }
}

void KeyFrames::emitReadRow(Carried &carried, unsigned number, unsigned read, Value token) {
  Type line = tileOf({1, batch.tokens});
  Value scale; // of the branch
  if (Value numbers = pulledNumbers.at(read)) {
    scale = e.slice(numbers, tileOf({}), {token});
  }
  for (auto [i, write] : llvm::enumerate(writes)) {
    Value row;
    for (unsigned axis = 0; axis < axes(); ++axis) {
      Value key = e.slice(pulledKeys.at(read)[axis], tileOf({1, keySize(axis)}), {token, e.index(0)});
      Value products = e.dot(key, carried.keys[i][axis]);
      row = row ? e.mul(row, products) : products;
    }
    if (!carried.logs.empty()) {
      Value factor = e.reshape(batch.exp(carried.logs[i]), line);
      row = row ? e.mul(row, factor) : factor;
    }
    row = scale ? e.mul(row, e.broadcast(scale, line)) : row;
    carried.scores[number][i] = e.insert(row, carried.scores[number][i], {token, e.index(0)});
  }
  for (unsigned axis = 0; axis < axes(); ++axis) {
    int64_t size = keySize(axis);
    Value key = e.slice(pulledKeys.at(read)[axis], tileOf({size}), {token, e.index(0)});
    if (blockSize[axis]) { // G^T a
      int64_t p = blockSize[axis];
      Value products = e.mul(carried.totals[axis], e.broadcast(key, tileOf({size, p}), 0));
      Value pieces = e.reshape(products, tileOf({size / p, p * p}));
      key = e.reshape(batch.sumPieces(pieces, p), tileOf({size}));
    } else if (decays[axis]) {
      key = e.mul(key, carried.totals[axis]);
    }
    carried.readKeys[number][axis] = e.insert(key, carried.readKeys[number][axis], {token, e.index(0)});
  }
  if (carried.totalLog) {
    carried.readLogs[number] = e.insert(carried.totalLog, carried.readLogs[number], {token});
  }
}

void KeyFrames::emitToken(Carried &carried, Value token, ArrayRef<unsigned> reads) {
  auto emitReads = [&](unsigned position) {
    for (auto [number, read] : llvm::enumerate(reads)) {
      if (form.reads[read].position == position) {
        emitReadRow(carried, number, read, token);
      }
    }
  };
  emitReads(0);
  for (auto [position, step] : llvm::enumerate(state.path)) {
    if (step.kind == StateStep::Kind::write) {
      emitWriteColumn(carried, llvm::find(writes, position) - writes.begin(), token);
    } else {
      applyTransition(carried, step, token);
    }
    emitReads(position + 1);
  }
}

void KeyFrames::runTokens(ArrayRef<unsigned> reads) {
  int64_t tokens = batch.tokens;
  bool useLogs = decaysAll || axes() == 0;
  Carried init;
  auto zero = [&](ArrayRef<int64_t> shape) { return e.constant(0.0, tileOf(shape)); };
  for (size_t i = 0; i < writes.size(); ++i) {
    SmallVector<Value> &keys = init.keys.emplace_back();
    for (int64_t size : state.type.getKeys()) {
      keys.push_back(zero({size, tokens}));
    }
    if (useLogs) {
      init.logs.push_back(e.constant(-std::numeric_limits<double>::infinity(), tileOf({tokens})));
    }
  }
  for (unsigned axis = 0; axis < axes(); ++axis) {
    int64_t size = keySize(axis);
    init.totals.push_back(blockSize[axis] ? identityBlocks(size, blockSize[axis])
                          : decays[axis]  ? e.constant(1.0, tileOf({size}))
                                          : Value());
  }
  init.totalLog = decaysAll ? e.constant(0.0, tileOf({})) : Value();
  for (size_t i = 0; i < reads.size(); ++i) {
    SmallVector<Value> &keys = init.readKeys.emplace_back();
    for (int64_t size : state.type.getKeys()) {
      keys.push_back(zero({tokens, size}));
    }
    init.readLogs.push_back(decaysAll ? zero({tokens}) : Value());
    init.scores.emplace_back(writes.size(), zero({tokens, tokens}));
  }
  SmallVector<Value> values;
  init.forEach([&](Value &value) { values.push_back(value); });
  auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), e.index(tokens), e.index(1), values);
  Carried carried = init;
  unsigned next = 0;
  carried.forEach([&](Value &value) { value = loop.getRegionIterArg(next++); });
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToEnd(loop.getBody());
    emitToken(carried, loop.getInductionVar(), reads);
    SmallVector<Value> yielded;
    carried.forEach([&](Value &value) { yielded.push_back(value); });
    scf::YieldOp::create(e.b, e.loc, yielded);
  }
  next = 0;
  carried.forEach([&](Value &value) { value = loop.getResult(next++); });
  for (auto [number, event] : llvm::enumerate(writes)) {
    for (unsigned axis = 0; axis < axes(); ++axis) {
      writeKeys[{event, axis}] = carried.keys[number][axis];
    }
    writeLogs[event] = useLogs ? carried.logs[number] : Value();
  }
  totals = carried.totals;
  totalLog = carried.totalLog;
  for (auto [number, read] : llvm::enumerate(reads)) {
    for (unsigned axis = 0; axis < axes(); ++axis) {
      readKeys[{read, axis}] = carried.readKeys[number][axis];
    }
    readLogs[read] = carried.readLogs[number];
    for (auto [i, event] : llvm::enumerate(writes)) {
      scores[{read, event}] = carried.scores[number][i];
    }
  }
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
  for (unsigned read : reads) {
    prepareRead(read);
  }
  runTokens(reads);
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

Value KeyFrames::decayInitial(Value initial) {
  for (unsigned axis = 0; axis < axes(); ++axis) {
    if (blockSize[axis]) {
      initial = e.transformState(initial, state.type, axis, totals[axis]);
    } else if (decays[axis]) {
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
