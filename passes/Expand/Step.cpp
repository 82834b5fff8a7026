// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One token of a recurrence as a tile program: the region inlined, state ops as broadcasts, products and sums. A state is
// rows of keys (several key axes flattened) times the value axis; a state without keys is a vector.
#include "passes/Expand/TileEmitter.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

namespace {

class StepEmitter {
public:
  StepEmitter(TileEmitter &e, RecurrenceOp recurrence) : e(e), recurrence(recurrence) {}

  FailureOr<SmallVector<Value>> run(ValueRange args) {
    for (auto [arg, value] : llvm::zip_equal(recurrence.getToken().getArguments(), args)) {
      tiles[arg] = value;
    }
    for (Operation &op : recurrence.getToken().front().without_terminator()) {
      Value tile = emit(&op);
      if (!tile) {
        return op.emitOpError("has no sequential expansion");
      }
      tiles[op.getResult(0)] = tile;
    }
    return llvm::map_to_vector(recurrence.getYield().getOperands(), [&](Value value) { return tiles.lookup(value); });
  }

private:
  static Type typeOf(Value value) {
    if (auto state = dyn_cast<StateType>(value.getType())) {
      return TileEmitter::tileType(state.getTensorType().getShape(), state.getElementType());
    }
    return TileEmitter::tileType(tile::getTileShape(value.getType()), getElementTypeOrSelf(value.getType()));
  }

  Value at(Value value) { return tiles.lookup(value); }

  /// The product of one vector per key axis, flattened like the rows of the state.
  Value flattenKeys(ValueRange keys) {
    Value flat = at(keys.front());
    for (Value key : keys.drop_front()) {
      Value next = at(key);
      int64_t rows = tile::getTileShape(flat.getType())[0], columns = tile::getTileShape(next.getType())[0];
      Type element = getElementTypeOrSelf(flat.getType());
      Type outer = TileEmitter::tileType({rows, columns}, element);
      flat = e.mul(e.broadcast(flat, outer, 0), e.broadcast(next, outer, 1));
      flat = e.reshape(flat, TileEmitter::tileType({rows * columns}, element));
    }
    return flat;
  }

  /// A vector along key axis `axis`, repeated along the other key axes.
  Value repeatKey(Value vector, StateType state, unsigned axis) {
    Type element = state.getElementType();
    auto repeat = [&](int64_t before, int64_t after, int64_t on) {
      vector = e.broadcast(vector, TileEmitter::tileType({before, after}, element), on);
      vector = e.reshape(vector, TileEmitter::tileType({before * after}, element));
    };
    int64_t before = 1, after = 1;
    for (auto [i, size] : llvm::enumerate(state.getKeys())) {
      (i < axis ? before : after) *= i == axis ? 1 : size;
    }
    if (before > 1) {
      repeat(before, state.getKeys()[axis], 1);
    }
    if (after > 1) {
      repeat(before * state.getKeys()[axis], after, 0);
    }
    return vector;
  }

  Value emitRead(ReadOp op) {
    Value state = at(op.getState());
    if (op.getKeys().empty()) {
      return state;
    }
    Value keys = e.broadcast(flattenKeys(op.getKeys()), state.getType(), 0);
    return e.sum(e.mul(keys, state), 0);
  }

  Value emitWrite(WriteOp op) {
    Value state = at(op.getState()), value = at(op.getValue());
    if (Value scale = op.getScale()) {
      value = e.mul(value, e.broadcast(at(scale), value.getType()));
    }
    if (op.getKeys().empty()) {
      return e.add(state, value);
    }
    Value keys = e.broadcast(flattenKeys(op.getKeys()), state.getType(), 0);
    return e.add(state, e.mul(keys, e.broadcast(value, state.getType(), 1)));
  }

  /// lo <= g <= hi for every element; a NaN is no violation, it shows in the outputs.
  void checkBound(DecayOp op, Value log) {
    Type type = log.getType();
    auto number = [&](unsigned i) {
      return e.constant(cast<FloatAttr>((*op.getBound())[i]).getValueAsDouble(), type);
    };
    Value excess = arith::MaximumFOp::create(e.b, e.loc, e.sub(number(0), log), e.sub(log, number(1)));
    Value isNaN = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::UNO, log, log);
    excess = arith::SelectOp::create(e.b, e.loc, isNaN, e.constant(-1.0, type), excess);
    while (isa<RankedTensorType>(excess.getType())) {
      SmallVector<int64_t> shape(tile::getTileShape(excess.getType()));
      int64_t axis = shape.size() - 1;
      shape.pop_back();
      Type reduced = TileEmitter::tileType(shape, getElementTypeOrSelf(type));
      excess = tile::ReduceOp::create(e.b, e.loc, reduced, tile::ReduceKind::max, excess, axis);
    }
    Value zero = e.constant(0.0, excess.getType());
    tile::FlagOp::create(e.b, e.loc, arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OGT, excess, zero));
  }

  Value emitDecay(DecayOp op) {
    Value state = at(op.getState());
    if (op.getBound()) {
      checkBound(op, at(op.getLog()));
    }
    Value factor = math::ExpOp::create(e.b, e.loc, at(op.getLog()));
    StringRef axis = op.getAxis();
    unsigned key = 0;
    if (axis.consume_front("key") && !axis.getAsInteger(10, key)) {
      factor = repeatKey(factor, op.getState().getType(), key);
      return e.mul(state, e.broadcast(factor, state.getType(), 0));
    }
    return e.mul(state, e.broadcast(factor, state.getType(), 1));
  }

  /// Blocks of p rows of the state, each times its matrix. Behind the axis lie whole rows: they join the value axis.
  Value emitTransform(TransformOp op) {
    StateType type = op.getState().getType();
    Type element = type.getElementType();
    unsigned axis = 0;
    (void)op.getAxis().drop_front(3).getAsInteger(10, axis);
    int64_t size = cast<RankedTensorType>(op.getMatrix().getType()).getDimSize(1), rows = 1, columns = type.getValue();
    for (auto [i, key] : llvm::enumerate(type.getKeys())) {
      (i <= axis ? rows : columns) *= key;
    }
    Value state = e.reshape(at(op.getState()), TileEmitter::tileType({rows, columns}, element));
    Value result = tile::DotOp::create(e.b, e.loc, state.getType(), at(op.getMatrix()), state, UnitAttr(),
                                       e.b.getI64IntegerAttr(size));
    return e.reshape(result, typeOf(op.getResult()));
  }

  Value emit(Operation *op) {
    Type type = typeOf(op->getResult(0));
    return llvm::TypeSwitch<Operation *, Value>(op)
        .Case([&](ReadOp read) { return emitRead(read); })
        .Case([&](WriteOp write) { return emitWrite(write); })
        .Case([&](DecayOp decay) { return emitDecay(decay); })
        .Case([&](TransformOp transform) { return emitTransform(transform); })
        .Case([&](SetOp set) { return e.reshape(at(set.getValue()), type); })
        .Case([&](FillOp fill) { return e.constant(fill.getValue().convertToDouble(), type); })
        .Case([&](SumOp sum) -> Value {
          auto x = cast<RankedTensorType>(sum.getX().getType());
          return x.getRank() > 2 ? Value() : e.sum(at(sum.getX()), cast<IntegerAttr>(sum.getAxis()).getInt());
        })
        .Case([&](BroadcastOp broadcast) -> Value {
          SmallVector<int64_t> positions = broadcast.getPositions();
          if (positions.size() > 1 || cast<RankedTensorType>(broadcast.getType()).getRank() > 2) {
            return {};
          }
          return e.broadcast(at(broadcast.getX()), type, positions.empty() ? 0 : positions[0]);
        })
        .Case([&](DotOp dot) { return e.sum(e.mul(at(dot.getLhs()), at(dot.getRhs())), 0); })
        .Case([&](MatvecOp matvec) {
          Value matrix = at(matvec.getMatrix());
          return e.sum(e.mul(matrix, e.broadcast(at(matvec.getX()), matrix.getType(), 1)), 1);
        })
        .Case([&](arith::ConstantOp constant) -> Value {
          auto tensor = dyn_cast<DenseFPElementsAttr>(constant.getValue());
          if (tensor && tensor.isSplat()) {
            return e.constant(tensor.getSplatValue<APFloat>().convertToDouble(), type);
          }
          return tensor ? Value() : e.b.clone(*op)->getResult(0);
        })
        .Default([&](Operation *) -> Value {
          if (!op->hasTrait<OpTrait::Elementwise>() || op->getNumResults() != 1) {
            return {};
          }
          return e.elementwise(op, llvm::map_to_vector(op->getOperands(), [&](Value v) { return at(v); }));
        });
  }

  TileEmitter &e;
  RecurrenceOp recurrence;
  llvm::DenseMap<Value, Value> tiles;
};

} // namespace

FailureOr<SmallVector<Value>> rwkv::emitStep(TileEmitter &e, RecurrenceOp recurrence, ValueRange args) {
  return StepEmitter(e, recurrence).run(args);
}
