// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/TilePrograms/Roles.h"
#include "lowering/TilePrograms/Plan.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

namespace {

using TileAxis = std::pair<void *, int64_t>; // an axis of a tile

TileAxis axisOf(Value value, int64_t axis) { return {value.getAsOpaquePointer(), axis}; }

/// Whether elements along an axis are one number.
bool isUniform(Value value, int64_t axis) {
  Operation *op = value.getDefiningOp();
  if (auto broadcast = dyn_cast_or_null<tile::BroadcastOp>(op)) {
    Value x = broadcast.getX();
    return getRank(x) == 0 || static_cast<int64_t>(broadcast.getOn().value_or(0)) != axis || isUniform(x, 0);
  }
  return isa_and_nonnull<arith::ConstantOp>(op);
}

/// Which axes of the tiles of a loop are the same, and which cannot be split.
class AxisClasses {
public:
  bool visit(Operation &op, std::string &why) {
    bool known = true;
    llvm::TypeSwitch<Operation *>(&op)
        .Case([&](tile::BroadcastOp broadcast) {
          if (getRank(broadcast.getX()) == 1) {
            same(broadcast.getX(), 0, broadcast.getResult(), broadcast.getOn().value_or(0));
          }
        })
        .Case([&](tile::TransposeOp transpose) {
          same(transpose.getX(), 0, transpose.getResult(), 1);
          same(transpose.getX(), 1, transpose.getResult(), 0);
        })
        .Case([&](tile::SliceOp slice) { part(slice.getResult(), slice.getX()); })
        .Case([&](tile::InsertOp insert) {
          part(insert.getPart(), insert.getX());
          sameAll(insert.getX(), insert.getResult());
        })
        .Case([&](tile::ReduceOp reduce) {
          int64_t axis = reduce.getAxis();
          whole(reduce.getX(), axis);
          if (getRank(reduce.getX()) == 2) {
            same(reduce.getX(), 1 - axis, reduce.getResult(), 0);
          }
        })
        .Case([&](tile::DotOp dot) {
          known = !dot.getTransposed() && !dot.getBlocks();
          same(dot.getLhs(), 0, dot.getResult(), 0);
          same(dot.getRhs(), 1, dot.getResult(), 1);
          same(dot.getLhs(), 1, dot.getRhs(), 0);
          whole(dot.getRhs(), 0);
          if (dot.getAcc()) {
            sameAll(dot.getAcc(), dot.getResult());
          }
        })
        .Case([&](tile::CumsumOp cumsum) {
          sameAll(cumsum.getX(), cumsum.getResult());
          whole(cumsum.getX(), 0);
        })
        .Case([&](tile::SolveUnitLowerOp solve) {
          sameAll(solve.getRhs(), solve.getResult());
          whole(solve.getRhs(), 0);
          whole(solve.getLower(), 0);
          whole(solve.getLower(), 1);
        })
        .Case([&](tile::IotaOp iota) { whole(iota.getResult(), iota.getAxis()); })
        .Case([&](scf::IfOp branch) {
          known = !branch.getElseRegion().empty();
          for (Region &side : branch->getRegions()) {
            for (Operation &inner : side.getOps()) {
              known = known && visit(inner, why);
            }
            if (known) {
              for (auto [from, to] : llvm::zip_equal(side.front().back().getOperands(), branch.getResults())) {
                sameAll(from, to);
              }
            }
          }
        })
        .Case<tile::LoadOp, tile::StoreOp, tile::FlagOp, scf::YieldOp>([](Operation *) {})
        .Case([&](arith::ConstantOp constant) {
          auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
          known = !dense || dense.isSplat();
        })
        .Default([&](Operation *other) {
          bool tiles = llvm::any_of(other->getResults(), [](Value value) { return isTile(value); });
          known = other->getNumRegions() == 0 && (!tiles || isElementwise(other));
          for (Value operand : other->getOperands()) {
            if (tiles && known && isTile(operand)) {
              sameAll(operand, other->getResult(0));
            }
          }
        });
    if (!known && why.empty()) {
      why = ("no roles for " + op.getName().getStringRef()).str();
    }
    return known;
  }

  /// Of an axis along which all is the same nothing is known: it may be used as different ones of the same size.
  void same(Value x, int64_t i, Value y, int64_t j) {
    if (!isUniform(x, i) && !isUniform(y, j)) {
      classes.unionSets(axisOf(x, i), axisOf(y, j));
    }
  }
  void sameAll(Value x, Value y) {
    for (int64_t i = 0; i < getRank(x); ++i) {
      same(x, i, y, i);
    }
  }
  bool isSame(Value x, int64_t i, Value y, int64_t j) { return classes.isEquivalent(axisOf(x, i), axisOf(y, j)); }
  bool isWhole(Value x, int64_t i) {
    return llvm::any_of(wholes, [&](TileAxis axis) { return classes.isEquivalent(axis, axisOf(x, i)); });
  }

private:
  void whole(Value x, int64_t axis) {
    classes.insert(axisOf(x, axis));
    wholes.push_back(axisOf(x, axis));
  }

  /// A part of a tile: an axis that is cut cannot be split.
  void part(Value part, Value x) {
    int64_t missing = getRank(x) - getRank(part);
    ArrayRef<int64_t> outer = tile::getTileShape(x.getType());
    for (int64_t i = 0; i < getRank(x); ++i) {
      if (i < missing) {
        whole(x, i);
        continue;
      }
      same(part, i - missing, x, i);
      if (tile::getTileShape(part.getType())[i - missing] != outer[i]) {
        whole(x, i);
      }
    }
  }

  llvm::EquivalenceClasses<TileAxis> classes;
  SmallVector<TileAxis> wholes;
};

/// Ops that cost nothing, so that both roles have them.
bool isShared(Operation *op) {
  return isa<arith::ConstantOp, tile::IotaOp, tile::BroadcastOp, tile::TransposeOp>(op) ||
         (op->getNumOperands() > 0 && llvm::all_of(op->getOperands(), [](Value value) {
            return value.getDefiningOp<tile::IotaOp>() || value.getDefiningOp<arith::ConstantOp>();
          }));
}

bool isNumber(Value value) { return isTile(value) || isa<FloatType>(value.getType()); }

} // namespace

static bool isMadeOfIndices(Value value) {
  Operation *op = value.getDefiningOp();
  return isa_and_nonnull<tile::IotaOp, arith::ConstantOp>(op) ||
         (op && isElementwise(op) && llvm::all_of(op->getOperands(), isMadeOfIndices));
}

void programs::sinkIndices(scf::ForOp loop) {
  IRMapping inside;
  OpBuilder b = OpBuilder::atBlockBegin(loop.getBody());
  std::function<Value(Value)> sink = [&](Value value) -> Value {
    if (Value known = inside.lookupOrNull(value)) {
      return known;
    }
    Operation *op = value.getDefiningOp();
    for (Value operand : op->getOperands()) {
      inside.map(operand, sink(operand));
    }
    return b.clone(*op, inside)->getResult(0);
  };
  for (Operation &outer : llvm::make_early_inc_range(*loop.getBody())) {
    outer.walk([&](Operation *op) {
      for (OpOperand &operand : op->getOpOperands()) {
        Operation *maker = operand.get().getDefiningOp();
        bool outside = maker && !loop->isAncestor(maker);
        if (outside && isTile(operand.get()) && isMadeOfIndices(operand.get())) {
          Value made = sink(operand.get());
          inside.map(operand.get(), made);
          operand.set(made);
        }
      }
    });
  }
}

std::optional<Roles> programs::findRoles(scf::ForOp loop, std::string &why) {
  AxisClasses axes;
  Roles roles;
  ValueRange args = loop.getRegionIterArgs(), yielded = loop.getBody()->getTerminator()->getOperands();
  for (auto [arg, next] : llvm::zip_equal(args, yielded)) {
    if (getRank(arg) != 2 || !getElementTypeOrSelf(arg.getType()).isF32()) {
      why = "a state that is no f32 matrix";
      return std::nullopt;
    }
    if (tile::getTileShape(arg.getType())[1] != tile::getTileShape(args.front().getType())[1]) {
      why = "states with different numbers of columns";
      return std::nullopt;
    }
    axes.sameAll(arg, next);
    axes.same(args.front(), 1, arg, 1);
  }
  if (args.empty()) {
    why = "nothing is carried";
    return std::nullopt;
  }
  for (Operation &op : *loop.getBody()) {
    if (!axes.visit(op, why)) {
      return std::nullopt;
    }
  }
  Value state = args.front();
  if (axes.isWhole(state, 1)) {
    why = "the columns of the state depend on each other";
    return std::nullopt;
  }
  roles.columns = tile::getTileShape(state.getType())[1];

  llvm::DenseSet<Value> depends(args.begin(), args.end());
  auto isSplit = [&](Value value) {
    int64_t rank = getRank(value);
    return rank > 0 && axes.isSame(value, rank - 1, state, 1);
  };
  llvm::DenseSet<Operation *> applied;
  roles.split.insert(args.begin(), args.end());
  for (Operation &op : loop.getBody()->without_terminator()) {
    if (!isNumber(op.getNumResults() ? op.getResult(0) : Value(state)) && !isa<tile::StoreOp, tile::FlagOp>(op)) {
      continue; // indices
    }
    bool needsState = false, branchSplits = false;
    op.walk([&](Operation *inner) {
      needsState |= llvm::any_of(inner->getOperands(), [&](Value value) { return depends.contains(value); });
      branchSplits |= inner != &op && (!isMemoryEffectFree(inner) || llvm::any_of(inner->getResults(), isSplit));
    });
    if (isa<scf::IfOp>(op) && (needsState || branchSplits || llvm::any_of(op.getResults(), isSplit))) {
      why = "a branch with columns of the state, or that does more than compute";
      return std::nullopt;
    }
    Value made = op.getNumResults() ? op.getResult(0) : op.getOperand(0);
    for (int64_t i = 0; i + 1 < getRank(made); ++i) {
      if (axes.isSame(made, i, state, 1)) {
        why = "split rows";
        return std::nullopt;
      }
    }
    bool split = isSplit(made);
    if (needsState && !split) {
      why = ("a " + op.getName().getStringRef() + " needs the whole state").str();
      return std::nullopt;
    }
    if (needsState && op.getNumResults()) {
      depends.insert(op.getResult(0));
    }
    if (split) {
      roles.split.insert(made);
      applied.insert(&op);
      (isa<tile::LoadOp>(op) ? roles.loads : roles.apply).push_back(&op);
    } else if (!isShared(&op)) {
      roles.prepare.push_back(&op);
    }
  }
  std::function<void(Value)> pass = [&](Value value) {
    Operation *op = value.getDefiningOp();
    if (!op || op->getParentOp() != loop || applied.contains(op) || !isNumber(value)) {
      return;
    }
    if (isShared(op)) {
      llvm::for_each(op->getOperands(), pass);
    } else {
      roles.passed.insert(value);
    }
  };
  for (Operation *op : roles.apply) {
    llvm::for_each(op->getOperands(), pass);
  }
  llvm::for_each(yielded, pass);
  return roles;
}
