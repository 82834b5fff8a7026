// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Projections: a task computes a block of output features for all rows, so that its part of the weight is read once.
// The elementwise ops behind the projection run on the block before it is stored.
#include "passes/Expand/TileEmitter.h"
#include "passes/Fuse/Shapes.h"

using namespace mlir;
using namespace rwkv;

namespace {

/// Rows that are computed together: each element of the weight is used this often per read.
constexpr int64_t kRowBlock = 4;

class ColumnsEmitter : public KernelEmitter {
public:
  ColumnsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder) : KernelEmitter(fused, kernel, builder) {}

protected:
  LogicalResult run() override {
    linear = *fused.getBody().getOps<LinearOp>().begin();
    RowSpace space = getRowSpace(linear.getType());
    if (space == RowSpace::constant) {
      return linear.emitOpError("expected a value per token or sequence, but got ") << linear.getType();
    }
    features = cast<RankedTensorType>(linear.getType()).getShape().back();
    transposed = weightOp(linear.getWeightAttr()).getTransposed();
    block = chooseBlock();

    Value rows = space == RowSpace::tokens ? arith::MulIOp::create(b, loc, sizeB(), sizeT()).getResult()
                                           : (isPacked() ? sizeS() : sizeB());
    column = mulAdd(kernel.getTask(), block, index(0));
    Value full =
        arith::MulIOp::create(b, loc, arith::DivUIOp::create(b, loc, rows, index(kRowBlock)), index(kRowBlock));
    return failure(failed(emitRows(index(0), full, kRowBlock)) || failed(emitRows(full, rows, 1)));
  }

  Value countTasks(TileEmitter &e, Sizes) override { return e.index(features / block); }

private:
  /// A divisor of the output features: wide enough to amortise loads of the input, small enough to share out. Weights
  /// stored (in, out) are read along the outputs and want whole vectors of them.
  int64_t chooseBlock() {
    int64_t limit = transposed ? 16 : 64, best = 1;
    for (int64_t candidate = 1; candidate <= limit; ++candidate) {
      best = features % candidate == 0 ? candidate : best;
    }
    return best;
  }

  LogicalResult emitRows(Value from, Value to, int64_t rows) {
    auto loop = scf::ForOp::create(b, loc, from, to, index(rows));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    row = loop.getInductionVar();
    tiles.clear();
    Operation *yield = fused.getBody().front().getTerminator();
    for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
      FailureOr<Value> tile = emit(value, rows);
      if (failed(tile)) {
        return failure();
      }
      store(*tile, output(i), offset(), features);
    }
    return success();
  }

  Value offset() { return mulAdd(row, features, column); }

  FailureOr<Value> emit(Value value, int64_t rows) {
    if (Value known = tiles.lookup(value)) {
      return known;
    }
    FailureOr<Value> tile = emitNew(value, rows);
    if (succeeded(tile)) {
      tiles[value] = *tile;
    }
    return tile;
  }

  FailureOr<Value> emitNew(Value value, int64_t rows) {
    Type type = tileType({rows, block}, getElementTypeOrSelf(value.getType()));
    if (isInput(value)) {
      return load(buffer(value), offset(), type, features);
    }
    Operation *op = value.getDefiningOp();
    if (op == linear) {
      return emitLinear(type, rows);
    }
    if (auto fill = dyn_cast<FillOp>(op)) {
      return constant(fill.getValue().convertToDouble(), type);
    }
    if (auto get = dyn_cast<GetOp>(op)) {
      auto stored = weightOp(get.getWeightAttr()).getStoredType();
      if (stored.getRank() != 1 || stored.getDimSize(0) != features) {
        return op->emitOpError("expected a weight of the output features, but got ") << stored;
      }
      Type vector = tileType({block}, getElementTypeOrSelf(type));
      return broadcast(load(buffer(get.getWeightAttr()), column, vector), type, 1);
    }
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      FailureOr<Value> tile = emit(operand, rows);
      if (failed(tile)) {
        return failure();
      }
      operands.push_back(*tile);
    }
    return elementwise(op, operands);
  }

  Value emitLinear(Type type, int64_t rows) {
    int64_t depth = cast<RankedTensorType>(linear.getX().getType()).getShape().back();
    Type element = getElementTypeOrSelf(type);
    Value x = load(buffer(linear.getX()), mulAdd(row, depth, index(0)), tileType({rows, depth}, element));
    Value weight = buffer(linear.getWeightAttr());
    Value w = transposed ? load(weight, mulAdd(column, depth, index(0)), tileType({block, depth}, element))
                         : load(weight, column, tileType({depth, block}, element), features);
    return tile::DotOp::create(b, loc, type, x, w, Value(), transposed ? b.getUnitAttr() : UnitAttr(), IntegerAttr(),
                               getPrecision());
  }

  LinearOp linear;
  int64_t features = 0, block = 0;
  bool transposed = false;
  Value column, row;
  llvm::DenseMap<Value, Value> tiles;
};

} // namespace

std::unique_ptr<KernelEmitter> rwkv::createColumnsEmitter(FusedOp fused, tile::KernelOp kernel, OpBuilder builder) {
  return std::make_unique<ColumnsEmitter>(fused, kernel, builder);
}
