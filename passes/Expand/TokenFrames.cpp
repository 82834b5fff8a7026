// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Key frames token by token: the program of the region, run on keys instead of states. Any transition will do.
#include "passes/Expand/KeyFrames.h"

using namespace mlir;
using namespace rwkv;

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
  if (step.axis != StateStep::Axis::key || moving.count(step.key) != 0) {
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
      return tile::DotOp::create(e.b, e.loc, x.getType(), blocks, x, Value(), UnitAttr(), e.b.getI64IntegerAttr(size),
                                 e.getPrecision());
    });
    return;
  }
  Value log = e.slice(batch.get(step.factor), tileOf({keySize(step.key)}), {token, e.index(0)});
  Value factor = batch.exp(log);
  forEachKey([&](Value x) { return e.mul(x, e.broadcast(factor, x.getType(), 0)); });
}

void KeyFrames::emitWriteColumn(Carried &carried, unsigned number, Value token) {
  for (unsigned axis = 0; axis < axes(); ++axis) {
    Value &keys = carried.keys[number][axis];
    if (!keys) {
      continue;
    }
    Value key = e.slice(writtenKeys(writes[number], axis), tileOf({keySize(axis)}), {token, e.index(0)});
    keys = e.insert(e.reshape(key, tileOf({keySize(axis), 1})), keys, {e.index(0), token});
  }
  if (!carried.logs.empty()) {
    carried.logs[number] = e.insert(e.constant(0.0, tileOf({})), carried.logs[number], {token});
  }
}

void KeyFrames::emitReadRow(Carried &carried, unsigned number, unsigned read, Value token) {
  Type line = tileOf({1, batch.tokens});
  for (auto [i, write] : llvm::enumerate(writes)) {
    Value row;
    for (unsigned axis = 0; axis < axes(); ++axis) {
      Value key = e.slice(pulledKeys.at(read)[axis], tileOf({1, keySize(axis)}), {token, e.index(0)});
      Value keys = carried.keys[i][axis];
      Value products = e.dot(key, keys ? keys : fixedKeys(i, axis));
      row = row ? e.mul(row, products) : products;
    }
    if (!carried.logs.empty()) {
      Value factor = e.reshape(batch.exp(carried.logs[i]), line);
      row = row ? e.mul(row, factor) : factor;
    }
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
    if (Value &keys = carried.readKeys[number][axis]) {
      keys = e.insert(key, keys, {token, e.index(0)});
    }
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
