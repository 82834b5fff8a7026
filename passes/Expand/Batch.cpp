// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/Batch.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

static ArrayRef<int64_t> shapeOf(Value value) { return tile::getTileShape(value.getType()); }

static int64_t countOf(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape) {
    count *= size;
  }
  return count;
}

static Type elementOf(Value value) { return TileEmitter::computeType(getElementTypeOrSelf(value.getType())); }

Type Batch::rows(int64_t columns, Type element) const { return RankedTensorType::get({tokens, columns}, element); }

void Batch::set(Value value, Value tile, bool perToken) {
  if (!perToken && shapeOf(tile).size() == 2) { // flat
    tile = e.reshape(tile, TileEmitter::tileType({countOf(shapeOf(tile))}, elementOf(tile)));
  }
  entries[value] = {tile, perToken};
  spreads.erase(value);
}

Value Batch::get(Value value) {
  Value &known = spreads[value];
  if (!known) {
    Entry entry = find(value);
    Value tile = spread(entry);
    return spreads[value] = tile;
  }
  return known;
}

Value Batch::spread(Entry entry) {
  if (entry.perToken) {
    return entry.tile;
  }
  ArrayRef<int64_t> shape = shapeOf(entry.tile);
  Type element = getElementTypeOrSelf(entry.tile.getType());
  SmallVector<int64_t> all = {tokens};
  all.append(shape.begin(), shape.end());
  return e.broadcast(entry.tile, RankedTensorType::get(all, element), 1);
}

Batch::Entry Batch::find(Value value) {
  auto it = entries.find(value);
  if (it != entries.end()) {
    return it->second;
  }
  Operation *op = value.getDefiningOp();
  Entry entry;
  if (isa_and_nonnull<StateStepOpInterface>(op)) {
    entry = {resolve(value), true};
  } else if (op) {
    entry = compute(op);
  }
  entries[value] = entry;
  return entry;
}

Value Batch::getNumber(Value value) {
  Value &known = numbers[value];
  if (known) {
    return known;
  }
  if (shapeOf(value).empty()) {
    return known = get(value);
  }
  Operation *op = value.getDefiningOp();
  Type scalar = elementOf(value), type = RankedTensorType::get({tokens}, scalar);
  if (auto fill = dyn_cast<FillOp>(op)) {
    return known = e.constant(fill.getValue().convertToDouble(), type);
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    Attribute splat = cast<SplatElementsAttr>(constant.getValue()).getSplatValue<Attribute>();
    auto number = dyn_cast<FloatAttr>(splat);
    return known = number ? e.constant(number.getValueAsDouble(), type) : e.splat(splat, type);
  }
  if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    Value number = getNumber(broadcast.getX());
    return numbers[value] = number;
  }
  SmallVector<Value> operands = llvm::map_to_vector(op->getOperands(), [&](Value x) { return getNumber(x); });
  return numbers[value] = e.elementwise(op, operands);
}

// ---- ops

Batch::Entry Batch::compute(Operation *op) {
  ArrayRef<int64_t> shape = shapeOf(op->getResult(0));
  Type element = elementOf(op->getResult(0));
  Type flat = shape.empty() ? element : TileEmitter::tileType({countOf(shape)}, element);
  if (auto fill = dyn_cast<FillOp>(op)) {
    return {e.constant(fill.getValue().convertToDouble(), flat), false};
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    return computeConstant(constant);
  }
  SmallVector<Entry> operands;
  bool perToken = false;
  for (Value operand : op->getOperands()) {
    operands.push_back(find(operand));
    perToken |= operands.back().perToken;
  }
  return llvm::TypeSwitch<Operation *, Entry>(op)
      .Case([&](BroadcastOp broadcastOp) { return broadcast(broadcastOp, operands[0]); })
      .Case([&](SumOp sum) -> Entry {
        int64_t axis = cast<IntegerAttr>(sum.getAxis()).getInt();
        return {flatten(e.sumAxis(spread(operands[0]), shapeOf(sum.getX()), axis, tokens), sum), true};
      })
      .Case([&](L2NormOp norm) -> Entry {
        int64_t axis = cast<IntegerAttr>(norm.getAxis()).getInt();
        double floor = norm.getFloor().convertToDouble();
        return {e.l2normalise(spread(operands[0]), shapeOf(norm), axis, floor, tokens), true};
      })
      .Case([&](ReshapeOp) { return operands[0]; })
      .Case([&](DotOp) -> Entry { return {e.sum(e.mul(spread(operands[0]), spread(operands[1])), 1), true}; })
      .Case([&](MatvecOp matvec) -> Entry {
        ArrayRef<int64_t> matrix = shapeOf(matvec.getMatrix());
        Value x = spread(operands[1]);
        if (!operands[0].perToken) {
          Value m = e.reshape(operands[0].tile, TileEmitter::tileType(matrix, element));
          return {tile::DotOp::create(e.b, e.loc, rows(matrix[0], element), x, m, Value(), e.b.getUnitAttr(),
                                      IntegerAttr(), e.getPrecision()),
                  true};
        }
        Value products = e.mul(operands[0].tile, repeat(x, matrix[0]));
        Value lines = e.reshape(products, TileEmitter::tileType({tokens * matrix[0], matrix[1]}, element));
        return {e.reshape(e.sum(lines, 1), rows(matrix[0], element)), true};
      })
      .Default([&](Operation *) -> Entry {
        // Conditions and integers are kept for each token: only numbers can be repeated.
        perToken |= !isa<FloatType>(element);
        auto select = dyn_cast<arith::SelectOp>(op);
        if (select && !shape.empty() && shapeOf(select.getCondition()).empty()) {
          return {choose(operands[0].tile, spread(operands[1]), spread(operands[2])), true};
        }
        SmallVector<Value> tiles =
            llvm::map_to_vector(operands, [&](Entry x) { return perToken ? spread(x) : x.tile; });
        return {e.elementwise(op, tiles), perToken};
      });
}

Batch::Entry Batch::computeConstant(arith::ConstantOp op) {
  ArrayRef<int64_t> shape = shapeOf(op);
  Type element = elementOf(op), flat = shape.empty() ? element : TileEmitter::tileType({countOf(shape)}, element);
  if (auto number = dyn_cast<FloatAttr>(op.getValue())) {
    return {e.constant(number.getValueAsDouble(), flat), false};
  }
  if (auto values = dyn_cast<DenseFPElementsAttr>(op.getValue())) {
    return {e.constant(values, flat), false};
  }
  auto splat = dyn_cast<SplatElementsAttr>(op.getValue());
  Type type = shape.empty() ? RankedTensorType::get({tokens}, element) : rows(countOf(shape), element);
  return {e.splat(splat ? splat.getSplatValue<Attribute>() : Attribute(op.getValue()), type), true};
}

Value Batch::choose(Value condition, Value x, Value y) {
  Type type = x.getType();
  if (shapeOf(x) != shapeOf(condition)) { // as numbers, which can be repeated
    Type f32 = e.b.getF32Type(), numbers = RankedTensorType::get({tokens}, f32), wide = rows(shapeOf(x)[1], f32);
    Value ones = arith::SelectOp::create(e.b, e.loc, condition, e.constant(1.0, numbers), e.constant(0.0, numbers));
    condition =
        arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::UNE, e.broadcast(ones, wide, 0), e.constant(0.0, wide));
  }
  return arith::SelectOp::create(e.b, e.loc, type, condition, x, y);
}

Batch::Entry Batch::broadcast(BroadcastOp op, Entry x) {
  ArrayRef<int64_t> from = shapeOf(op.getX()), to = shapeOf(op.getResult());
  Type element = elementOf(op.getResult());
  if (from.empty()) {
    Type flat = TileEmitter::tileType({countOf(to)}, element);
    return x.perToken ? Entry{e.broadcast(x.tile, rows(countOf(to), element), 0), true}
                      : Entry{e.broadcast(x.tile, flat), false};
  }
  return {flatten(e.broadcastAxes(spread(x), op.getPositions(), to, tokens), op), true};
}

/// A tile of all tokens as that of the values that are `like` this one.
Value Batch::flatten(Value x, Value like) {
  ArrayRef<int64_t> shape = shapeOf(like);
  Type element = elementOf(x);
  return shape.empty() ? e.broadcast(x, RankedTensorType::get({tokens}, element)) // of one token, a sum is a number
                       : e.reshape(x, rows(countOf(shape), element));
}

// ---- rows of flattened axes

Value Batch::multiplyBlocks(Value blocks, Value x, int64_t size, bool transposed) {
  ArrayRef<int64_t> shape = shapeOf(x);
  Type element = elementOf(x);
  int64_t count = shape[0] * shape[1] / size; // blocks of all tokens
  Value pieces = e.reshape(x, TileEmitter::tileType({count, size}, element));
  Value matrices = e.reshape(blocks, TileEmitter::tileType({count, size * size}, element));
  Value result;
  if (transposed) {
    result = sumPieces(e.mul(matrices, stretch(pieces, size)), size);
  } else {
    Value products = e.mul(matrices, repeat(pieces, size));
    result = e.sum(e.reshape(products, TileEmitter::tileType({count * size, size}, element)), 1);
  }
  return e.reshape(result, x.getType());
}

Value Batch::kron(ValueRange keys) {
  Value flat = keys.front();
  for (Value key : keys.drop_front()) {
    int64_t left = shapeOf(flat)[1], right = shapeOf(key)[1];
    flat = e.mul(stretch(flat, right), repeat(key, left));
  }
  return flat;
}

Value Batch::scaleRows(Value x, Value numbers) { return e.mul(x, e.broadcast(numbers, x.getType(), 0)); }
