// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/Segments.h"

#include "passes/AffineState/AffineState.h"
#include "passes/Expand/Heads.h"

using namespace mlir;
using namespace rwkv;

/// One more than run at a time, and most of them twice: half of the time at least.
static constexpr int64_t kFewest = 4;
/// How long the first segment is, in eighths of the others: what it does takes all that others take, beside those of
/// which is found out what they do to any state. Where that is products, too, it is as much; where it is a decay of
/// each key, half of it. The rest is for what two kernels that share a multiprocessor take from each other.
static constexpr int64_t kEighths = 8, kOfProducts = 7, kOfDecays = 4;
/// Chunks of a segment; with fewer, filling pipelines takes longer than emptying them.
static constexpr int64_t kLeastChunks = 8;

std::optional<Segments> Segments::find(FusedOp fused) {
  auto recurrence = *fused.getBody().getOps<RecurrenceOp>().begin();
  ScheduleAttr schedule = recurrence.getScheduleAttr();
  if (!schedule || schedule.getFill() == 0) {
    return std::nullopt;
  }
  Segments result;
  result.fill = schedule.getFill();
  result.chunk = schedule.getChunk();
  result.precision = getTilePrecision(recurrence.getProductPrecision());
  AffineState form(recurrence);
  bool hasProducts = llvm::any_of(form.reads, [](const StateRead &read) { return read.corrects; });
  result.eighths = hasProducts ? kOfProducts : kOfDecays;
  result.isPacked = static_cast<bool>(recurrence.getReset());
  for (Value init : recurrence.getInits()) {
    auto type = cast<RankedTensorType>(init.getType());
    result.heads = type.getDimSize(1);
    ArrayRef<int64_t> shape = type.getShape().drop_front(2);
    result.stateRows.push_back(llvm::product_of(shape.drop_back()));
    result.rows += result.stateRows.back();
    result.columns = shape.back();
    result.element = type.getElementType();
  }
  return result;
}

RankedTensorType Segments::getStatesType() const { return RankedTensorType::get({fill, rows, columns}, element); }
RankedTensorType Segments::getTransitionsType() const { return RankedTensorType::get({fill, rows, rows}, element); }

SmallVector<int64_t> Segments::getFirstRows() const {
  SmallVector<int64_t> first;
  int64_t next = 0;
  for (int64_t size : stateRows) {
    first.push_back(next);
    next += size;
  }
  return first;
}

Value Segments::countHeads(TileEmitter &e, Sizes size) const { return e.times(countSequences(size), e.index(heads)); }

Value Segments::count(TileEmitter &e, Sizes size) const {
  Value one = e.index(1), ways = e.over(e.index(fill), e.most(countHeads(e, size), one));
  Value tokens = isPacked ? e.over(size(tile::Size::T), e.most(countSequences(size), one)) : size(tile::Size::T);
  Value longest = e.over(tokens, e.index(chunk * kLeastChunks)), most = e.least(e.plus(ways, one), longest);
  Value enough = e.least(e.over(most, e.index(kFewest)), one);
  return e.most(e.times(most, enough), one);
}

/// All but the first are equally long, and that one has what is left; where nothing is, the last ones are shorter.
Value Segments::findStart(TileEmitter &e, Value number, Value last, Value chunks) const {
  Value parts = e.mulAdd(last, kEighths, e.index(eighths));
  Value each = arith::CeilDivUIOp::create(e.b, e.loc, e.times(chunks, e.index(kEighths)), parts);
  Value others = e.times(last, each), first = e.minus(e.most(chunks, others), others);
  Value before = e.minus(e.most(number, e.index(1)), e.index(1));
  Value start = e.least(e.plus(first, e.times(before, each)), chunks);
  Value isFirst = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq, number, e.index(0));
  return arith::SelectOp::create(e.b, e.loc, isFirst, e.index(0), start);
}

Value Segments::countInner(TileEmitter &e, Sizes size) const {
  Value two = e.index(2);
  return e.minus(e.most(count(e, size), two), two);
}

namespace {

/// A task is a segment, the head of a sequence the inner number.
class PiecesEmitter : public HeadsEmitter {
public:
  PiecesEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder, const Segments &segments)
      : HeadsEmitter(fused, kernel, builder), segments(segments) {}

protected:
  Value chooseRow() override {
    auto size = [&](tile::Size which) { return this->size(which); };
    rows = segments.countHeads(*this, size);
    last = plus(segments.count(*this, size), index(-1));
    segment = chooseSegment(over(kernel.getTask(), rows));
    return modulo(kernel.getTask(), rows);
  }
  virtual Value chooseSegment(Value number) { return number; }

  std::pair<Value, Value> chooseChunks(Value start, Value count, Value size) override {
    Value from = segments.findStart(*this, segment, last, count);
    Value to = segments.findStart(*this, plus(segment, index(1)), last, count);
    return {plus(start, times(from, size)), plus(start, times(to, size))};
  }

  /// Where a state of a row is in one of the arrays of all segments.
  Value placeOf(Value place, int64_t columns, int64_t firstRow) {
    return mulAdd(place, segments.rows * columns, index(firstRow * columns));
  }

  const Segments &segments;
  Value rows, last, segment;
};

/// Where a segment starts is where the one before ended, which it says behind the results of the group.
class SegmentsEmitter : public PiecesEmitter {
public:
  SegmentsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder, const Segments &segments, bool runsFirst)
      : PiecesEmitter(fused, kernel, builder, segments), runsFirst(runsFirst) {}

protected:
  SmallVector<Value> loadStates() override {
    isFirst = isSegment(index(0));
    isLast = isSegment(last);
    SmallVector<Value> states;
    Value before = minus(kernel.getTask(), rows);
    for (auto [init, first] : llvm::zip_equal(recurrence.getInits(), segments.getFirstRows())) {
      auto branch = scf::IfOp::create(b, loc, stateType(init), isFirst, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      scf::YieldOp::create(b, loc, loadInit(init));
      b.setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(b, loc, load(ends(), placeOf(before, segments.columns, first), stateType(init)));
      states.push_back(branch.getResult(0));
    }
    return states;
  }

  Value chooseEnd(Value rest, Value end) override { return arith::SelectOp::create(b, loc, isLast, end, rest); }

  /// The first one ends where nobody has computed it from what others do.
  void finish(ValueRange carried) override {
    auto ifTrue = [&](Value condition, function_ref<void()> body) {
      auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(branch.thenBlock()->getTerminator());
      body();
    };
    ifTrue(isLast, [&] { storeStates(carried); });
    Value isInner = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, segment, last);
    ifTrue(arith::AndIOp::create(b, loc, isFirst, isInner), [&] {
      for (auto [state, first] : llvm::zip(carried, segments.getFirstRows())) {
        store(state, ends(), placeOf(kernel.getTask(), segments.columns, first));
      }
    });
  }

  Value countTasks(TileEmitter &e, Sizes size) override {
    Value each = HeadsEmitter::countTasks(e, size);
    return runsFirst ? each : e.times(each, e.plus(segments.count(e, size), e.index(-1)));
  }
  Value findFirstTask(TileEmitter &e, Sizes size) override {
    return runsFirst ? Value() : segments.countHeads(e, size);
  }

private:
  Value isSegment(Value number) { return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, segment, number); }
  Value ends() { return output(fused.getNumResults()); }

  bool runsFirst;
  Value isFirst, isLast;
};

/// What a segment makes of nothing, and of the unit matrix.
class EffectsEmitter : public PiecesEmitter {
public:
  using PiecesEmitter::PiecesEmitter;

protected:
  Value chooseSegment(Value number) override { return plus(number, index(1)); }

  SmallVector<Value> loadStates() override {
    SmallVector<Value> carried =
        llvm::map_to_vector(recurrence.getInits(), [&](Value init) { return constant(0, stateType(init)); });
    for (auto [first, size] : llvm::zip_equal(segments.getFirstRows(), segments.stateRows)) {
      auto type = cast<RankedTensorType>(tileType({size, segments.rows}, segments.element));
      Type indices = type.clone(b.getI32Type());
      Value row = tile::IotaOp::create(b, loc, indices, 0), column = tile::IotaOp::create(b, loc, indices, 1);
      auto offset = DenseElementsAttr::get(cast<ShapedType>(indices), b.getI32IntegerAttr(first));
      row = arith::AddIOp::create(b, loc, row, arith::ConstantOp::create(b, loc, offset));
      Value diagonal = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, row, column);
      carried.push_back(arith::SelectOp::create(b, loc, diagonal, constant(1, type), constant(0, type)));
    }
    return carried;
  }

  Value chooseEnd(Value, Value) override { return {}; }
  unsigned countTransitions() const override { return segments.stateRows.size(); }

  void finish(ValueRange carried) override {
    int64_t sizes[] = {segments.columns, segments.rows};
    for (auto [i, columns] : llvm::enumerate(sizes)) {
      for (auto [tile, first] : llvm::zip(carried.drop_front(i * segments.stateRows.size()), segments.getFirstRows())) {
        store(tile, output(i), placeOf(kernel.getTask(), columns, first));
      }
    }
  }

  Value countTasks(TileEmitter &e, Sizes size) override {
    return e.times(segments.countHeads(e, size), segments.countInner(e, size));
  }
};

/// A state is multiplied by what one segment after the other does, some of its columns in each task.
class StartsEmitter : public KernelEmitter {
public:
  StartsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder, const Segments &segments, ValueRange inputs)
      : KernelEmitter(fused, kernel, builder), segments(segments), states(inputs[0]), transitions(inputs[1]) {}

protected:
  LogicalResult run() override {
    precision = segments.precision;
    auto size = [&](tile::Size which) { return this->size(which); };
    Value all = segments.countHeads(*this, size), count = segments.count(*this, size);
    Value piece = modulo(kernel.getTask(), index(pieces())), row = over(kernel.getTask(), index(pieces()));
    Value column = times(piece, index(width));
    int64_t rows = segments.rows, columns = segments.columns;
    Type part = tileType({rows, width}, segments.element), square = tileType({rows, rows}, segments.element);
    auto place = [&](Value segment) { return plus(times(segment, all), row); };
    auto partAt = [&](Value segment) { return mulAdd(place(segment), rows * columns, column); };
    Value first = load(output(0), partAt(index(0)), part, columns);
    auto loop = scf::ForOp::create(b, loc, index(1), plus(count, index(-1)), index(1), first);
    b.setInsertionPointToEnd(loop.getBody());
    Value segment = loop.getInductionVar(), effect = plus(segment, index(-1));
    Value transition = load(buffer(transitions), mulAdd(place(effect), rows * rows, index(0)), square);
    Value added = load(buffer(states), partAt(effect), part, columns);
    Value next = dot(transition, loop.getRegionIterArg(0), added);
    store(next, output(0), partAt(segment), columns);
    scf::YieldOp::create(b, loc, next);
    return success();
  }

  Value countTasks(TileEmitter &e, Sizes size) override {
    Value several = e.least(segments.countInner(e, size), e.index(1));
    return e.times(e.times(segments.countHeads(e, size), e.index(pieces())), several);
  }

private:
  int64_t pieces() const { return segments.columns / width; }

  const Segments &segments;
  Value states, transitions;
  const int64_t width = segments.columns % 16 == 0 ? 16 : segments.columns; // of a piece
};

} // namespace

std::unique_ptr<KernelEmitter> rwkv::createStartsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder,
                                                         const Segments &segments, ValueRange inputs) {
  return std::make_unique<StartsEmitter>(fused, kernel, builder, segments, inputs);
}

std::unique_ptr<KernelEmitter> rwkv::createFirstEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder,
                                                        const Segments &segments, ValueRange) {
  return std::make_unique<SegmentsEmitter>(fused, kernel, builder, segments, /*runsFirst=*/true);
}

std::unique_ptr<KernelEmitter> rwkv::createOthersEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder,
                                                         const Segments &segments, ValueRange) {
  return std::make_unique<SegmentsEmitter>(fused, kernel, builder, segments, /*runsFirst=*/false);
}

std::unique_ptr<KernelEmitter> rwkv::createEffectsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder,
                                                          const Segments &segments, ValueRange) {
  return std::make_unique<EffectsEmitter>(fused, kernel, builder, segments);
}
