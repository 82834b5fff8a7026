// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/TilePrograms/Points.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

#include <numeric>

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

// ---- leaves

/// A tile that is read from memory in this nest.
bool NestPoints::isMemory(Value tile) {
  if (const Root *root = plan.find(tile)) {
    return !(root->kind == Root::Kind::tile && root->nest == nestIndex);
  }
  Operation *op = tile.getDefiningOp();
  return !op || !(isElementwise(op) || isa<tile::BroadcastOp, tile::IotaOp, arith::ConstantOp>(op)) ||
         context.isWritten(tile);
}

/// Makes scalars and addresses available in front of the loops.
void NestPoints::prepare(Value value) {
  if (!prepared.insert(value).second) {
    return;
  }
  if (!isTile(value)) {
    scalars[value] = context.getScalar(value);
    return;
  }
  if (isMemory(value)) {
    memories.try_emplace(value, context.getMemory(value));
    return;
  }
  for (Value operand : value.getDefiningOp()->getOperands()) {
    prepare(operand);
  }
}

// ---- evaluation at a point

unsigned NestPoints::broadcastAxes(tile::BroadcastOp op, unsigned axes, ArrayRef<int64_t> shape) {
  if (!isTile(op.getX())) {
    return 0;
  }
  return shape.size() == 1 ? axes : (*op.getOn() == 0 ? kRowBit : kColumnBit);
}

unsigned NestPoints::iotaAxis(tile::IotaOp op, unsigned axes) {
  return tile::getTileShape(op.getType()).size() == 1 ? axes : (op.getAxis() == 0 ? kRowBit : kColumnBit);
}

/// The indices of a point along the rows, the same for all columns, or along the columns.
Value NestPoints::emitIota(tile::IotaOp op, unsigned axes, const Point &point) {
  Type i32 = b.getI32Type();
  if (iotaAxis(op, axes) == kRowBit) {
    return arith::IndexCastOp::create(b, loc, i32, point.row);
  }
  if (point.width == 0) {
    return arith::IndexCastOp::create(b, loc, i32, point.column);
  }
  auto type = VectorType::get({point.width}, i32);
  SmallVector<int32_t> lane(point.width);
  std::iota(lane.begin(), lane.end(), 0);
  Value lanes = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(lane)));
  Value first = arith::IndexCastOp::create(b, loc, i32, point.column);
  return arith::AddIOp::create(b, loc, lanes, toVector(first, point.width));
}

/// Which axes the value of `v` at `axes` depends on.
unsigned NestPoints::dependence(Value v, unsigned axes) {
  auto [it, inserted] = dependences.try_emplace({v, axes}, 0);
  if (inserted) {
    unsigned result = computeDependence(v, axes);
    dependences[{v, axes}] = result;
    return result;
  }
  return it->second;
}

unsigned NestPoints::computeDependence(Value v, unsigned axes) {
  if (!isTile(v)) {
    return 0;
  }
  if (isMemory(v)) {
    return axes;
  }
  Operation *op = v.getDefiningOp();
  if (isa<arith::ConstantOp>(op)) {
    return 0;
  }
  if (auto iota = dyn_cast<tile::IotaOp>(op)) {
    return iotaAxis(iota, axes);
  }
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
    return dependence(broadcast.getX(), broadcastAxes(broadcast, axes, tile::getTileShape(v.getType())));
  }
  unsigned result = 0;
  for (Value operand : op->getOperands()) {
    result |= dependence(operand, axes);
  }
  return result;
}

Value NestPoints::evaluate(Value v, unsigned axes, const Point &point) {
  if (!isTile(v)) {
    return scalars.lookup(v);
  }
  auto key = std::pair(v, axes);
  if (Value known = memo.lookup(key)) {
    return known;
  }
  Value result = evaluateNew(v, axes, point);
  memo[key] = result;
  return result;
}

Value NestPoints::evaluateNew(Value v, unsigned axes, const Point &point) {
  Type compute = getElementTypeOrSelf(v.getType());
  if (isMemory(v)) {
    bool column = axes & kColumnBit;
    bool twoAxes = axes == (kRowBit | kColumnBit);
    const Memory &memory = memories.find(v)->second;
    if (memory.ofLane) {
      return emitLoad(b, loc, memory, Value(), twoAxes ? point.own : Value(), 0, compute);
    }
    if (!column) { // a vector along the rows: one element
      return emitLoad(b, loc, memory, Value(), point.row, 0, compute);
    }
    return emitLoad(b, loc, memory, twoAxes ? point.row : Value(), point.column, point.width, compute);
  }
  Operation *op = v.getDefiningOp();
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto dense = cast<DenseElementsAttr>(constant.getValue());
    return arith::ConstantOp::create(b, loc, dense.getSplatValue<TypedAttr>());
  }
  if (auto iota = dyn_cast<tile::IotaOp>(op)) {
    return emitIota(iota, axes, point);
  }
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
    return evaluate(broadcast.getX(), broadcastAxes(broadcast, axes, tile::getTileShape(v.getType())), point);
  }
  SmallVector<Value> operands;
  bool vector = false;
  for (Value operand : op->getOperands()) {
    operands.push_back(evaluate(operand, axes, point));
    vector |= isa<VectorType>(operands.back().getType());
  }
  Type type = compute;
  if (vector) {
    for (Value &operand : operands) {
      operand = toVector(operand, point.width);
    }
    type = VectorType::get({point.width}, compute);
  }
  OperationState state(loc, op->getName());
  state.addOperands(operands);
  state.addTypes(type);
  state.addAttributes(op->getAttrs());
  Operation *clone = b.create(state);
  if (auto math = dyn_cast<arith::ArithFastMathInterface>(clone)) {
    clone->setAttr(math.getFastMathAttrName(),
                   arith::FastMathFlagsAttr::get(b.getContext(), arith::FastMathFlags::contract));
  }
  return clone->getResult(0);
}

Value NestPoints::toVector(Value value, int64_t width) {
  if (isa<VectorType>(value.getType())) {
    return value;
  }
  return vector::BroadcastOp::create(b, loc, VectorType::get({width}, value.getType()), value);
}

/// Evaluates, where the builder stands, all parts of the roots that depend on nothing but `known` axes.
void NestPoints::hoist(unsigned known, const Point &point) {
  llvm::SmallDenseSet<std::pair<Value, unsigned>> seen;
  for (unsigned root : nest.roots) {
    hoist(plan.roots[root].value, domainAxes(), known, point, seen);
  }
}

void NestPoints::hoist(Value v, unsigned axes, unsigned known, const Point &point,
                       llvm::SmallDenseSet<std::pair<Value, unsigned>> &seen) {
  if (!isTile(v) || !seen.insert({v, axes}).second) {
    return;
  }
  if ((dependence(v, axes) & ~known) == 0) {
    evaluate(v, axes, point);
    return;
  }
  if (isMemory(v)) {
    return;
  }
  Operation *op = v.getDefiningOp();
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
    hoist(broadcast.getX(), broadcastAxes(broadcast, axes, tile::getTileShape(v.getType())), known, point, seen);
    return;
  }
  for (Value operand : op->getOperands()) {
    hoist(operand, axes, known, point, seen);
  }
}

Value NestPoints::neutral(unsigned root, int64_t width) {
  tile::ReduceOp reduce = reduceOf(root);
  Type element = getElementTypeOrSelf(reduce.getX().getType());
  bool isMax = reduce.getKind() == tile::ReduceKind::max;
  const llvm::fltSemantics &semantics = cast<FloatType>(element).getFloatSemantics();
  TypedAttr attr = FloatAttr::get(element, isMax ? APFloat::getInf(semantics, true) : APFloat::getZero(semantics));
  if (width) {
    attr = DenseElementsAttr::get(VectorType::get({width}, element), Attribute(attr));
  }
  return arith::ConstantOp::create(b, loc, attr);
}

Value NestPoints::combine(unsigned root, Value x, Value y) {
  auto contract = arith::FastMathFlagsAttr::get(b.getContext(), arith::FastMathFlags::contract);
  if (reduceOf(root).getKind() == tile::ReduceKind::max) {
    return arith::MaximumFOp::create(b, loc, x, y);
  }
  return arith::AddFOp::create(b, loc, x, y, contract);
}
