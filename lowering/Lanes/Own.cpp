// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which tiles that a loop carries stay in registers: state that is only read and written point by point, as it is token
// by token, need not go through memory that lanes share.
#include "lowering/Lanes/Lanes.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

/// Points of a lane: registers, and code that is written out for them.
static constexpr int64_t kMostPoints = 32;

/// Whether lanes have one column each, as nests over vectors deal them out.
static bool hasEachColumn(int64_t columns, int64_t lanes) {
  return static_cast<int64_t>(llvm::PowerOf2Ceil(columns)) == lanes;
}

/// Whether a vector is read where its column is dealt to a lane: in nests over vectors of this length, or over matrices
/// with such rows.
static bool isReadByColumns(Value tile) {
  int64_t columns = tile::getTileShape(tile.getType()).back();
  return llvm::all_of(tile.getUsers(), [&](Operation *user) {
    if (isElementwise(user)) { // which programs may want in the memory of the vector
      return llvm::none_of(user->getResult(0).getUsers(),
                           [](Operation *next) { return isProgram(next) || isView(next); });
    }
    if (auto broadcast = dyn_cast<tile::BroadcastOp>(user); broadcast && getRank(user->getResult(0)) == 2) {
      // A nest that sums over columns deals points out in another way.
      WalkResult sums = user->getParentOfType<tile::KernelOp>().getBody().walk([&](tile::ReduceOp reduce) {
        ArrayRef<int64_t> shape = tile::getTileShape(reduce.getX().getType());
        bool others = shape.size() == 2 && reduce.getAxis() == 1 && shape[1] == columns;
        return others ? WalkResult::interrupt() : WalkResult::advance();
      });
      bool isOperand = llvm::any_of(broadcast.getResult().getUsers(), isProgram);
      return *broadcast.getOn() == 1 && !isOperand && !sums.wasInterrupted();
    }
    return isa<tile::ReduceOp, tile::StoreOp, scf::YieldOp, scf::ForOp>(user);
  });
}

bool lanes::isVectorOfLanes(Value tile, int64_t lanes) {
  Operation *op = tile.getDefiningOp();
  if (!op || !isTile(tile) || getRank(tile) != 1) {
    return false;
  }
  int64_t columns = tile::getTileShape(tile.getType()).back();
  auto reduce = dyn_cast<tile::ReduceOp>(op);
  bool isSum = reduce && reduce.getAxis() == 0 && getRank(reduce.getX()) == 2;
  bool isPoint = isa<tile::LoadOp>(op) || isElementwise(op);
  // Several lanes may have a column, each of them its elements, but not one that others have, too.
  bool hasAll = llvm::isPowerOf2_64(columns) && columns <= lanes;
  return ((hasAll && (isSum || isPoint)) || (isPoint && hasEachColumn(columns, lanes))) && isReadByColumns(tile);
}

bool lanes::isOnlyFlagged(tile::ReduceOp maximum) {
  bool isMaximum = maximum.getKind() == tile::ReduceKind::max && !isTile(maximum.getResult());
  return isMaximum && llvm::all_of(maximum.getResult().getUses(), [](OpOperand &use) {
           auto compare = dyn_cast<arith::CmpFOp>(use.getOwner());
           return compare && use.getOperandNumber() == 0 && compare.getLhs() != compare.getRhs() &&
                  llvm::is_contained({arith::CmpFPredicate::OGT, arith::CmpFPredicate::OGE}, compare.getPredicate()) &&
                  llvm::all_of(compare->getUsers(), llvm::IsaPred<tile::FlagOp>);
         });
}

bool lanes::isPointwise(tile::KernelOp kernel) {
  std::optional<int64_t> columns;
  WalkResult found = kernel.getBody().walk([&](Operation *op) {
    auto isOther = [&](Value value) {
      if (!isTile(value)) {
        return false;
      }
      ArrayRef<int64_t> shape = tile::getTileShape(value.getType());
      columns = columns.value_or(shape.back());
      return shape.size() != 1 || shape.back() != *columns;
    };
    bool isKnown = isElementwise(op) ||
                   isa<tile::LoadOp, tile::StoreOp, arith::ConstantOp, scf::ForOp, scf::IfOp>(op) ||
                   op->hasTrait<OpTrait::IsTerminator>() || (isa<tile::BroadcastOp>(op) && !isTile(op->getOperand(0)));
    bool hasTiles = llvm::any_of(op->getOperands(), isTile) || llvm::any_of(op->getResults(), isTile);
    bool hasOthers = llvm::any_of(op->getOperands(), isOther) || llvm::any_of(op->getResults(), isOther);
    return hasTiles && (!isKnown || hasOthers) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return columns && !found.wasInterrupted();
}

bool lanes::canBeOfLanes(scf::ForOp loop, unsigned carried, int64_t lanes) {
  Value arg = loop.getRegionIterArgs()[carried];
  auto type = dyn_cast<RankedTensorType>(arg.getType());
  if (!type) {
    return false;
  }
  if (type.getRank() == 1) {
    return hasEachColumn(type.getDimSize(0), lanes) && isReadByColumns(arg) && isReadByColumns(loop.getResult(carried));
  }
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  bool even = llvm::isPowerOf2_64(columns) && columns <= lanes && rows % (lanes / columns) == 0;
  if (!even || rows * columns / lanes > kMostPoints) {
    return false;
  }
  // A nest that sums over columns deals points out in another way, to all of its tiles.
  WalkResult sums = loop.walk([&](tile::ReduceOp reduce) {
    bool others = reduce.getAxis() == 1 && tile::getTileShape(reduce.getX().getType()) == type.getShape();
    return others ? WalkResult::interrupt() : WalkResult::advance();
  });
  if (sums.wasInterrupted()) {
    return false;
  }
  SmallVector<Value> points{arg, loop.getResult(carried)};
  llvm::SmallPtrSet<Operation *, 16> seen;
  while (!points.empty()) {
    for (Operation *user : points.pop_back_val().getUsers()) {
      if (isElementwise(user)) {
        if (seen.insert(user).second) {
          points.push_back(user->getResult(0));
        }
      } else if (!isa<tile::ReduceOp, tile::StoreOp, scf::YieldOp, scf::ForOp>(user)) {
        return false;
      }
    }
  }
  return true;
}
