// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/TileEmitter.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

// ---- types and constants

Type TileEmitter::computeType(Type element) {
  return element.isF64() || !isa<FloatType>(element) ? element : Type(Float32Type::get(element.getContext()));
}

/// A tile type with other elements.
static Type cloneElement(Type type, Type element) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? Type(RankedTensorType::get(tensor.getShape(), element)) : element;
}

Type TileEmitter::tileType(ArrayRef<int64_t> shape, Type element) {
  element = computeType(element);
  if (shape.empty()) {
    return element;
  }
  if (shape.size() == 1) {
    return RankedTensorType::get(shape, element);
  }
  int64_t rows = 1;
  for (int64_t size : shape.drop_back()) {
    rows *= size;
  }
  return RankedTensorType::get({rows, shape.back()}, element);
}

Value TileEmitter::constant(double value, Type type) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr = FloatAttr::get(element, value);
  if (auto tensor = dyn_cast<RankedTensorType>(type)) {
    attr = DenseElementsAttr::get(tensor, Attribute(attr));
  }
  return arith::ConstantOp::create(b, loc, attr);
}

Value TileEmitter::constant(DenseFPElementsAttr values, Type type) {
  if (values.isSplat()) {
    return constant(values.getSplatValue<APFloat>().convertToDouble(), type);
  }
  Value tile = constant(0.0, type);
  ArrayRef<int64_t> shape = tile::getTileShape(type);
  Type element = getElementTypeOrSelf(type);
  for (auto [i, value] : llvm::enumerate(values.getValues<APFloat>())) {
    if (value.isPosZero()) {
      continue;
    }
    auto position = static_cast<int64_t>(i);
    SmallVector<Value> offsets = {index(position % shape.back())};
    if (shape.size() == 2) {
      offsets.insert(offsets.begin(), index(position / shape.back()));
    }
    tile = insert(constant(value.convertToDouble(), element), tile, offsets);
  }
  return tile;
}

Value TileEmitter::index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }

// ---- shapes

Value TileEmitter::broadcast(Value x, Type type, int64_t on) {
  if (x.getType() == type) {
    return x;
  }
  bool scalar = !isa<RankedTensorType>(x.getType());
  return tile::BroadcastOp::create(b, loc, type, x, scalar ? IntegerAttr() : b.getI64IntegerAttr(on));
}

Value TileEmitter::reshape(Value x, Type type) {
  return x.getType() == type ? x : tile::ReshapeOp::create(b, loc, type, x).getResult();
}

Value TileEmitter::sum(Value x, int64_t axis) {
  SmallVector<int64_t> shape(tile::getTileShape(x.getType()));
  shape.erase(shape.begin() + axis);
  Type type = tileType(shape, getElementTypeOrSelf(x.getType()));
  return tile::ReduceOp::create(b, loc, type, tile::ReduceKind::sum, x, axis);
}

Value TileEmitter::slice(Value x, Type type, ValueRange offsets) {
  return x.getType() == type ? x : tile::SliceOp::create(b, loc, type, x, offsets).getResult();
}

Value TileEmitter::insert(Value part, Value x, ValueRange offsets) {
  return tile::InsertOp::create(b, loc, x.getType(), part, x, offsets);
}

// ---- arithmetic

Value TileEmitter::dot(Value x, Value y, Value acc) {
  Type element = getElementTypeOrSelf(x.getType());
  Type type = RankedTensorType::get({tile::getTileShape(x.getType())[0], tile::getTileShape(y.getType())[1]}, element);
  return tile::DotOp::create(b, loc, type, x, y, acc, UnitAttr(), IntegerAttr(), getPrecision());
}

Value TileEmitter::add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
Value TileEmitter::sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
Value TileEmitter::mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
Value TileEmitter::scale(Value x, double factor) { return mul(x, constant(factor, x.getType())); }

Value TileEmitter::mulAdd(Value a, int64_t factor, Value c) {
  Value product = arith::MulIOp::create(b, loc, a, index(factor));
  return arith::AddIOp::create(b, loc, product, c);
}

Value TileEmitter::normalise(Value x, int64_t axis, double eps) {
  Type type = x.getType();
  double count = tile::getTileShape(type)[axis];
  int64_t kept = 1 - axis; // what is left of two axes after the reduction runs along the other one
  Value mean = scale(sum(x, axis), 1.0 / count);
  Value centred = sub(x, broadcast(mean, type, kept));
  Value variance = scale(sum(mul(centred, centred), axis), 1.0 / count);
  Value deviation = math::SqrtOp::create(b, loc, add(variance, constant(eps, variance.getType())));
  Value inverse = arith::DivFOp::create(b, loc, constant(1.0, deviation.getType()), deviation);
  return mul(centred, broadcast(inverse, type, kept));
}

Value TileEmitter::l2normalise(Value x, int64_t axis, double floor) {
  Type type = x.getType();
  Value length = math::SqrtOp::create(b, loc, sum(mul(x, x), axis));
  length = arith::MaximumFOp::create(b, loc, length, constant(floor, length.getType()));
  Value inverse = arith::DivFOp::create(b, loc, constant(1.0, length.getType()), length);
  return mul(x, broadcast(inverse, type, 1 - axis));
}

Value TileEmitter::roundTo(Value x, Type element) {
  Type compute = getElementTypeOrSelf(x.getType());
  if (compute == element || !compute.isF32()) {
    return x;
  }
  auto like = [&](Type other) { return cloneElement(x.getType(), other); };
  if (!element.isBF16()) {
    Value narrow = arith::TruncFOp::create(b, loc, like(element), x);
    return arith::ExtFOp::create(b, loc, x.getType(), narrow);
  }
  // To nearest even, in integers: not every machine has the instruction.
  Type integer = like(b.getI32Type());
  auto bits = [&](int64_t value) -> Value {
    TypedAttr attr = b.getI32IntegerAttr(value);
    if (auto tensor = dyn_cast<RankedTensorType>(integer)) {
      attr = DenseElementsAttr::get(tensor, Attribute(attr));
    }
    return arith::ConstantOp::create(b, loc, attr);
  };
  Value raw = arith::BitcastOp::create(b, loc, integer, x);
  Value odd = arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, raw, bits(16)), bits(1));
  Value sum = arith::AddIOp::create(b, loc, arith::AddIOp::create(b, loc, raw, bits(0x7fff)), odd);
  Value rounded = arith::BitcastOp::create(b, loc, x.getType(), arith::AndIOp::create(b, loc, sum, bits(-65536)));
  Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
  return arith::SelectOp::create(b, loc, isNaN, x, rounded);
}

Value TileEmitter::elementwise(Operation *op, ValueRange operands) {
  Value x = operands.front();
  Type type = x.getType();
  auto sigmoid = [&](Value v) -> Value {
    Value e = math::ExpOp::create(b, loc, arith::NegFOp::create(b, loc, v));
    return arith::DivFOp::create(b, loc, constant(1.0, type), add(constant(1.0, type), e));
  };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](SigmoidOp) { return sigmoid(x); })
      .Case([&](SiluOp) { return mul(x, sigmoid(x)); })
      // Values are kept in the compute type; narrowing them is rounding.
      .Case([&](arith::ExtFOp) { return x; })
      .Case([&](arith::TruncFOp) { return roundTo(x, getElementTypeOrSelf(op->getResult(0).getType())); })
      .Case([&](ReluOp) { return arith::MaximumFOp::create(b, loc, x, constant(0.0, type)); })
      .Case([&](SoftplusOp) -> Value { // max(x, 0) + log1p(e^-|x|): no overflow, no cancellation
        Value magnitude = math::AbsFOp::create(b, loc, x);
        Value e = math::ExpOp::create(b, loc, arith::NegFOp::create(b, loc, magnitude));
        Value positive = arith::MaximumFOp::create(b, loc, x, constant(0.0, type));
        return add(positive, math::Log1pOp::create(b, loc, e));
      })
      .Default([&](Operation *) -> Value {
        IRMapping mapping;
        mapping.map(op->getOperands(), operands);
        Operation *clone = b.clone(*op, mapping);
        Type element = computeType(getElementTypeOrSelf(op->getResult(0).getType()));
        ArrayRef<int64_t> shape = tile::getTileShape(type);
        clone->getResult(0).setType(tileType(shape, element));
        return clone->getResult(0);
      });
}

// ---- states: rows of keys (several key axes flattened) times the value axis

Value TileEmitter::repeatKey(Value vector, StateType state, unsigned axis) {
  Type element = state.getElementType();
  auto repeat = [&](int64_t before, int64_t after, int64_t on) {
    vector = broadcast(vector, tileType({before, after}, element), on);
    vector = reshape(vector, tileType({before * after}, element));
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

/// Blocks of p rows of the state, each times its matrix. Behind the axis lie whole rows: they join the value axis.
Value TileEmitter::transformState(Value x, StateType state, unsigned axis, Value blocks) {
  int64_t rows = 1, columns = state.getValue();
  for (auto [i, key] : llvm::enumerate(state.getKeys())) {
    (i <= axis ? rows : columns) *= key;
  }
  Type wide = tileType({rows, columns}, state.getElementType());
  Value result = tile::DotOp::create(b, loc, wide, blocks, reshape(x, wide), Value(), UnitAttr(),
                                     b.getI64IntegerAttr(tile::getTileShape(blocks.getType())[1]), getPrecision());
  return reshape(result, x.getType());
}

void TileEmitter::checkBound(const StateStep &step, Value log) {
  if (!step.bound || step.isCertified) {
    return;
  }
  Type type = log.getType();
  Value excess = arith::MaximumFOp::create(b, loc, sub(constant(step.bound->first, type), log),
                                           sub(log, constant(step.bound->second, type)));
  Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, log, log);
  excess = arith::SelectOp::create(b, loc, isNaN, constant(-1.0, type), excess);
  while (isa<RankedTensorType>(excess.getType())) {
    SmallVector<int64_t> shape(tile::getTileShape(excess.getType()));
    shape.erase(shape.begin()); // rows first: of vectors side by side one number is taken once, at the end
    Type reduced = tileType(shape, getElementTypeOrSelf(type));
    excess = tile::ReduceOp::create(b, loc, reduced, tile::ReduceKind::max, excess, /*axis=*/0);
  }
  Value zero = constant(0.0, excess.getType());
  tile::FlagOp::create(b, loc, arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, excess, zero));
}
