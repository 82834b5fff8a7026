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
    Value tile = entry.tile ? spread(entry) : Value();
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
    double number = cast<DenseFPElementsAttr>(constant.getValue()).getSplatValue<APFloat>().convertToDouble();
    return known = e.constant(number, type);
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
    if (auto number = dyn_cast<FloatAttr>(constant.getValue())) {
      return {e.constant(number.getValueAsDouble(), flat), false};
    }
    auto values = dyn_cast<DenseFPElementsAttr>(constant.getValue());
    return {values ? e.constant(values, flat) : Value(), false};
  }
  SmallVector<Entry> operands;
  bool perToken = false;
  for (Value operand : op->getOperands()) {
    operands.push_back(find(operand));
    if (!operands.back().tile) {
      return {};
    }
    perToken |= operands.back().perToken;
  }
  return llvm::TypeSwitch<Operation *, Entry>(op)
      .Case([&](BroadcastOp broadcastOp) { return broadcast(broadcastOp, operands[0]); })
      .Case([&](SumOp sumOp) { return sum(sumOp, operands[0]); })
      .Case([&](L2NormOp norm) -> Entry {
        return {e.l2normalise(spread(operands[0]), 1, norm.getFloor().convertToDouble()), true};
      })
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
        if (!op->hasTrait<OpTrait::Elementwise>() || op->getNumResults() != 1) {
          return {};
        }
        SmallVector<Value> tiles =
            llvm::map_to_vector(operands, [&](Entry x) { return perToken ? spread(x) : x.tile; });
        return {e.elementwise(op, tiles), perToken};
      });
}

Batch::Entry Batch::broadcast(BroadcastOp op, Entry x) {
  ArrayRef<int64_t> from = shapeOf(op.getX()), to = shapeOf(op.getResult());
  Type element = elementOf(op.getResult());
  if (from.empty()) {
    Type flat = TileEmitter::tileType({countOf(to)}, element);
    return x.perToken ? Entry{e.broadcast(x.tile, rows(countOf(to), element), 0), true}
                      : Entry{e.broadcast(x.tile, flat), false};
  }
  if (from == to) {
    return x;
  }
  if (from.size() != 1) {
    return {};
  }
  Value tile = spread(x);
  int64_t times = countOf(to) / from[0];
  return {op.getPositions()[0] == 0 ? stretch(tile, times) : repeat(tile, times), true};
}

Batch::Entry Batch::sum(SumOp op, Entry x) {
  ArrayRef<int64_t> from = shapeOf(op.getX());
  int64_t axis = cast<IntegerAttr>(op.getAxis()).getInt();
  Value tile = spread(x);
  if (from.size() == 1) {
    return {e.sum(tile, 1), true};
  }
  if (from.size() != 2) {
    return {};
  }
  if (axis == 0) {
    return {sumPieces(tile, from[0]), true};
  }
  Type element = elementOf(op.getX());
  Value lines = e.reshape(tile, TileEmitter::tileType({tokens * from[0], from[1]}, element));
  return {e.reshape(e.sum(lines, 1), rows(from[0], element)), true};
}

// ---- rows of flattened axes

Value Batch::repeat(Value x, int64_t times) {
  if (times == 1) {
    return x;
  }
  ArrayRef<int64_t> shape = shapeOf(x);
  int64_t count = shape[0], size = shape[1];
  Type type = RankedTensorType::get({count, times * size}, elementOf(x));
  auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), e.index(times), e.index(1), ValueRange{e.constant(0.0, type)});
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToEnd(loop.getBody());
  Value column = e.mulAdd(loop.getInductionVar(), size, e.index(0));
  Value next = e.insert(x, loop.getRegionIterArg(0), {e.index(0), column});
  scf::YieldOp::create(e.b, e.loc, next);
  return loop.getResult(0);
}

Value Batch::stretch(Value x, int64_t times) {
  if (times == 1) {
    return x;
  }
  ArrayRef<int64_t> shape = shapeOf(x);
  Type element = elementOf(x);
  Value column = e.reshape(x, TileEmitter::tileType({shape[0] * shape[1]}, element));
  Value wide = e.broadcast(column, TileEmitter::tileType({shape[0] * shape[1], times}, element), 0);
  return e.reshape(wide, RankedTensorType::get({shape[0], shape[1] * times}, element));
}

Value Batch::sumPieces(Value x, int64_t pieces) {
  if (pieces == 1) {
    return x;
  }
  ArrayRef<int64_t> shape = shapeOf(x);
  int64_t size = shape[1] / pieces;
  Type type = RankedTensorType::get({shape[0], size}, elementOf(x));
  auto loop =
      scf::ForOp::create(e.b, e.loc, e.index(0), e.index(pieces), e.index(1), ValueRange{e.constant(0.0, type)});
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToEnd(loop.getBody());
  Value column = e.mulAdd(loop.getInductionVar(), size, e.index(0));
  Value next = e.add(loop.getRegionIterArg(0), e.slice(x, type, {e.index(0), column}));
  scf::YieldOp::create(e.b, e.loc, next);
  return loop.getResult(0);
}

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
