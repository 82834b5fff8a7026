// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What loops compute of tiles that are vectors in truth: of one column, or with all columns alike.
#include "lowering/TilePrograms/Plan.h"
#include "lowering/TilePrograms/Roles.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

void programs::computeOfVectors(scf::ForOp loop) {
  for (Operation &op : llvm::make_early_inc_range(loop.getBody()->without_terminator())) {
    if (!isElementwise(&op) || getRank(op.getResult(0)) != 2) {
      continue;
    }
    SmallVector<Value> vectors;
    tile::BroadcastOp first;
    for (Value operand : op.getOperands()) {
      auto broadcast = operand.getDefiningOp<tile::BroadcastOp>();
      bool isAlike = broadcast && getRank(broadcast.getX()) == 1 && (!first || broadcast.getOn() == first.getOn());
      first = isAlike ? broadcast : first;
      vectors.push_back(isAlike ? broadcast.getX() : Value());
    }
    if (vectors.empty() || llvm::is_contained(vectors, Value())) {
      continue;
    }
    OpBuilder b(&op);
    auto result = cast<RankedTensorType>(op.getResult(0).getType());
    auto vector = cast<RankedTensorType>(first.getX().getType()).clone(result.getElementType());
    OperationState state(op.getLoc(), op.getName(), vectors, vector, op.getAttrs());
    state.propertiesAttr = op.getPropertiesAsAttribute();
    Value made = b.create(state)->getResult(0);
    op.getResult(0).replaceAllUsesWith(tile::BroadcastOp::create(b, op.getLoc(), result, made, first.getOnAttr()));
    op.erase();
  }
}

/// A matrix times a vector, in the compute type: a product of elements, and their sums.
static void multiplyVector(tile::DotOp dot) {
  OpBuilder b(dot);
  Location loc = dot.getLoc();
  auto [tile, isTurned] = skipTransposes(dot.getLhs());
  if (Operation *op = tile.getDefiningOp(); op && isElementwise(op)) {
    tile = b.clone(*op)->getResult(0); // what products read is read by nothing else
  }
  int64_t depthAxis = isTurned ? 0 : 1;
  auto type = cast<RankedTensorType>(tile.getType()), result = cast<RankedTensorType>(dot.getResult().getType());
  auto vectorOf = [&](int64_t axis) { return RankedTensorType::get(type.getShape()[axis], type.getElementType()); };
  auto broadcast = dot.getRhs().getDefiningOp<tile::BroadcastOp>();
  Value vector;
  DenseElementsAttr alike;
  if (broadcast && matchPattern(broadcast.getX(), m_Constant(&alike)) && alike.isSplat()) {
    alike = DenseElementsAttr::get(vectorOf(depthAxis), alike.getSplatValue<Attribute>());
    vector = arith::ConstantOp::create(b, loc, alike);
  } else if (broadcast && getRank(broadcast.getX()) == 1 && broadcast.getOn().value_or(0) == 0) {
    vector = broadcast.getX();
  } else {
    vector = tile::ReduceOp::create(b, loc, vectorOf(depthAxis), tile::ReduceKind::sum, dot.getRhs(), 1);
  }
  Value factors = tile::BroadcastOp::create(b, loc, type, vector, b.getI64IntegerAttr(depthAxis));
  Value terms = arith::MulFOp::create(b, loc, tile, factors);
  Value sums = tile::ReduceOp::create(b, loc, vectorOf(1 - depthAxis), tile::ReduceKind::sum, terms, depthAxis);
  Value column = tile::BroadcastOp::create(b, loc, result, sums, b.getI64IntegerAttr(0));
  Value all = dot.getAcc() ? arith::AddFOp::create(b, loc, dot.getAcc(), column).getResult() : column;
  dot.getResult().replaceAllUsesWith(all);
  dot.erase();
}

void programs::prepareVectorProducts(scf::ForOp loop, const Roles &roles) {
  llvm::DenseSet<Operation *> applied(roles.apply.begin(), roles.apply.end());
  auto isPrepared = [&](Value value) {
    return !applied.contains(value.getDefiningOp()) && !llvm::is_contained(loop.getRegionIterArgs(), value);
  };
  for (Operation *op : roles.apply) {
    auto dot = dyn_cast<tile::DotOp>(op);
    if (dot && tile::getTileShape(dot.getResult().getType())[1] == 1 && isPrepared(dot.getLhs()) &&
        isPrepared(dot.getRhs())) {
      multiplyVector(dot);
    }
  }
}
