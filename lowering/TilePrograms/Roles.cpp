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
        .Case([&](tile::ScanOp scan) {
          same(scan.getA(), 1, scan.getResult(), 1);
          same(scan.getB(), 1, scan.getResult(), 1);
          same(scan.getInit(), 0, scan.getResult(), 1);
          for (Value tile : {scan.getA(), scan.getB(), scan.getResult()}) {
            whole(tile, 0);
          }
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
        .Case<tile::LoadOp, tile::StoreOp, tile::FlagOp, scf::YieldOp, tile::CarryOp>([](Operation *) {})
        .Case([&](tile::PassOp pass) {
          for (OpOperand &whole : pass.getWholeMutable()) {
            sameAll(whole.get(), pass.getPassedAs(whole));
          }
        })
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
         (op->getNumOperands() > 0 && op->getNumRegions() == 0 && llvm::all_of(op->getOperands(), [](Value value) {
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

void programs::sinkIndices(Operation *loop) {
  for (Region &region : loop->getRegions()) {
    IRMapping inside;
    OpBuilder b = OpBuilder::atBlockBegin(&region.front());
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
    for (Operation &outer : llvm::make_early_inc_range(region.front())) {
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
}

namespace {

/// Sorts ops, of which it has seen all, into roles.
class RoleFinder {
public:
  explicit RoleFinder(std::string &why) : why(why) {}

  bool refuse(const Twine &reason) {
    why = reason.str();
    return false;
  }

  bool carry(ValueRange args, ValueRange yielded) {
    for (auto [arg, next] : llvm::zip_equal(args, yielded)) {
      if (getRank(arg) != 2 || !getElementTypeOrSelf(arg.getType()).isF32()) {
        return refuse("a state that is no f32 matrix");
      }
      axes.sameAll(arg, next);
      int64_t columns = tile::getTileShape(arg.getType())[1];
      if (columns > roles.columns) {
        state = arg;
        roles.columns = columns;
      }
    }
    if (!state) {
      return refuse(roles.ahead.empty() ? "nothing is carried" : "a state that is no f32 matrix");
    }
    for (Value arg : args) {
      if (tile::getTileShape(arg.getType())[1] == roles.columns) {
        axes.same(arg, 1, state, 1);
        roles.split.insert(arg);
      }
    }
    depends.insert(args.begin(), args.end());
    return true;
  }

  bool see(Block &block) {
    return llvm::all_of(block, [&](Operation &op) { return axes.visit(op, why); });
  }

  /// What is carried without those who apply.
  void carryAhead(ValueRange args, ValueRange yielded) {
    for (auto [arg, next] : llvm::zip_equal(args, yielded)) {
      axes.sameAll(arg, next);
    }
  }

  /// The last axis of a tile is declared to be that of the columns.
  void splitColumns(Value tile) {
    axes.same(tile, getRank(tile) - 1, state, 1);
    roles.split.insert(tile);
  }

  bool sort(Block &block) {
    if (axes.isWhole(state, 1)) {
      return refuse("the columns of the state depend on each other");
    }
    for (Operation &op : block) {
      for (Value operand : op.getOperands()) { // of those from outside, too
        if (isSplit(operand)) {
          roles.split.insert(operand);
        }
      }
    }
    return llvm::all_of(block.without_terminator(), [&](Operation &op) { return sort(op); });
  }

  bool isSplit(Value value) {
    int64_t rank = getRank(value);
    return rank > 0 && axes.isSame(value, rank - 1, state, 1);
  }

  Roles roles;

private:
  bool sort(Operation &op) {
    bool needsState = false, needsColumns = false, branchSplits = false;
    op.walk([&](Operation *inner) {
      needsState |= llvm::any_of(inner->getOperands(), [&](Value value) { return depends.contains(value); });
      needsColumns |= llvm::any_of(inner->getOperands(), [&](Value value) { return isSplit(value); });
      branchSplits |= inner != &op && (!isMemoryEffectFree(inner) ||
                                       llvm::any_of(inner->getResults(), [&](Value value) { return isSplit(value); }));
    });
    if (needsState) {
      depends.insert(op.result_begin(), op.result_end());
    }
    if (!isNumber(op.getNumResults() ? op.getResult(0) : state) && !isa<tile::StoreOp, tile::FlagOp>(op)) {
      return true; // indices
    }
    bool anySplit = llvm::any_of(op.getResults(), [&](Value value) { return isSplit(value); });
    if (isa<scf::IfOp>(op) && (needsState || branchSplits || anySplit)) {
      return refuse("a branch with columns of the state, or that does more than compute");
    }
    Value made = op.getNumResults() ? op.getResult(0) : op.getOperand(0);
    for (int64_t i = 0; i + 1 < getRank(made); ++i) {
      if (axes.isSame(made, i, state, 1)) {
        return refuse("split rows");
      }
    }
    bool split = isSplit(made);
    if (needsState && !split && (needsColumns || !isMemoryEffectFree(&op))) {
      return refuse("a " + op.getName().getStringRef() + " needs the whole state");
    }
    if (needsState && !split) { // of a state that all who apply have
      roles.apply.push_back(&op);
    } else if (split) {
      roles.split.insert(made);
      (isa<tile::LoadOp>(op) ? roles.loads : roles.apply).push_back(&op);
    } else if (!isShared(&op)) {
      roles.prepare.push_back(&op);
    }
    return true;
  }

  std::string &why;
  AxisClasses axes;
  Value state; // the first one
  llvm::DenseSet<Value> depends;
};

} // namespace

/// Which states of a loop are vectors that need no other state, and whose next value is made of vectors.
static SmallVector<unsigned> findAhead(scf::ForOp loop) {
  auto isVector = [](Value value) {
    ArrayRef<int64_t> shape = tile::getTileShape(value.getType());
    return shape.size() < 2 || shape.back() == 1;
  };
  Block::BlockArgListType args = loop.getRegionIterArgs();
  llvm::SmallPtrSet<void *, 4> ahead;
  for (Value arg : args) {
    if (isVector(arg) && isa<RankedTensorType>(arg.getType()) && getElementTypeOrSelf(arg.getType()).isF32()) {
      ahead.insert(arg.getAsOpaquePointer());
    }
  }
  auto isMadeAhead = [&](Value next) {
    llvm::SetVector<Value> needed;
    needed.insert(next);
    for (size_t i = 0; i < needed.size(); ++i) {
      Value value = needed[i];
      Operation *op = value.getDefiningOp();
      bool isOther = llvm::is_contained(args, value) && !ahead.contains(value.getAsOpaquePointer());
      if (isOther || (isTile(value) && !isVector(value)) || (op && op->getNumRegions() > 0)) {
        return false;
      }
      if (op && op->getParentOp() == loop) {
        needed.insert_range(op->getOperands());
      }
    }
    return true;
  };
  SmallVector<unsigned> numbers;
  for (size_t before = ahead.size() + 1; ahead.size() < before;) { // until nobody needs one that is none
    before = ahead.size();
    numbers.clear();
    for (auto [i, arg, next] : llvm::enumerate(args, loop.getYieldedValues())) {
      if (ahead.contains(arg.getAsOpaquePointer()) && !isMadeAhead(next)) {
        ahead.erase(arg.getAsOpaquePointer());
      } else if (ahead.contains(arg.getAsOpaquePointer())) {
        numbers.push_back(i);
      }
    }
  }
  return numbers;
}

std::optional<Roles> programs::findRoles(scf::ForOp loop, std::string &why) {
  RoleFinder finder(why);
  Block &body = *loop.getBody();
  Roles &roles = finder.roles;
  roles.ahead = findAhead(loop);
  SmallVector<Value> args, yielded, argsAhead, yieldedAhead;
  for (auto [i, arg, next] : llvm::enumerate(loop.getRegionIterArgs(), loop.getYieldedValues())) {
    bool isAhead = llvm::is_contained(roles.ahead, i);
    (isAhead ? argsAhead : args).push_back(arg);
    (isAhead ? yieldedAhead : yielded).push_back(next);
  }
  finder.carryAhead(argsAhead, yieldedAhead);
  if (!finder.carry(args, yielded) || !finder.see(body) || !finder.sort(body)) {
    return std::nullopt;
  }
  llvm::DenseSet<Operation *> applied(roles.apply.begin(), roles.apply.end());
  applied.insert(roles.loads.begin(), roles.loads.end());
  bool appliesAhead = false;
  std::function<void(Value)> pass = [&](Value value) {
    Operation *op = value.getDefiningOp();
    appliesAhead |= llvm::is_contained(argsAhead, value);
    if (!op || op->getParentOp() != loop || applied.contains(op)) {
      return;
    }
    if (isShared(op) || value.getType().isInteger(1)) {
      llvm::for_each(op->getOperands(), pass);
    } else if (isNumber(value)) {
      roles.passed.insert(value);
    }
  };
  llvm::DenseSet<Value> stored;
  for (Operation *op : roles.apply) {
    llvm::for_each(op->getOperands(), pass);
    if (auto store = dyn_cast<tile::StoreOp>(op)) {
      stored.insert(store.getBuffer());
    }
  }
  llvm::for_each(yielded, pass);
  if (appliesAhead) {
    finder.refuse("a state that is carried ahead, and applied");
    return std::nullopt;
  }
  for (auto load : body.getOps<tile::LoadOp>()) {
    if (stored.contains(load.getBuffer())) {
      why = "a buffer that is read and written";
      return std::nullopt;
    }
  }
  return roles;
}

std::optional<Roles> programs::findRoles(tile::PipelineOp pipeline, std::string &why) {
  RoleFinder finder(why);
  tile::PassOp pass = pipeline.getPass();
  Block &prepare = pipeline.getPrepare().front(), &apply = pipeline.getApply().front();
  ValueRange carried = pipeline.getCarried();
  finder.carryAhead(pipeline.getCarriedAhead(), pass.getAhead());
  if (!finder.carry(carried, pipeline.getCarry().getValues()) || !finder.see(prepare) || !finder.see(apply)) {
    return std::nullopt;
  }
  llvm::SetVector<Operation *> loads;
  for (OpOperand &tile : pass.getColumnsMutable()) {
    loads.insert(tile.get().getDefiningOp());
    finder.splitColumns(pass.getPassedAs(tile));
  }
  if (!finder.sort(prepare) || !finder.sort(apply)) {
    return std::nullopt;
  }
  Roles &roles = finder.roles;
  auto isIn = [](Block &block) { return [&block](Operation *op) { return op->getBlock() == &block; }; };
  if (!llvm::all_of(roles.apply, isIn(apply)) || !roles.loads.empty()) {
    finder.refuse("columns of what is carried in what is prepared");
    return std::nullopt;
  }
  if (!llvm::all_of(roles.prepare, isIn(prepare))) {
    finder.refuse("what has no columns of what is carried is not prepared");
    return std::nullopt;
  }
  for (Value tile : pass.getWhole()) {
    if (!llvm::is_contained(roles.prepare, tile.getDefiningOp())) {
      finder.refuse("what is passed is not made for the chunk");
      return std::nullopt;
    }
    roles.passed.insert(tile);
  }
  roles.loads.assign(loads.begin(), loads.end());
  llvm::erase_if(roles.prepare, [&](Operation *op) { // nothing is to be made of their tiles
    return loads.contains(op) && llvm::all_of(op->getUses(), [&](OpOperand &use) {
             return use.getOwner() == pass && use.getOperandNumber() >= pass.getWhole().size();
           });
  });
  return roles;
}

Operation *programs::findPreparer(Value value) {
  Operation *op = value.getDefiningOp();
  while (op && isa<tile::BroadcastOp, tile::TransposeOp>(op)) {
    op = op->getOperand(0).getDefiningOp();
  }
  return op;
}

Region *programs::findSeldomSide(scf::IfOp branch) {
  constexpr int64_t kMuchLonger = 2;
  Region *sides[] = {&branch.getThenRegion(), &branch.getElseRegion()};
  auto count = [](Region *side) { return std::distance(side->op_begin(), side->op_end()); };
  bool isLast = count(sides[0]) < count(sides[1]);
  return count(sides[isLast]) > kMuchLonger * count(sides[!isLast]) ? sides[isLast] : nullptr;
}
