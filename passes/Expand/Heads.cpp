// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Recurrences: a task runs one head of one sequence, token by token, with the ops before and after the recurrence that stay
// within the head.
#include "passes/Expand/TileEmitter.h"
#include "passes/Fuse/Shapes.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

namespace {

class HeadsEmitter : public KernelEmitter {
public:
  HeadsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder) : KernelEmitter(fused, kernel, builder) {}

protected:
  LogicalResult run(AffineMap &tasks) override {
    recurrence = *fused.getBody().getOps<RecurrenceOp>().begin();
    Value reset = recurrence.getReset();
    heads = cast<RankedTensorType>(recurrence.getInits().front().getType()).getDimSize(1);
    tasks = AffineMap::get(0, 3, b.getAffineSymbolExpr(reset ? 2 : 0) * heads);
    Value sequence = arith::DivUIOp::create(b, loc, kernel.getTask(), index(heads));
    head = arith::RemUIOp::create(b, loc, kernel.getTask(), index(heads));

    SmallVector<Value> consts = loadConsts(), states;
    for (Value init : recurrence.getInits()) {
      states.push_back(load(buffer(init), stateOffset(init), stateType(init)));
    }
    Value start = sequenceStart(sequence, reset), end = sequenceEnd(sequence, reset);
    auto loop = scf::ForOp::create(b, loc, start, end, index(1), states);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(loop.getBody());
      token = loop.getInductionVar();
      if (failed(emitToken(consts, loop.getRegionIterArgs()))) {
        return failure();
      }
    }
    storeStates(loop.getResults());
    return success();
  }

private:
  // ---- states: [sequence, head, K.., V]

  static ArrayRef<int64_t> stateShape(Value init) {
    return cast<RankedTensorType>(init.getType()).getShape().drop_front(2);
  }
  static Type stateType(Value init) { return tileType(stateShape(init), getElementTypeOrSelf(init.getType())); }

  /// Tasks run over (sequence, head), the order of the state's leading axes.
  Value stateOffset(Value init) {
    int64_t size = 1;
    for (int64_t axis : stateShape(init)) {
      size *= axis;
    }
    return mulAdd(kernel.getTask(), size, index(0));
  }

  void storeStates(ValueRange states) {
    Operation *yield = fused.getBody().front().getTerminator();
    for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
      if (std::optional<unsigned> k = stateIndex(value)) {
        store(states[*k], output(i), stateOffset(recurrence.getInits()[*k]));
      }
    }
  }

  /// Which state a value is the final value of.
  std::optional<unsigned> stateIndex(Value value) {
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

  SmallVector<Value> loadConsts() {
    SmallVector<Value> tiles;
    for (Value value : recurrence.getConsts()) {
      auto type = cast<RankedTensorType>(value.getType());
      ArrayRef<int64_t> shape = type.getShape().drop_front();
      int64_t size = 1;
      for (int64_t axis : shape) {
        size *= axis;
      }
      Value offset = mulAdd(groupOf(type.getDimSize(0)), size, index(0));
      tiles.push_back(load(buffer(value), offset, tileType(shape, type.getElementType())));
    }
    return tiles;
  }

  /// Head h reads group h * groups / heads.
  Value groupOf(int64_t groups) {
    return groups == heads ? head : arith::DivUIOp::create(b, loc, head, index(heads / groups)).getResult();
  }

  // ---- one token

  LogicalResult emitToken(ArrayRef<Value> consts, ValueRange states) {
    SmallVector<Value> args;
    for (Value value : recurrence.getOver()) {
      FailureOr<Value> tile = isInput(value) ? FailureOr<Value>(loadOver(value)) : emit(value);
      if (failed(tile)) {
        return failure();
      }
      args.push_back(*tile);
    }
    llvm::append_range(args, consts);
    llvm::append_range(args, states);
    FailureOr<SmallVector<Value>> yielded = emitStep(*this, recurrence, args);
    if (failed(yielded)) {
      return failure();
    }
    SmallVector<Value> next;
    for (auto [result, value] : llvm::zip_equal(recurrence.getResults(), *yielded)) {
      stateIndex(result) ? next.push_back(value) : (void)(tiles[result] = value);
    }
    Operation *yield = fused.getBody().front().getTerminator();
    for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
      if (stateIndex(value)) {
        continue;
      }
      FailureOr<Value> tile = emit(value);
      if (failed(tile)) {
        return failure();
      }
      store(*tile, output(i), tokenOffset(value));
    }
    scf::YieldOp::create(b, loc, next);
    return success();
  }

  /// An operand of the recurrence: its slice for this token and for this head's group.
  Value loadOver(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    ArrayRef<int64_t> shape = type.getShape().drop_front(3);
    int64_t groups = type.getDimSize(2), size = 1;
    for (int64_t axis : shape) {
      size *= axis;
    }
    Value position = mulAdd(token, groups, groupOf(groups));
    return load(buffer(value), mulAdd(position, size, index(0)), tileType(shape, type.getElementType()));
  }

  // ---- values around the recurrence: the head's part of a token's features

  /// A vector of the head's features; a scalar if the value has one feature per head and says so ([B, T, H]).
  Type typeOf(Value value) {
    ArrayRef<int64_t> features = getFeatures(value.getType());
    Type element = getElementTypeOrSelf(value.getType());
    if (features.size() == 1 && features[0] == heads) {
      return tileType({}, element);
    }
    return tileType({countFeatures(value.getType()) / heads}, element);
  }

  Value tokenOffset(Value value) {
    return mulAdd(mulAdd(token, heads, head), countFeatures(value.getType()) / heads, index(0));
  }

  FailureOr<Value> emit(Value value) {
    if (Value known = tiles.lookup(value)) {
      return known;
    }
    FailureOr<Value> tile = isInput(value) ? FailureOr<Value>(load(buffer(value), tokenOffset(value), typeOf(value)))
                                           : emitOp(value);
    if (succeeded(tile)) {
      tiles[value] = *tile;
    }
    return tile;
  }

  /// A weight as the head's part of it, or the same for all heads if it is as long as one head.
  FailureOr<Value> loadWeight(Operation *op, FlatSymbolRefAttr name, Type type) {
    int64_t count = weightOp(name).getStoredType().getNumElements();
    int64_t size = isa<RankedTensorType>(type) ? tile::getTileShape(type)[0] : 1;
    if (count == heads * size) {
      return load(buffer(name), mulAdd(head, size, index(0)), type);
    }
    if (count == size) {
      return load(buffer(name), index(0), type);
    }
    if (count == heads) {
      return broadcast(load(buffer(name), head, getElementTypeOrSelf(type)), type);
    }
    return op->emitOpError("expected a weight of ")
           << heads * size << ", " << size << " or " << heads << " elements for " << heads << " heads, but got "
           << weightOp(name).getStoredType();
  }

  FailureOr<Value> emitOp(Value value) {
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
          return add(mul(normalise(operands[0], 0, param(norm.getEpsAttr())), *scale), *bias);
        })
        .Case([&](L2NormOp norm) -> FailureOr<Value> {
          return l2normalise(operands[0], 0, norm.getFloor().convertToDouble());
        })
        .Case([&](SumOp) -> FailureOr<Value> { return sum(operands[0], 0); })
        .Case([&](BroadcastOp) -> FailureOr<Value> { return broadcast(operands[0], type); })
        .Case([&](ReshapeOp) -> FailureOr<Value> {
          // One feature per head is a scalar on one side and a vector of one on the other.
          bool scalar = !isa<RankedTensorType>(type);
          return scalar && operands[0].getType() != type ? sum(operands[0], 0) : broadcast(operands[0], type);
        })
        .Default([&](Operation *) -> FailureOr<Value> { return elementwise(op, operands); });
  }

  RecurrenceOp recurrence;
  int64_t heads = 0;
  Value head, token;
  llvm::DenseMap<Value, Value> tiles;
};

} // namespace

std::unique_ptr<KernelEmitter> rwkv::createHeadsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder) {
  return std::make_unique<HeadsEmitter>(fused, kernel, builder);
}
