// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Groups of rows: a task computes all features of one token, or what is left of one sequence after its last token. The
// value of the previous token is computed again rather than stored: a chain from a norm through a token shift is one
// kernel.
#include "passes/Expand/TileEmitter.h"
#include "passes/Fuse/Shapes.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

namespace {

class RowsEmitter : public KernelEmitter {
public:
  RowsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder) : KernelEmitter(fused, kernel, builder) {}

protected:
  LogicalResult run() override {
    reset = findReset();
    Operation *yield = fused.getBody().front().getTerminator();
    for (OpOperand &operand : yield->getOpOperands()) {
      outputs[static_cast<int>(getRowSpace(operand.get().getType()))].push_back(&operand);
    }
    auto &[constants, sequences, tokens] = outputs;
    if (yield->getNumOperands() == 0) {
      return fused.emitOpError("expected at least one result");
    }
    if (!constants.empty() && (!tokens.empty() || !sequences.empty())) {
      return fused.emitOpError("mixes values with and without tokens in one group of rows");
    }
    Value task = kernel.getTask();
    if (tokens.empty() || sequences.empty()) {
      return emitOutputs(!tokens.empty() ? tokens : !sequences.empty() ? sequences : constants, task);
    }
    Value tokenTasks = arith::MulIOp::create(b, loc, sizeB(), sizeT());
    Value isToken = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, task, tokenTasks);
    auto branch = scf::IfOp::create(b, loc, isToken, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    if (failed(emitOutputs(tokens, task))) {
      return failure();
    }
    b.setInsertionPointToStart(branch.elseBlock());
    return emitOutputs(sequences, arith::SubIOp::create(b, loc, task, tokenTasks));
  }

  Value countTasks(TileEmitter &e, Sizes size) override {
    auto &[constants, sequences, tokens] = outputs;
    if (!constants.empty()) {
      return e.index(1);
    }
    Value count = sequences.empty() ? e.index(0) : size(isPacked() ? tile::Size::S : tile::Size::B);
    return tokens.empty() ? count : e.plus(e.times(size(tile::Size::B), size(tile::Size::T)), count);
  }

private:
  /// What a value is computed for: a token of a sequence, or a sequence alone.
  struct Row {
    Value token;
    Value sequence;
    llvm::DenseMap<Value, Value> tiles;
  };

  LogicalResult emitOutputs(ArrayRef<OpOperand *> operands, Value position) {
    Row row;
    RowSpace space = getRowSpace(operands.front()->get().getType());
    if (space == RowSpace::tokens) {
      row.token = position;
      bool shifts = fused.walk([](TokenShiftOp) { return WalkResult::interrupt(); }).wasInterrupted();
      row.sequence = shifts ? sequenceOf(position, reset) : Value();
    } else {
      row.sequence = position;
    }
    for (OpOperand *operand : operands) {
      FailureOr<Value> tile = emit(operand->get(), row);
      if (failed(tile)) {
        return failure();
      }
      store(*tile, output(operand->getOperandNumber()), offsetOf(operand->get(), row));
    }
    return success();
  }

  static Type typeOf(Value value) {
    return tileType(getFeatures(value.getType()), getElementTypeOrSelf(value.getType()));
  }

  /// Offset of the row of `value` in its buffer.
  Value offsetOf(Value value, const Row &row) {
    RowSpace space = getRowSpace(value.getType());
    if (space == RowSpace::constant) {
      return index(0);
    }
    return mulAdd(space == RowSpace::tokens ? row.token : row.sequence, countFeatures(value.getType()), index(0));
  }

  FailureOr<Value> emit(Value value, Row &row) {
    if (Value known = row.tiles.lookup(value)) {
      return known;
    }
    if (isInput(value) && getRowSpace(value.getType()) == RowSpace::tokens && !row.token) {
      return fused.emitOpError("expected no values of tokens for a result without tokens");
    }
    FailureOr<Value> tile = isInput(value) ? FailureOr<Value>(load(buffer(value), offsetOf(value, row), typeOf(value)))
                                           : emitOp(value, row);
    if (succeeded(tile)) {
      row.tiles[value] = *tile;
    }
    return tile;
  }

  /// A weight of the normalised axis or of the whole row, as a tile of `type`.
  Value loadScale(FlatSymbolRefAttr name, Type type, int64_t axis) {
    int64_t count = weightOp(name).getStoredType().getNumElements();
    ArrayRef<int64_t> shape = tile::getTileShape(type);
    if (count == shape[axis] && shape.size() == 2) {
      Type vector = tileType({count}, getElementTypeOrSelf(type));
      return broadcast(load(buffer(name), index(0), vector), type, axis);
    }
    return load(buffer(name), index(0), type);
  }

  /// Position of a model axis among a tile's axes.
  static int64_t featureAxis(Attribute axis, Type type) {
    return cast<IntegerAttr>(axis).getInt() - cast<RankedTensorType>(type).getNumDynamicDims();
  }

  FailureOr<Value> emitShift(TokenShiftOp op, Value value, Row &row) {
    Type type = typeOf(value);
    if (value == op.getNext()) {
      return emitLastToken(op.getX(), row,
                           [&]() { return load(buffer(op.getLast()), offsetOf(op.getLast(), row), type); });
    }
    // The first token of a sequence takes the stored value, any other one the value of the token before it.
    Value start = sequenceStart(row.sequence, op.getReset());
    Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, row.token, start);
    auto branch = scf::IfOp::create(b, loc, type, isFirst, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(b, loc, load(buffer(op.getLast()), offsetOf(op.getLast(), row), type));
    b.setInsertionPointToStart(branch.elseBlock());
    Row previous;
    previous.token = arith::SubIOp::create(b, loc, row.token, index(1));
    previous.sequence = row.sequence;
    FailureOr<Value> shifted = emit(op.getX(), previous);
    if (failed(shifted)) {
      return failure();
    }
    scf::YieldOp::create(b, loc, *shifted);
    return branch.getResult(0);
  }

  /// `x` at the last token of the row's sequence; `otherwise` if the sequence has none.
  FailureOr<Value> emitLastToken(Value x, Row &row, function_ref<Value()> otherwise) {
    Type type = typeOf(x);
    Value start = sequenceStart(row.sequence, reset), end = sequenceEnd(row.sequence, reset);
    Value isEmpty = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, start, end);
    auto branch = scf::IfOp::create(b, loc, type, isEmpty, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(b, loc, otherwise());
    b.setInsertionPointToStart(branch.elseBlock());
    Row last;
    last.token = arith::SubIOp::create(b, loc, end, index(1));
    last.sequence = row.sequence;
    FailureOr<Value> tile = emit(x, last);
    if (failed(tile)) {
      return failure();
    }
    scf::YieldOp::create(b, loc, *tile);
    return branch.getResult(0);
  }

  FailureOr<Value> emitOp(Value value, Row &row) {
    Operation *op = value.getDefiningOp();
    Type type = typeOf(value);
    if (auto fill = dyn_cast<FillOp>(op)) {
      return constant(fill.getValue().convertToDouble(), type);
    }
    if (getFeatures(value.getType()).size() > 2) {
      return op->emitOpError("expected at most two feature axes outside of recurrences, but got ") << value.getType();
    }
    if (auto shift = dyn_cast<TokenShiftOp>(op)) {
      return emitShift(shift, value, row);
    }
    if (auto last = dyn_cast<LastOp>(op)) {
      return emitLastToken(last.getX(), row, [&]() { return constant(0.0, type); });
    }
    if (auto embed = dyn_cast<EmbedOp>(op)) {
      Value token = loadIndex(buffer(embed.getTokens()), offsetOf(embed.getTokens(), row));
      return load(buffer(embed.getWeightAttr()), mulAdd(token, countFeatures(value.getType()), index(0)), type);
    }
    if (auto get = dyn_cast<GetOp>(op)) {
      Type element = getElementTypeOrSelf(type);
      Value weight = load(buffer(get.getWeightAttr()), index(0),
                          tileType(weightOp(get.getWeightAttr()).getStoredType().getShape(), element));
      ArrayRef<int64_t> on = get.getOn().value_or(ArrayRef<int64_t>());
      int64_t lead = cast<RankedTensorType>(get.getType()).getNumDynamicDims();
      return broadcast(weight, type, on.empty() ? 0 : on.front() - lead);
    }

    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      FailureOr<Value> tile = emit(operand, row);
      if (failed(tile)) {
        return failure();
      }
      operands.push_back(*tile);
    }
    return llvm::TypeSwitch<Operation *, FailureOr<Value>>(op)
        .Case([&](NormOp norm) -> FailureOr<Value> {
          int64_t axis = featureAxis(norm.getAxis(), value.getType());
          Value y = normalise(operands[0], axis, param(norm.getEpsAttr()));
          y = mul(y, loadScale(norm.getScaleAttr(), type, axis));
          return add(y, loadScale(norm.getBiasAttr(), type, axis));
        })
        .Case([&](L2NormOp norm) -> FailureOr<Value> {
          return l2normalise(operands[0], featureAxis(norm.getAxis(), value.getType()),
                             norm.getFloor().convertToDouble());
        })
        .Case([&](SumOp reduce) -> FailureOr<Value> {
          return sum(operands[0], featureAxis(reduce.getAxis(), reduce.getX().getType()));
        })
        .Case([&](BroadcastOp repeat) -> FailureOr<Value> {
          SmallVector<int64_t> positions = repeat.getPositions();
          int64_t lead = cast<RankedTensorType>(repeat.getType()).getNumDynamicDims();
          return broadcast(operands[0], type, positions.empty() ? 0 : positions.back() - lead);
        })
        .Case([&](ReshapeOp) -> FailureOr<Value> { return reshape(operands[0], type); })
        .Default([&](Operation *) -> FailureOr<Value> {
          if (!op->hasTrait<OpTrait::Elementwise>()) {
            return op->emitOpError("cannot be computed row by row");
          }
          return elementwise(op, operands);
        });
  }

  Value reset;
  SmallVector<OpOperand *> outputs[3]; // what the group yields: per weight, sequence, token
};

} // namespace

std::unique_ptr<KernelEmitter> rwkv::createRowsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder) {
  return std::make_unique<RowsEmitter>(fused, kernel, builder);
}
