// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/Segments.h"

using namespace mlir;
using namespace rwkv;

/// Twice the work for a third of the time at least.
static constexpr int64_t kFewest = 3;
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
  Value enough = e.least(e.over(ways, e.index(kFewest)), one);
  Value tokens = isPacked ? e.over(size(tile::Size::T), e.most(countSequences(size), one)) : size(tile::Size::T);
  Value longest = e.over(tokens, e.index(chunk * kLeastChunks));
  return e.most(e.least(e.times(ways, enough), longest), one);
}

namespace {

/// A state is multiplied by what one segment after the other does, some of its columns in each task.
class StartsEmitter : public KernelEmitter {
public:
  StartsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder, const Segments &segments, ValueRange inputs)
      : KernelEmitter(fused, kernel, builder), segments(segments), states(inputs[0]), transitions(inputs[1]) {}

protected:
  LogicalResult run() override {
    auto size = [&](tile::Size which) { return this->size(which); };
    Value all = segments.countHeads(*this, size), count = segments.count(*this, size);
    Value piece = modulo(kernel.getTask(), index(pieces())), row = over(kernel.getTask(), index(pieces()));
    Value column = times(piece, index(width));
    int64_t rows = segments.rows, columns = segments.columns;
    Type part = tileType({rows, width}, segments.element), square = tileType({rows, rows}, segments.element);
    auto place = [&](Value segment) { return plus(times(segment, all), row); };
    auto partAt = [&](Value segment) { return mulAdd(place(segment), rows * columns, column); };
    Value first = load(buffer(states), partAt(index(0)), part, columns);
    store(first, output(0), partAt(index(0)), columns);
    auto loop = scf::ForOp::create(b, loc, index(1), plus(count, index(-1)), index(1), first);
    b.setInsertionPointToEnd(loop.getBody());
    Value segment = loop.getInductionVar();
    Value transition = load(buffer(transitions), mulAdd(place(segment), rows * rows, index(0)), square);
    Value added = load(buffer(states), partAt(segment), part, columns);
    Value next = dot(transition, loop.getRegionIterArg(0), added);
    store(next, output(0), partAt(segment), columns);
    scf::YieldOp::create(b, loc, next);
    return success();
  }

  Value countTasks(TileEmitter &e, Sizes size) override {
    Value several = e.least(e.plus(segments.count(e, size), e.index(-1)), e.index(1));
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
