// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/Heads.h"

#include "passes/AffineState/AffineState.h"
#include "passes/Fuse/Shapes.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

LogicalResult HeadsEmitter::run() {
  if (failed(part.prepare())) {
    return failure();
  }
  heads = cast<RankedTensorType>(recurrence.getInits().front().getType()).getDimSize(1);
  row = chooseRow();
  Value reset = recurrence.getReset(), sequence = over(row, index(heads));
  head = modulo(row, index(heads));

  precision = getTilePrecision(recurrence.getProductPrecision());
  auto target = kernel->getParentOfType<ModuleOp>()->getAttrOfType<TargetAttr>("rwkv.target");
  writesOut = target && target.getLanes() > 1;
  SmallVector<Value> consts = loadConsts(), carried = loadStates();
  if (failed(emitSequence(sequenceStart(sequence, reset), sequenceEnd(sequence, reset), consts, carried))) {
    return failure();
  }
  finish(carried);
  return success();
}

Value HeadsEmitter::countHeads(TileEmitter &e, Sizes size) {
  int64_t parts = heads * part.getCount();
  return e.times(size(recurrence.getReset() ? tile::Size::S : tile::Size::B), e.index(parts));
}

Value HeadsEmitter::areMany(TileEmitter &e, Sizes size) {
  ScheduleAttr schedule = recurrence.getScheduleAttr();
  if (!schedule || schedule.getLeast() == 0) {
    return e.index(1);
  }
  Value tokens = size(tile::Size::T);
  if (recurrence.getReset()) {
    tokens = e.over(tokens, e.most(size(tile::Size::S), e.index(1)));
  }
  return e.least(e.over(tokens, e.index(schedule.getLeast())), e.index(1));
}

Value HeadsEmitter::chooseRow() {
  if (part.getCount() == 1) {
    return kernel.getTask();
  }
  partNumber = modulo(kernel.getTask(), index(part.getCount()));
  return over(kernel.getTask(), index(part.getCount()));
}

Type HeadsEmitter::stateType(Value init) {
  return tileType(ofPart(stateShape(init)), getElementTypeOrSelf(init.getType()));
}

Value HeadsEmitter::stateOffset(Value init) {
  ArrayRef<int64_t> shape = stateShape(init);
  return fromPart(mulAdd(row, llvm::product_of(shape), index(0)), shape.back());
}

int64_t HeadsEmitter::stateStride(Value init) {
  ArrayRef<int64_t> shape = stateShape(init);
  return part.getCount() > 1 && shape.size() > 1 ? shape.back() : 0;
}

SmallVector<int64_t> HeadsEmitter::ofPart(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> result(shape);
  result.back() /= part.getCount();
  return result;
}

void HeadsEmitter::storeStates(ValueRange states) {
  Operation *yield = fused.getBody().front().getTerminator();
  for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
    if (std::optional<unsigned> k = stateIndex(value)) {
      Value init = recurrence.getInits()[*k];
      store(states[*k], output(i), stateOffset(init), stateStride(init));
    }
  }
}

std::optional<unsigned> HeadsEmitter::stateIndex(Value value) {
  if (value.getDefiningOp() != recurrence) {
    return std::nullopt;
  }
  unsigned result = cast<OpResult>(value).getResultNumber(), k = 0;
  for (Value yielded : recurrence.getYield().getOperands().take_front(result)) {
    k += isa<StateType>(yielded.getType());
  }
  bool isState = isa<StateType>(recurrence.getYield().getOperand(result).getType());
  return isState ? std::optional<unsigned>(k) : std::nullopt;
}

SmallVector<Value> HeadsEmitter::loadConsts() {
  SmallVector<Value> tiles;
  auto args = recurrence.getToken().getArguments().drop_front(recurrence.getOver().size());
  for (auto [value, arg] : llvm::zip(recurrence.getConsts(), args)) {
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> shape(type.getShape().drop_front());
    Value offset = mulAdd(groupOf(type.getDimSize(0)), llvm::product_of(shape), index(0));
    if (isInParts(arg)) {
      offset = fromPart(offset, shape.back());
      shape = ofPart(shape);
    }
    tiles.push_back(load(buffer(value), offset, tileType(shape, type.getElementType())));
  }
  return tiles;
}

Value HeadsEmitter::alignChunks(const AffineState &form, ValueRange states, Value size, Value start, Value end) {
  Value head, aligned = arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
  for (auto [state, value] : llvm::zip_equal(form.states, states)) {
    if (state.path.empty() || state.path.front().kind != StateStep::Kind::count) {
      continue;
    }
    // Anything may lie in memory, also what is no count: then no token is.
    Value number = sum(value, 0);
    Value last = constant(static_cast<double>(state.path.front().period - 1), number.getType());
    Value known = arith::MaxNumFOp::create(b, loc, number, constant(0.0, number.getType()));
    known = arith::MinNumFOp::create(b, loc, known, last);
    Value whole = arith::FPToUIOp::create(b, loc, b.getI64Type(), known);
    Value back = arith::UIToFPOp::create(b, loc, number.getType(), whole);
    Value isCount = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, back, number);
    Value behind = arith::RemUIOp::create(b, loc, arith::IndexCastOp::create(b, loc, b.getIndexType(), whole), size);
    Value missing = arith::RemUIOp::create(b, loc, arith::SubIOp::create(b, loc, size, behind), size);
    head = head ? head : missing;
    Value same = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, missing, head);
    aligned = arith::AndIOp::create(b, loc, aligned, arith::AndIOp::create(b, loc, isCount, same));
  }
  Value first = arith::MinUIOp::create(b, loc, arith::AddIOp::create(b, loc, start, head), end);
  return arith::SelectOp::create(b, loc, aligned, first, end);
}

LogicalResult HeadsEmitter::emitSequence(Value start, Value end, ArrayRef<Value> consts, SmallVector<Value> &carried) {
  RecurrenceOp region = part.getRecurrence();
  auto step = [&](ValueRange args) { return emitStep(*this, region, args); };
  ScheduleAttr schedule = chooseSchedule();
  if (schedule && schedule.getKind() != ScheduleKind::step) {
    AffineState form(region);
    if (failed(check(form, schedule))) {
      return failure();
    }
    Value size = index(schedule.getChunk());
    if (form.getPeriod()) {
      Value first = alignChunks(form, carried, size, start, end);
      if (failed(emitLoop(start, first, 0, consts, carried, step))) {
        return failure();
      }
      start = first;
    }
    Value count = over(minus(end, start), size);
    auto [first, last] = chooseChunks(start, count, size);
    auto chunk = [&](ValueRange args) {
      unsigned transitions = countTransitions();
      return emitChunk(*this, region, form, schedule, args.drop_back(transitions), args.take_back(transitions));
    };
    if (failed(emitLoop(first, last, schedule.getChunk(), consts, carried, chunk))) {
      return failure();
    }
    start = plus(start, times(count, size));
    end = chooseEnd(start, end);
  }
  return end ? emitLoop(start, end, 0, consts, carried, step) : success();
}

LogicalResult HeadsEmitter::check(const AffineState &form, ScheduleAttr schedule) {
  if (const Refusal &refusal = form.getRefusal(schedule.getKind()); refusal.op) {
    return refusal.op->emitOpError("is not legal in a ")
           << stringifyScheduleKind(schedule.getKind()) << ": " << refusal.reason << " (" << refusal.rule << ")";
  }
  if (int64_t limit = form.getChunkLimit(schedule.getKind()); schedule.getChunk() > limit) {
    return recurrence.emitOpError("expected chunks of at most ")
           << limit << " tokens"
           << (limit < AffineState::kMostTokens ? ", which the decay of the value axis permits," : "") << " but got "
           << schedule.getChunk();
  }
  if (int64_t period = form.getPeriod(); period % schedule.getChunk() != 0) {
    return recurrence.emitOpError("expected chunks that divide the ")
           << period << " tokens for which a state is held, but got " << schedule.getChunk();
  }
  if (schedule.getFill() > 0 && !form.whyNotCut().empty()) {
    return recurrence.emitOpError("cannot be cut into segments: ") << form.whyNotCut();
  }
  return success();
}

LogicalResult HeadsEmitter::emitLoop(Value start, Value end, int64_t tokens, ArrayRef<Value> consts,
                                     SmallVector<Value> &states, Body body) {
  auto loop = scf::ForOp::create(b, loc, start, end, index(std::max<int64_t>(1, tokens)), states);
  states.assign(loop.getResults().begin(), loop.getResults().end());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  token = loop.getInductionVar();
  batch = tokens;
  tiles.clear();
  return emitTokens(consts, loop.getRegionIterArgs(), body);
}

LogicalResult HeadsEmitter::emitTokens(ArrayRef<Value> consts, ValueRange states, Body body) {
  SmallVector<Value> args;
  for (auto [value, arg] : llvm::zip(recurrence.getOver(), recurrence.getToken().getArguments())) {
    FailureOr<Value> tile = isInput(value) ? FailureOr<Value>(loadOver(value, isInParts(arg))) : emit(value);
    if (failed(tile)) {
      return failure();
    }
    args.push_back(!isInput(value) && isInParts(arg) ? takePart(*tile) : *tile);
  }
  llvm::append_range(args, consts);
  llvm::append_range(args, states);
  SmallVector<Value> yielded = body(args);
  SmallVector<Value> next;
  for (auto [result, value] : llvm::zip(recurrence.getResults(), yielded)) {
    stateIndex(result) ? next.push_back(value) : (void)(tiles[result] = value);
  }
  llvm::append_range(next, ArrayRef(yielded).drop_front(recurrence.getNumResults()));
  Operation *yield = fused.getBody().front().getTerminator();
  for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
    if (stateIndex(value) || countTransitions() > 0) {
      continue;
    }
    FailureOr<Value> tile = emit(value);
    if (failed(tile)) {
      return failure();
    }
    storeRows(*tile, output(i), resultOffset(value), countFeatures(value.getType()));
  }
  scf::YieldOp::create(b, loc, next);
  return success();
}

Value HeadsEmitter::takePart(Value tile) {
  SmallVector<int64_t> whole(tile::getTileShape(tile.getType()));
  SmallVector<Value> offsets(batch ? 1 : 0, index(0));
  offsets.push_back(fromPart(index(0), whole.back()));
  return slice(tile, tileType(ofPart(whole), getElementTypeOrSelf(tile.getType())), offsets);
}

Value HeadsEmitter::loadOver(Value value, bool inParts) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape().drop_front(3));
  int64_t groups = type.getDimSize(2), size = llvm::product_of(shape);
  Value offset = mulAdd(mulAdd(token, groups, groupOf(groups)), size, index(0));
  if (inParts) {
    offset = fromPart(offset, shape.back());
    shape = ofPart(shape);
  }
  return loadRows(buffer(value), offset, shape, type.getElementType(), groups * size);
}

Value HeadsEmitter::loadRows(Value buffer, Value offset, ArrayRef<int64_t> shape, Type element, int64_t stride) {
  if (!batch) {
    return load(buffer, offset, tileType(shape, element));
  }
  int64_t size = llvm::product_of(shape);
  Value rows = load(buffer, offset, tileType({batch, size}, element), stride);
  return shape.empty() ? sum(rows, 1) : rows;
}

void HeadsEmitter::storeRows(Value tile, Value buffer, Value offset, int64_t stride) {
  if (!batch) {
    return store(tile, buffer, offset);
  }
  bool numbers = tile::getTileShape(tile.getType()).size() == 1;
  store(numbers ? reshape(tile, tileType({batch, 1}, getElementTypeOrSelf(tile.getType()))) : tile, buffer, offset,
        stride);
}

SmallVector<int64_t> HeadsEmitter::shapeOf(Value value) {
  ArrayRef<int64_t> features = getFeatures(value.getType());
  if (features.size() == 1 && features[0] == heads) {
    return {};
  }
  return {countFeatures(value.getType()) / heads};
}

Type HeadsEmitter::typeOf(Value value) {
  SmallVector<int64_t> shape = shapeOf(value);
  shape.insert(shape.begin(), batch ? 1 : 0, batch);
  return tileType(shape, getElementTypeOrSelf(value.getType()));
}

Value HeadsEmitter::tokenOffset(Value value) {
  return mulAdd(mulAdd(token, heads, head), countFeatures(value.getType()) / heads, index(0));
}

Value HeadsEmitter::resultOffset(Value value) {
  bool inParts = value.getDefiningOp() == recurrence &&
                 isInParts(recurrence.getYield().getOperand(cast<OpResult>(value).getResultNumber()));
  Value offset = tokenOffset(value);
  return inParts ? fromPart(offset, countFeatures(value.getType()) / heads) : offset;
}

FailureOr<Value> HeadsEmitter::emit(Value value) {
  if (Value known = tiles.lookup(value)) {
    return known;
  }
  FailureOr<Value> tile =
      isInput(value) ? FailureOr<Value>(loadRows(buffer(value), tokenOffset(value), shapeOf(value),
                                                 getElementTypeOrSelf(value.getType()), countFeatures(value.getType())))
                     : emitOp(value);
  if (succeeded(tile)) {
    tiles[value] = *tile;
  }
  return tile;
}

FailureOr<Value> HeadsEmitter::loadWeight(Operation *op, FlatSymbolRefAttr name, Type type) {
  int64_t count = weightOp(name).getStoredType().getNumElements();
  ArrayRef<int64_t> features = tile::getTileShape(type).drop_front(batch ? 1 : 0);
  int64_t size = features.empty() ? 1 : features[0];
  Type element = getElementTypeOrSelf(type), part = tileType(features, element);
  if (count == heads * size) {
    return broadcast(load(buffer(name), mulAdd(head, size, index(0)), part), type, featureAxis());
  }
  if (count == size) {
    return broadcast(load(buffer(name), index(0), part), type, featureAxis());
  }
  if (count == heads) {
    return broadcast(load(buffer(name), head, computeType(element)), type);
  }
  return op->emitOpError("expected a weight of ") << heads * size << ", " << size << " or " << heads << " elements for "
                                                  << heads << " heads, but got " << weightOp(name).getStoredType();
}

FailureOr<Value> HeadsEmitter::emitOp(Value value) {
  Operation *op = value.getDefiningOp();
  Type type = typeOf(value);
  if (auto fill = dyn_cast<FillOp>(op)) {
    return constant(fill.getValue().convertToDouble(), type);
  }
  if (auto get = dyn_cast<GetOp>(op)) {
    return loadWeight(op, get.getWeightAttr(), type);
  }
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    FailureOr<Value> tile = emit(operand);
    if (failed(tile)) {
      return failure();
    }
    operands.push_back(*tile);
  }
  return llvm::TypeSwitch<Operation *, FailureOr<Value>>(op)
      .Case([&](NormOp norm) -> FailureOr<Value> {
        FailureOr<Value> scale = loadWeight(op, norm.getScaleAttr(), type);
        FailureOr<Value> bias = loadWeight(op, norm.getBiasAttr(), type);
        if (failed(scale) || failed(bias)) {
          return failure();
        }
        return add(mul(normalise(operands[0], featureAxis(), param(norm.getEpsAttr())), *scale), *bias);
      })
      .Case([&](L2NormOp norm) -> FailureOr<Value> {
        return l2normalise(operands[0], featureAxis(), norm.getFloor().convertToDouble());
      })
      .Case([&](SumOp) -> FailureOr<Value> { return sum(operands[0], featureAxis()); })
      .Case([&](BroadcastOp) -> FailureOr<Value> { return broadcast(operands[0], type); })
      .Case([&](ReshapeOp) -> FailureOr<Value> {
        // One feature per head is a scalar on one side and a vector of one on the other.
        size_t from = tile::getTileShape(operands[0].getType()).size(), to = tile::getTileShape(type).size();
        return to < from ? sum(operands[0], featureAxis()) : broadcast(operands[0], type);
      })
      .Default([&](Operation *) -> FailureOr<Value> { return elementwise(op, operands); });
}

namespace {

class TokensEmitter : public HeadsEmitter {
public:
  using HeadsEmitter::HeadsEmitter;

protected:
  ScheduleAttr chooseSchedule() override { return {}; }
  Value countTasks(TileEmitter &e, Sizes size) override {
    return e.times(countHeads(e, size), e.minus(e.index(1), areMany(e, size)));
  }
};

} // namespace

std::unique_ptr<KernelEmitter> rwkv::createHeadsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder) {
  return std::make_unique<HeadsEmitter>(fused, kernel, builder);
}

std::unique_ptr<KernelEmitter> rwkv::createTokensEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder) {
  return std::make_unique<TokensEmitter>(fused, kernel, builder);
}
