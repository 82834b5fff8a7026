// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Key frames block by block, for states that only decay.
#include "passes/Expand/KeyFrames.h"

using namespace mlir;
using namespace rwkv;

/// A sum of logarithms loses about its size times 2^-24 of every factor.
static constexpr double kLargestSum = 640;
/// Factors of all axes, and values that are kept relative to their own middle, meet in products with data of any size:
/// together they stay far from the largest f32 where the state enters in the middle of the chunk.
static constexpr double kLargestEntry = 40;

/// With factors up to this, keys of the whole chunk are as well seen from its start, and the state enters as it is: as
/// large as they are in the middle of a longer chunk, and in the range of f16 where keys are of ordinary size.
static constexpr double kLargestFromStart = 5;

int64_t KeyFrames::chooseBlock() const {
  SmallVector<double> perToken(axes(), 0.0);
  double all = 0;
  for (const StateStep &step : state.path) {
    if (step.kind == StateStep::Kind::decay && step.axis == StateStep::Axis::key) {
      perToken[step.key] += getLargestLog(step);
    } else if (step.kind == StateStep::Kind::decay && step.axis == StateStep::Axis::all) {
      all += getLargestLog(step);
    }
  }
  for (int64_t length = batch.tokens; length > 1; --length) {
    double half = (length + 1) / 2;
    bool fits = batch.tokens % length == 0 && all * length <= kLargestSum &&
                llvm::all_of(perToken, [&](double log) { return log * half <= kLargestExponent; });
    if (fits) {
      return length;
    }
  }
  return 1;
}

/// The largest factor, as a logarithm, of what decays these axes over half of the chunk.
double KeyFrames::getLargestOfHalf(llvm::function_ref<bool(StateStep::Axis)> isCounted) const {
  double sum = 0, half = (batch.tokens + 1) / 2;
  for (const StateStep &step : state.path) {
    sum += step.kind == StateStep::Kind::decay && isCounted(step.axis) ? getLargestLog(step) * half : 0;
  }
  return sum;
}

/// What the factors of the key axes may be for scores to be made relative to the start of the chunk, if that is to be
/// found out chunk by chunk; 0 if not. Where lanes share a task, and products are rounded, a warp prepares a chunk
/// alone, and one block is a fraction of the work of many.
double KeyFrames::chooseMildness() const {
  SmallVector<double> sums(axes() + 1, 0.0); // of the logarithms of each factor: of an axis, and of all elements (last)
  for (const StateStep &step : state.path) {
    bool decaysKey = step.axis == StateStep::Axis::key;
    if (step.kind != StateStep::Kind::decay || step.axis == StateStep::Axis::value) {
      continue;
    }
    if (decaysKey && step.bound && step.bound->second > 0) {
      return 0; // sums that grow and fall are largest anywhere
    }
    sums[decaysKey ? step.key : axes()] += getLargestLog(step) * batch.tokens;
  }
  double left = kLargestEntry - getLargestOfHalf([](auto axis) { return axis == StateStep::Axis::value; });
  bool pays = e.writesOut && e.precision != tile::Precision::f32 && left >= kLargestEntry / 2;
  return pays && *llvm::max_element(sums) <= kLargestSum ? left : 0;
}

/// Sums within blocks of this length.
void KeyFrames::sumLogs(int64_t length) {
  if (!logs.empty() && blockLength == length) {
    return;
  }
  blockLength = length;
  logs.assign(axes() + 1, {});
  for (unsigned axis = 0; axis <= axes(); ++axis) {
    auto decaysAxis = [&](const StateStep &step) {
      return step.kind == StateStep::Kind::decay &&
             (axis == axes() ? step.axis == StateStep::Axis::all
                             : step.axis == StateStep::Axis::key && step.key == axis);
    };
    Value total;
    for (const StateStep &step : state.path) {
      if (decaysAxis(step)) {
        Value log = frames::clampedLog(batch, step);
        total = total ? e.add(total, log) : log;
      }
    }
    if (!total) {
      continue;
    }
    logs[axis].push_back(tile::CumsumOp::create(e.b, e.loc, total.getType(), total, /*exclusive=*/true, blockLength));
    for (const StateStep &step : state.path) {
      Value before = logs[axis].back();
      logs[axis].push_back(decaysAxis(step) ? e.add(before, frames::clampedLog(batch, step)) : before);
    }
  }
}

KeyFrames::Carried KeyFrames::emitBlocks(Carried init, int64_t length, ArrayRef<unsigned> reads) {
  sumLogs(length);
  if (length == batch.tokens) {
    emitBlock(init, e.index(0), reads);
    return init;
  }
  return runLoop(init, batch.tokens, length, [&](Carried &c, Value first) { emitBlock(c, first, reads); });
}

KeyFrames::Carried KeyFrames::emitDecays(Carried init, ArrayRef<unsigned> reads) {
  int64_t length = chooseBlock();
  double ofEntry = getLargestOfHalf([](auto axis) { return axis != StateStep::Axis::all; });
  double ofKeys = getLargestOfHalf([](auto axis) { return axis == StateStep::Axis::key; });
  entersMiddle = length == batch.tokens && ofEntry <= kLargestEntry;
  entersAtStart = entersMiddle && 2 * ofKeys <= kLargestFromStart;
  double mildness = length == batch.tokens || !llvm::is_contained(decays, true) ? 0 : chooseMildness();
  return mildness > 0 ? emitMildOrNot(init, length, mildness, reads) : emitBlocks(init, length, reads);
}

/// Whether no key is multiplied or divided by more than this over the chunk.
Value KeyFrames::emitIsMild(double mildness) {
  Value most;
  for (unsigned axis = 0; axis < axes(); ++axis) {
    if (decays[axis]) {
      Value all = arith::NegFOp::create(e.b, e.loc, blockEnd(axis, e.index(0)));
      Value largest = tile::ReduceOp::create(e.b, e.loc, tileOf({}), tile::ReduceKind::max, all, /*axis=*/0);
      most = most ? e.add(most, largest) : largest;
    }
  }
  return arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OLE, most, e.constant(mildness, tileOf({})));
}

/// Scores of all tokens as one block if their decays turn out to be mild, otherwise block by block. What meets the
/// state does not depend on it.
KeyFrames::Carried KeyFrames::emitMildOrNot(Carried init, int64_t length, double mildness, ArrayRef<unsigned> reads) {
  sumLogs(batch.tokens);
  const auto whole = logs;
  Carried result = emitEnds(init, reads), ofScores = init;
  for (SmallVector<Value> &keys : ofScores.readKeys) {
    llvm::fill(keys, Value());
  }
  llvm::fill(ofScores.readLogs, Value());
  llvm::fill(ofScores.totals, Value());
  const bool hasBorders = llvm::isPowerOf2_64(batch.tokens) && isWrittenOut(batch.tokens, length);
  Value differing; // outside, so that branches of the same reads are the same text
  if (hasBorders) {
    Type indices = RankedTensorType::get({batch.tokens, batch.tokens}, e.b.getI32Type());
    Value row = tile::IotaOp::create(e.b, e.loc, indices, 0), column = tile::IotaOp::create(e.b, e.loc, indices, 1);
    differing = arith::XOrIOp::create(e.b, e.loc, row, column);
  }
  SmallVector<Type> types(reads.size() * writes.size(), tileOf({batch.tokens, batch.tokens}));
  auto branch = scf::IfOp::create(e.b, e.loc, types, emitIsMild(mildness), /*withElseRegion=*/true);
  onlyScores = true;
  for (bool isWhole : {true, false}) {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToEnd(isWhole ? branch.thenBlock() : branch.elseBlock());
    const bool isOfBorders = !isWhole && hasBorders;
    logs = isWhole || isOfBorders ? whole : decltype(logs)();
    blockLength = batch.tokens;
    Carried side = isOfBorders ? emitBorders(ofScores, length, differing, reads)
                               : emitBlocks(ofScores, isWhole ? batch.tokens : length, reads);
    SmallVector<Value> yielded;
    for (SmallVector<Value> &scores : side.scores) {
      llvm::append_range(yielded, scores);
    }
    scf::YieldOp::create(e.b, e.loc, yielded);
  }
  onlyScores = false;
  logs.clear(); // those of blocks are inside
  unsigned next = 0;
  for (auto [number, read] : llvm::enumerate(reads)) {
    for (auto [i, event] : llvm::enumerate(writes)) {
      result.scores[number][i] = maskScore(branch.getResult(next++), read, event);
    }
  }
  return result;
}

/// Scores of a chunk of a few blocks, by products of all of its tokens, which are a fraction of the operations that
/// blocks one after the other are. Tokens of two blocks see each other across the border in the middle of the smallest
/// piece that has both, of 2, 4, .. blocks: keys of writes are pushed up to it, those of reads are seen from there.
/// `differing`: bits in which the numbers of two tokens differ, of which the highest says which piece that is.
KeyFrames::Carried KeyFrames::emitBorders(Carried result, int64_t length, Value differing, ArrayRef<unsigned> reads) {
  const int64_t tokens = batch.tokens;
  const SmallVector<Value> scalars = logs[axes()]; // of the whole chunk
  Type square = tileOf({tokens, tokens});
  std::map<std::pair<unsigned, unsigned>, SmallVector<Value>> products; // read, write: per axis
  /// Keys of every so many tokens from the first one on; the others are zero.
  auto collect = [&](Value keys, int64_t first, int64_t step, function_ref<Value(Value)> ofBlock) {
    Value all = e.constant(0.0, keys.getType());
    for (; first < tokens; first += step) {
      all = e.insert(ofBlock(e.index(first)), all, {e.index(first), e.index(0)});
    }
    return all;
  };
  auto multiply = [&](int64_t size, function_ref<Value(Value, unsigned, unsigned, bool)> move) {
    sumLogs(size);
    Value isKnown = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::ult, differing,
                                          e.splat(e.b.getI32IntegerAttr(size), differing.getType()));
    for (auto [number, read] : llvm::enumerate(reads)) {
      for (auto [i, event] : llvm::enumerate(writes)) {
        SmallVector<Value> &ofAxes = products[{number, i}];
        ofAxes.resize(axes());
        for (unsigned axis = 0; axis < axes(); ++axis) {
          Value keys = pulledKeys.at(read)[axis], written = writtenKeys(event, axis), known = ofAxes[axis];
          if (decays[axis]) {
            keys = move(keys, axis, form.reads[read].position, /*isRead=*/true);
            written = move(written, axis, event, /*isRead=*/false);
          } else if (known) {
            continue;
          }
          Value columns = tile::TransposeOp::create(e.b, e.loc, tileOf({keySize(axis), tokens}), written);
          Value product = e.dot(keys, columns);
          ofAxes[axis] = known ? arith::SelectOp::create(e.b, e.loc, isKnown, known, product).getResult() : product;
        }
      }
    }
  };
  multiply(length, [&](Value keys, unsigned axis, unsigned position, bool isRead) {
    return collect(keys, 0, length, [&](Value first) { return middleKeys(keys, axis, position, first, isRead); });
  });
  for (int64_t half = length; half < tokens; half *= 2) {
    multiply(half, [&](Value keys, unsigned axis, unsigned position, bool isRead) {
      return collect(keys, isRead ? half : 0, 2 * half, [&](Value first) {
        Value log = block(logs[axis][position], first);
        log = isRead ? log : e.sub(e.broadcast(blockEnd(axis, first), log.getType(), 1), log);
        return e.mul(block(keys, first), batch.exp(log));
      });
    });
  }
  for (auto [number, read] : llvm::enumerate(reads)) {
    for (auto [i, event] : llvm::enumerate(writes)) {
      Value score;
      for (Value product : products.at({number, i})) {
        score = score ? e.mul(score, product) : product;
      }
      if (!scalars.empty()) {
        Value from = e.broadcast(scalars[event], square, 1);
        Value to = e.broadcast(scalars[form.reads[read].position], square, 0);
        score = e.mul(score, batch.exp(maskScore(e.sub(to, from), read, event)));
      }
      result.scores[number][i] = score;
    }
  }
  return result;
}

/// Keys that meet the state, and what is left of it: from the start of the chunk for reads, until its end for writes.
KeyFrames::Carried KeyFrames::emitEnds(Carried result, ArrayRef<unsigned> reads) {
  Value first = e.index(0);
  const SmallVector<Value> &scalars = logs[axes()];
  for (auto [number, read] : llvm::enumerate(reads)) {
    unsigned position = form.reads[read].position;
    for (unsigned axis = 0; axis < axes(); ++axis) {
      if (decays[axis]) {
        result.readKeys[number][axis] = e.mul(pulledKeys.at(read)[axis], batch.exp(logs[axis][position]));
      }
    }
    result.readLogs[number] = decaysAll ? scalars[position] : Value();
  }
  for (auto [number, event] : llvm::enumerate(writes)) {
    for (unsigned axis = 0; axis < axes(); ++axis) {
      if (decays[axis]) {
        Value log = logs[axis][event], end = e.broadcast(blockEnd(axis, first), log.getType(), 1);
        Value keys = e.mul(writtenKeys(event, axis), batch.exp(e.sub(end, log)));
        result.keys[number][axis] = tile::TransposeOp::create(e.b, e.loc, tileOf({keySize(axis), batch.tokens}), keys);
      }
    }
    if (decaysAll) {
      Value log = scalars[event];
      result.logs[number] = e.sub(e.broadcast(blockEnd(axes(), first), log.getType()), log);
    }
  }
  for (unsigned axis = 0; axis < axes(); ++axis) {
    result.totals[axis] = decays[axis] ? batch.exp(blockEnd(axis, first)) : Value();
  }
  result.totalLog = decaysAll ? blockEnd(axes(), first) : Value();
  return result;
}

/// The rows of a block: [C, N] -> [b, N], [C] -> [b].
Value KeyFrames::block(Value x, Value first) {
  ArrayRef<int64_t> shape = tile::getTileShape(x.getType());
  return shape.size() == 2 ? e.slice(x, tileOf({blockLength, shape[1]}), {first, e.index(0)})
                           : e.slice(x, tileOf({blockLength}), {first});
}

Value KeyFrames::rowOf(Value x, Value row) {
  ArrayRef<int64_t> shape = tile::getTileShape(x.getType());
  return shape.size() == 2 ? e.slice(x, tileOf({shape[1]}), {row, e.index(0)}) : e.slice(x, tileOf({}), {row});
}

/// The sum of logarithms over a block, and up to its middle.
Value KeyFrames::blockEnd(unsigned axis, Value first) {
  return rowOf(logs[axis].back(), arith::AddIOp::create(e.b, e.loc, first, e.index(blockLength - 1)));
}

Value KeyFrames::blockMiddle(unsigned axis, Value first) {
  return rowOf(logs[axis].front(), arith::AddIOp::create(e.b, e.loc, first, e.index(blockLength / 2)));
}

/// [b, K]: keys as they would be in the middle of the block.
Value KeyFrames::middleKeys(Value keys, unsigned axis, unsigned position, Value first, bool isRead) {
  Value rows = block(keys, first);
  if (!decays[axis]) {
    return rows;
  }
  // At the start, where keys of reads meet the state.
  if (entersAtStart || (onlyScores && blockLength == batch.tokens)) {
    Value log = logs[axis][position];
    return e.mul(keys, batch.exp(isRead ? log : arith::NegFOp::create(e.b, e.loc, log).getResult()));
  }
  Value log = block(logs[axis][position], first);
  Value middle = e.broadcast(blockMiddle(axis, first), log.getType(), 1);
  return e.mul(rows, batch.exp(isRead ? e.sub(log, middle) : e.sub(middle, log)));
}

/// [b, b], i1: whether a write of the column's token comes before a read of the row's.
Value KeyFrames::isBefore(unsigned read, unsigned event, int64_t size) {
  Type indices = RankedTensorType::get({size, size}, e.b.getI32Type());
  Value row = tile::IotaOp::create(e.b, e.loc, indices, 0), column = tile::IotaOp::create(e.b, e.loc, indices, 1);
  auto order = event < form.reads[read].position ? arith::CmpIPredicate::sle : arith::CmpIPredicate::slt;
  return arith::CmpIOp::create(e.b, e.loc, order, column, row);
}

/// Zero where nothing has been written.
Value KeyFrames::maskScore(Value score, unsigned read, unsigned event) {
  int64_t size = tile::getTileShape(score.getType())[0];
  return arith::SelectOp::create(e.b, e.loc, isBefore(read, event, size), score, e.constant(0.0, score.getType()));
}

/// The scores of a block's reads: [b, C], or [b, b] where there is one block.
Value KeyFrames::emitPair(const Carried &carried, unsigned read, unsigned number, Value first) {
  unsigned event = writes[number], position = form.reads[read].position;
  const SmallVector<Value> &scalars = logs[axes()];
  bool single = blockLength == batch.tokens;
  Type square = tileOf({blockLength, blockLength}), wide = tileOf({blockLength, batch.tokens});
  auto times = [&](Value &product, Value factor) { product = product ? e.mul(product, factor) : factor; };
  Value inside, before;
  for (unsigned axis = 0; axis < axes(); ++axis) {
    Value keys = middleKeys(pulledKeys.at(read)[axis], axis, position, first, /*isRead=*/true);
    Value written = middleKeys(writtenKeys(event, axis), axis, event, first, /*isRead=*/false);
    Value columns = tile::TransposeOp::create(e.b, e.loc, tileOf({keySize(axis), blockLength}), written);
    times(inside, e.dot(keys, columns));
    if (!single) {
      if (decays[axis]) {
        keys = e.mul(keys, e.broadcast(batch.exp(blockMiddle(axis, first)), keys.getType(), 1));
      }
      Value pushed = carried.keys[number][axis];
      bool isNone = pushed && TileEmitter::isSplat(pushed, 0); // nothing was written before
      times(before, isNone ? e.constant(0.0, wide) : e.dot(keys, pushed ? pushed : fixedKeys(number, axis)));
    }
  }
  if (!scalars.empty()) {
    Value from = e.broadcast(block(scalars[event], first), square, 1);
    Value to = e.broadcast(block(scalars[position], first), square, 0);
    times(inside, batch.exp(maskScore(e.sub(to, from), read, event)));
  }
  inside = inside ? inside : e.constant(1.0, square);
  inside = onlyScores ? inside : maskScore(inside, read, event); // otherwise all of them later
  if (single) {
    return inside;
  }
  if (!carried.logs.empty()) {
    Value log = e.broadcast(carried.logs[number], wide, 1);
    if (!scalars.empty()) {
      log = e.add(log, e.broadcast(block(scalars[position], first), wide, 0));
    }
    times(before, batch.exp(log));
  }
  return e.insert(inside, before, {e.index(0), first});
}

void KeyFrames::emitBlock(Carried &carried, Value first, ArrayRef<unsigned> reads) {
  bool single = blockLength == batch.tokens;
  Value zero = e.index(0);
  for (auto [number, read] : llvm::enumerate(reads)) {
    unsigned position = form.reads[read].position;
    for (size_t i = 0; i < writes.size(); ++i) {
      Value rows = emitPair(carried, read, i, first);
      Value &scores = carried.scores[number][i];
      scores = single ? rows : e.insert(rows, scores, {first, zero});
    }
    for (unsigned axis = 0; axis < axes() && !onlyScores; ++axis) {
      if (decays[axis]) {
        Value keys = middleKeys(pulledKeys.at(read)[axis], axis, position, first, /*isRead=*/true);
        Value &all = carried.readKeys[number][axis];
        if (entersMiddle) {
          all = keys;
          continue;
        }
        Value factor = batch.exp(blockMiddle(axis, first));
        factor = single ? factor : e.mul(factor, carried.totals[axis]);
        keys = e.mul(keys, e.broadcast(factor, keys.getType(), 1));
        all = single ? keys : e.insert(keys, all, {first, zero});
      }
    }
    if (carried.totalLog && !onlyScores) {
      Value log = block(logs[axes()][position], first);
      Value &all = carried.readLogs[number];
      all = single ? log : e.insert(e.add(log, e.broadcast(carried.totalLog, log.getType())), all, {first});
    }
  }
  if (single && onlyScores) {
    return;
  }
  // On to the next block.
  for (auto [number, event] : llvm::enumerate(writes)) {
    for (unsigned axis = 0; axis < axes(); ++axis) {
      if (!decays[axis]) {
        continue;
      }
      Value written = middleKeys(writtenKeys(event, axis), axis, event, first, /*isRead=*/false);
      Value columns = tile::TransposeOp::create(e.b, e.loc, tileOf({keySize(axis), blockLength}), written);
      Value &keys = carried.keys[number][axis];
      if (entersMiddle) {
        keys = columns;
        continue;
      }
      Value end = blockEnd(axis, first), rest = batch.exp(e.sub(end, blockMiddle(axis, first)));
      columns = e.mul(columns, e.broadcast(rest, columns.getType(), 0));
      Value pushed = keys;
      if (!single && !TileEmitter::isSplat(keys, 0)) {
        pushed = e.mul(keys, e.broadcast(batch.exp(end), keys.getType(), 0));
      }
      keys = single ? columns : e.insert(columns, pushed, {zero, first});
    }
    if (carried.logs.empty()) {
      continue;
    }
    Value &log = carried.logs[number];
    if (!carried.totalLog) { // they only say what has been written
      log = e.insert(e.constant(0.0, tileOf({blockLength})), log, {first});
      continue;
    }
    Value end = blockEnd(axes(), first), own = block(logs[axes()][event], first);
    own = e.sub(e.broadcast(end, own.getType()), own);
    log = single ? own : e.insert(own, e.add(log, e.broadcast(end, log.getType())), {first});
  }
  for (unsigned axis = 0; axis < axes() && !onlyScores; ++axis) {
    if (!decays[axis]) {
      continue;
    }
    Value start = blockMiddle(axis, first), end = blockEnd(axis, first);
    if (entersMiddle) {
      carried.enter[axis] = entersAtStart ? Value() : batch.exp(start);
      carried.leave[axis] = batch.exp(entersAtStart ? end : e.sub(end, start));
    } else {
      Value factor = batch.exp(end);
      carried.totals[axis] = single ? factor : e.mul(carried.totals[axis], factor);
    }
  }
  if (carried.totalLog) {
    Value end = blockEnd(axes(), first);
    carried.totalLog = single ? end : e.add(carried.totalLog, end);
  }
}
