// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Axes of flattened values: what has more of them than a tile is seen as [outer, axis, inner].
#include "passes/Expand/TileEmitter.h"

using namespace mlir;
using namespace rwkv;

static ArrayRef<int64_t> shapeOf(Value value) { return tile::getTileShape(value.getType()); }

static Type elementOf(Value value) { return getElementTypeOrSelf(value.getType()); }

// ---- rows

Value TileEmitter::repeat(Value x, int64_t times) {
  if (times == 1) {
    return x;
  }
  int64_t count = shapeOf(x)[0], size = shapeOf(x)[1];
  Type type = tileType({count, times * size}, elementOf(x));
  auto loop = scf::ForOp::create(b, loc, index(0), index(times), index(1), ValueRange{constant(0.0, type)});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  Value column = mulAdd(loop.getInductionVar(), size, index(0));
  scf::YieldOp::create(b, loc, insert(x, loop.getRegionIterArg(0), {index(0), column}));
  return loop.getResult(0);
}

Value TileEmitter::stretch(Value x, int64_t times) {
  if (times == 1) {
    return x;
  }
  int64_t count = shapeOf(x)[0], size = shapeOf(x)[1];
  Value wide = insertAxis(x, count * size, times, 1);
  return reshape(wide, tileType({count, size * times}, elementOf(x)));
}

Value TileEmitter::sumPieces(Value x, int64_t pieces) {
  if (pieces == 1) {
    return x;
  }
  int64_t size = shapeOf(x)[1] / pieces;
  Type type = tileType({shapeOf(x)[0], size}, elementOf(x));
  auto loop = scf::ForOp::create(b, loc, index(0), index(pieces), index(1), ValueRange{constant(0.0, type)});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  Value column = mulAdd(loop.getInductionVar(), size, index(0));
  scf::YieldOp::create(b, loc, add(loop.getRegionIterArg(0), slice(x, type, {index(0), column})));
  return loop.getResult(0);
}

// ---- any axis

Value TileEmitter::insertAxis(Value x, int64_t outer, int64_t times, int64_t inner) {
  Type element = elementOf(x);
  if (inner == 1) {
    return broadcast(reshape(x, tileType({outer}, element)), tileType({outer, times}, element), 0);
  }
  if (outer == 1) {
    return broadcast(reshape(x, tileType({inner}, element)), tileType({times, inner}, element), 1);
  }
  return repeat(reshape(x, tileType({outer, inner}, element)), times);
}

Value TileEmitter::broadcastAxes(Value x, ArrayRef<int64_t> positions, ArrayRef<int64_t> shape, int64_t count) {
  int64_t outer = count, inner = 1, times = 1;
  for (int64_t position : positions) {
    inner *= shape[position];
  }
  for (auto [axis, size] : llvm::enumerate(shape)) {
    bool isNew = !llvm::is_contained(positions, static_cast<int64_t>(axis));
    times *= isNew ? size : 1;
    bool isLast = axis + 1 == shape.size();
    if (isNew && !isLast) {
      continue; // new axes side by side are one
    }
    if (times > 1) {
      x = insertAxis(x, outer, times, inner);
      outer *= times;
      times = 1;
    }
    outer *= isNew ? 1 : size;
    inner /= isNew ? 1 : size;
  }
  return x;
}

Value TileEmitter::sumAxis(Value x, ArrayRef<int64_t> shape, int64_t axis, int64_t count) {
  Type element = elementOf(x);
  int64_t size = shape[axis], outer = count * llvm::product_of(shape.take_front(axis));
  int64_t inner = llvm::product_of(shape.drop_front(axis + 1));
  if (inner == 1) {
    bool isNumber = count == 1 && shape.size() == 1;
    Type lines = isNumber ? tileType({size}, element) : tileType({outer, size}, element);
    return sum(reshape(x, lines), isNumber ? 0 : 1);
  }
  if (outer == 1) {
    return sum(reshape(x, tileType({size, inner}, element)), 0);
  }
  return sumPieces(reshape(x, tileType({outer, size * inner}, element)), size);
}

Value TileEmitter::l2normalise(Value x, ArrayRef<int64_t> shape, int64_t axis, double floor, int64_t count) {
  Value length = math::SqrtOp::create(b, loc, sumAxis(mul(x, x), shape, axis, count));
  length = arith::MaximumFOp::create(b, loc, length, constant(floor, length.getType()));
  Value inverse = arith::DivFOp::create(b, loc, constant(1.0, length.getType()), length);
  if (!isa<RankedTensorType>(inverse.getType())) {
    return mul(x, broadcast(inverse, x.getType()));
  }
  int64_t outer = count * llvm::product_of(shape.take_front(axis));
  Value factors = insertAxis(inverse, outer, shape[axis], llvm::product_of(shape.drop_front(axis + 1)));
  return mul(x, reshape(factors, x.getType()));
}
