// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One token of a recurrence as a tile program: the region inlined, state ops as broadcasts, products and sums. A state
// is rows of keys (several key axes flattened) times the value axis; a state without keys is a vector.
#include "passes/Expand/TileEmitter.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

namespace {

class StepEmitter {
public:
  StepEmitter(TileEmitter &e, RecurrenceOp recurrence) : e(e), recurrence(recurrence) {}

  SmallVector<Value> run(ValueRange args) {
    for (auto [arg, value] : llvm::zip_equal(recurrence.getToken().getArguments(), args)) {
      tiles[arg] = value;
    }
    for (Operation &op : recurrence.getToken().front().without_terminator()) {
      tiles[op.getResult(0)] = emit(&op);
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

  static ArrayRef<int64_t> shapeOf(Value value) { return tile::getTileShape(value.getType()); }
  static int64_t axisOf(Attribute axis) { return cast<IntegerAttr>(axis).getInt(); }

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

  Value emitRead(const StateStep &step) {
    Value state = at(step.state);
    if (step.keys.empty()) {
      return state;
    }
    Value keys = e.broadcast(flattenKeys(step.keys), state.getType(), 0);
    return e.sum(e.mul(keys, state), 0);
  }

  Value emitWrite(const StateStep &step) {
    Value state = at(step.state), value = at(step.value);
    if (step.scale) {
      value = e.mul(value, e.broadcast(at(step.scale), value.getType()));
    }
    if (step.keys.empty()) {
      return e.add(state, value);
    }
    Value keys = e.broadcast(flattenKeys(step.keys), state.getType(), 0);
    return e.add(state, e.mul(keys, e.broadcast(value, state.getType(), 1)));
  }

  Value emitDecay(const StateStep &step) {
    Value state = at(step.state), log = at(step.factor);
    e.checkBound(step, log);
    Value factor = math::ExpOp::create(e.b, e.loc, log); // exact: it is applied token after token
    if (step.axis == StateStep::Axis::key) {
      factor = e.repeatKey(factor, cast<StateType>(step.state.getType()), step.key);
      // Of several key axes in turn, factors are multiplied for the rows, not for each element.
      if (auto before = decayed.find(step.state); before != decayed.end()) {
        state = before->second.first;
        factor = e.mul(before->second.second, factor);
      }
      decayed[step.result] = {state, factor};
      return e.mul(state, e.broadcast(factor, state.getType(), 0));
    }
    return e.mul(state, e.broadcast(factor, state.getType(), 1));
  }

  /// x if `a` compares to `b` in this way, else y; elementwise.
  Value select(arith::CmpFPredicate predicate, Value a, Value b, Value x, Value y) {
    return arith::SelectOp::create(e.b, e.loc, arith::CmpFOp::create(e.b, e.loc, predicate, a, b), x, y);
  }

  Value emitStep(const StateStep &step) {
    auto stateLike = [&](Value value) { return e.reshape(at(value), at(step.state).getType()); };
    switch (step.kind) {
    case StateStep::Kind::read:
      return emitRead(step);
    case StateStep::Kind::write:
      return emitWrite(step);
    case StateStep::Kind::decay:
      return emitDecay(step);
    case StateStep::Kind::transform:
      e.checkIsometric(step, at(step.factor));
      return e.transformState(at(step.state), cast<StateType>(step.state.getType()), step.key, at(step.factor));
    case StateStep::Kind::maximum:
      return arith::MaximumFOp::create(e.b, e.loc, e.add(at(step.state), stateLike(step.factor)),
                                       stateLike(step.value));
    case StateStep::Kind::overwrite:
      return stateLike(step.value);
    case StateStep::Kind::count: {
      Value next = e.add(at(step.state), e.constant(1.0, at(step.state).getType()));
      Value period = e.constant(static_cast<double>(step.period), next.getType());
      return select(arith::CmpFPredicate::OGE, next, period, e.sub(next, period), next);
    }
    case StateStep::Kind::hold: {
      Type type = at(step.state).getType();
      Value counter = e.broadcast(e.sum(at(step.counter), 0), type);
      return select(arith::CmpFPredicate::OEQ, counter, e.constant(0.0, type), at(step.source), at(step.state));
    }
    }
    llvm_unreachable("all kinds are handled");
  }

  Value emit(Operation *op) {
    Type type = typeOf(op->getResult(0));
    return llvm::TypeSwitch<Operation *, Value>(op)
        .Case([&](StateStepOpInterface access) { return emitStep(access.getStep()); })
        .Case([&](FillOp fill) { return e.constant(fill.getValue().convertToDouble(), type); })
        .Case([&](SumOp sum) {
          return e.reshape(e.sumAxis(at(sum.getX()), shapeOf(sum.getX()), axisOf(sum.getAxis()), /*count=*/1), type);
        })
        .Case([&](L2NormOp norm) {
          return e.l2normalise(at(norm.getX()), shapeOf(norm.getX()), axisOf(norm.getAxis()),
                               norm.getFloor().convertToDouble(), /*count=*/1);
        })
        .Case([&](BroadcastOp broadcast) {
          Value x = at(broadcast.getX());
          return shapeOf(broadcast.getX()).empty()
                     ? e.broadcast(x, type)
                     : e.reshape(e.broadcastAxes(x, broadcast.getPositions(), shapeOf(broadcast), /*count=*/1), type);
        })
        .Case([&](ReshapeOp reshape) { return e.reshape(at(reshape.getX()), type); })
        .Case([&](DotOp dot) { return e.sum(e.mul(at(dot.getLhs()), at(dot.getRhs())), 0); })
        .Case([&](MatvecOp matvec) {
          Value matrix = at(matvec.getMatrix());
          return e.sum(e.mul(matrix, e.broadcast(at(matvec.getX()), matrix.getType(), 1)), 1);
        })
        .Case([&](arith::ConstantOp constant) -> Value {
          if (auto values = dyn_cast<DenseFPElementsAttr>(constant.getValue())) {
            return e.constant(values, type);
          }
          auto splat = dyn_cast<SplatElementsAttr>(constant.getValue());
          return e.splat(splat ? splat.getSplatValue<Attribute>() : Attribute(constant.getValue()), type);
        })
        .Default([&](Operation *) {
          return e.elementwise(op, llvm::map_to_vector(op->getOperands(), [&](Value v) { return at(v); }));
        });
  }

  TileEmitter &e;
  RecurrenceOp recurrence;
  llvm::DenseMap<Value, Value> tiles;
  llvm::DenseMap<Value, std::pair<Value, Value>> decayed; // states: what they were, and rows of factors
};

} // namespace

SmallVector<Value> rwkv::emitStep(TileEmitter &e, RecurrenceOp recurrence, ValueRange args) {
  return StepEmitter(e, recurrence).run(args);
}
