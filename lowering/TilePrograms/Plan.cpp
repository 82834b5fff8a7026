// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/TilePrograms/Plan.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

bool programs::isTile(Value value) { return isa<RankedTensorType>(value.getType()); }

int64_t programs::getRank(Value value) { return tile::getTileShape(value.getType()).size(); }

std::pair<Value, bool> programs::skipTransposes(Value tile) {
  bool isTurned = false;
  while (auto transpose = tile.getDefiningOp<tile::TransposeOp>()) {
    tile = transpose.getX();
    isTurned = !isTurned;
  }
  return {tile, isTurned};
}

bool programs::areOperands(Value tile) {
  // Rounded or not, numbers of 16 bits are what they were.
  auto load = tile.getDefiningOp<tile::LoadOp>();
  bool isExact = load && load.getBuffer().getType().getElementType().getIntOrFloatBitWidth() <= 16 &&
                 isa_and_nonnull<tile::PipelineOp>(load->getParentOp());
  return llvm::all_of(tile.getUses(), [&](OpOperand &use) {
    if (isExact && isElementwise(use.getOwner())) {
      return true;
    }
    if (auto transpose = dyn_cast<tile::TransposeOp>(use.getOwner())) {
      return areOperands(transpose.getResult());
    }
    if (auto branch = dyn_cast<scf::IfOp>(use.getOwner()->getParentOp()); branch && isa<scf::YieldOp>(use.getOwner())) {
      return areOperands(branch.getResult(use.getOperandNumber()));
    }
    if (auto pass = dyn_cast<tile::PassOp>(use.getOwner())) {
      return use.getOperandNumber() < pass.getPassed().size() && areOperands(pass.getPassedAs(use));
    }
    auto dot = dyn_cast<tile::DotOp>(use.getOwner());
    return dot && use.get() != dot.getAcc();
  });
}

bool programs::isOperandOnly(Value tile) {
  return getRank(tile) == 2 && areOperands(tile::PipelineOp::getPrepared(tile));
}

bool programs::isElementwise(Operation *op) { return op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1; }

bool programs::isView(Operation *op) { return isa<tile::ReshapeOp, tile::SliceOp>(op); }

bool programs::isProgram(Operation *op) {
  return isa<tile::DotOp, tile::InsertOp, tile::TransposeOp, tile::CumsumOp, tile::ScanOp, tile::SolveUnitLowerOp>(op);
}

static bool readsMemory(Operation *op) { return isView(op) || isProgram(op); }

bool programs::isFree(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || isa<tile::LoadOp, arith::ConstantOp, tile::IotaOp, tile::SliceOp>(op)) {
    return true;
  }
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
    return !isTile(broadcast.getX()) || isFree(broadcast.getX());
  }
  if (auto reshape = dyn_cast<tile::ReshapeOp>(op)) {
    return isFree(reshape.getX());
  }
  return false;
}

Order Root::getOrder() const {
  auto reduce = dyn_cast_or_null<tile::ReduceOp>(op);
  if (kind != Kind::reduce || getDomain().size() < 2) {
    return Order::any;
  }
  return reduce.getAxis() == 0 ? Order::columnsOutside : Order::rowsOutside;
}

ArrayRef<int64_t> Root::getDomain() const {
  return kind == Kind::program ? ArrayRef<int64_t>() : tile::getTileShape(value.getType());
}

/// Calls `callback` on every value that `root` is computed from, once per way of reaching it, until it answers false
/// there. Values outside of this piece are leaves.
void Plan::visitRoot(const Root &root, function_ref<bool(Value, bool)> callback) {
  SmallVector<std::pair<Value, bool>> work;
  llvm::SmallDenseSet<Value> seen[2];
  auto push = [&](Value value, bool pointwise) {
    if (seen[pointwise].insert(value).second) {
      work.push_back({value, pointwise});
    }
  };
  if (root.kind == Root::Kind::program || root.kind == Root::Kind::tile) {
    for (Value operand : root.op->getOperands()) {
      push(operand, root.kind == Root::Kind::tile && isElementwise(root.op) && isTile(operand));
    }
  } else {
    push(root.value, true);
    if (root.kind == Root::Kind::store) {
      push(cast<tile::StoreOp>(root.op).getOffset(), false);
    }
  }
  while (!work.empty()) {
    auto [value, pointwise] = work.pop_back_val();
    Operation *op = value.getDefiningOp();
    // What an earlier piece left to be evaluated, or a view of it, is looked through.
    bool looked = op && (isLocal(op) || isView(op) || isElementwise(op) || isa<tile::BroadcastOp>(op));
    if (!callback(value, pointwise) || !looked) {
      continue;
    }
    for (Value operand : op->getOperands()) {
      push(operand, pointwise && isElementwise(op) && isTile(operand));
    }
  }
}

SmallVector<unsigned> Plan::getVectorsFirst() {
  SmallVector<unsigned> first, others;
  for (unsigned i = 0; i < nests.size(); ++i) {
    bool isFirst =
        nests[i].domain.size() == 1 && llvm::all_of(nests[i].roots, [&](unsigned number) {
          const Root &root = roots[number];
          bool isNew = root.kind == Root::Kind::reduce || (root.kind == Root::Kind::tile && !inPlace.contains(root.op));
          visitRoot(root, [&](Value value, bool) {
            const Root *other = find(value);
            isNew &= !other || other->nest == i || llvm::is_contained(first, other->nest);
            return isNew && (!other || other->nest == i);
          });
          return isNew;
        });
    (isFirst ? first : others).push_back(i);
  }
  llvm::append_range(first, others);
  return first;
}

const Root *Plan::find(Value value) const {
  auto it = rootOf.find(value);
  return it == rootOf.end() ? nullptr : &roots[it->second];
}

bool Plan::isElsewhere(Operation *user) const { return !ops.contains(user) && !(endsBlock && isa<scf::YieldOp>(user)); }

void Plan::addTile(Operation *op) {
  if (rootOf.try_emplace(op->getResult(0), roots.size()).second) {
    roots.push_back({Root::Kind::tile, op, op->getResult(0)});
  }
}

/// About how many instructions evaluating it again costs, counted up to `limit`.
static int64_t cost(Value value, function_ref<bool(Value)> isStored, int64_t limit) {
  Operation *op = value.getDefiningOp();
  if (!op || isFree(value) || !isTile(value) || isStored(value)) {
    return 0;
  }
  int64_t total = 1;
  for (Value operand : op->getOperands()) {
    if (total >= limit) {
      break;
    }
    total += cost(operand, isStored, limit - total);
  }
  return total;
}

void Plan::chooseTiles(ArrayRef<Operation *> order) {
  auto isStored = [&](Value value) { return rootOf.contains(value); };
  for (Operation *op : order) {
    if (isa<tile::BroadcastOp, tile::IotaOp, arith::ConstantOp>(op) && isTile(op->getResult(0)) &&
        llvm::any_of(op->getUsers(), readsMemory)) {
      addTile(op);
    }
    if (!isElementwise(op) || !isTile(op->getResult(0))) {
      continue;
    }
    bool needed = llvm::any_of(op->getUsers(), [&](Operation *user) {
      // Another piece or region, or points other than these.
      return isElsewhere(user) || user->getBlock() != op->getBlock() || isa<tile::BroadcastOp>(user) ||
             readsMemory(user);
    });
    if (needed) {
      addTile(op);
    }
  }
  // Vectors that are broadcast behind a reshape, and values that several roots use and that are dear to compute again.
  constexpr int64_t kRecompute = 3;
  for (Operation *op : llvm::reverse(order)) {
    if (!isElementwise(op) || !isTile(op->getResult(0)) || isStored(op->getResult(0)) ||
        cost(op->getResult(0), isStored, kRecompute + 1) <= kRecompute) {
      continue;
    }
    unsigned users = 0;
    for (const Root &root : roots) {
      bool uses = false;
      visitRoot(root, [&](Value value, bool) {
        uses |= value == op->getResult(0);
        return !uses && !(isStored(value) && value != root.value);
      });
      users += uses;
    }
    if (users > 1) {
      addTile(op);
    }
  }
}

void Plan::place(unsigned index) {
  Root &root = roots[index];
  unsigned first = 0;
  visitRoot(root, [&](Value value, bool pointwise) {
    auto it = rootOf.find(value);
    if (it == rootOf.end() || it->second == index) {
      return true;
    }
    const Root &other = roots[it->second];
    bool samePoint = pointwise && other.kind == Root::Kind::tile && other.getDomain() == root.getDomain();
    first = std::max(first, other.nest + (samePoint ? 0 : 1));
    return false;
  });
  Order order = root.getOrder();
  // What overwrites an operand comes after all that was read so far.
  if (root.kind != Root::Kind::program && !(root.kind == Root::Kind::tile && inPlace.contains(root.op))) {
    for (unsigned i = first; i < nests.size(); ++i) {
      Nest &nest = nests[i];
      bool fits = ArrayRef<int64_t>(nest.domain) == root.getDomain() &&
                  (order == Order::any || nest.order == Order::any || nest.order == order);
      if (fits) {
        nest.order = order == Order::any ? nest.order : order;
        nest.roots.push_back(index);
        root.nest = i;
        return;
      }
    }
  }
  root.nest = nests.size();
  nests.push_back({SmallVector<int64_t>(root.getDomain()), order, {index}});
}

/// Whether a scalar is taken out of `tile`, or of what may lie in its memory: such scalars are read late.
static bool hasScalarPart(Value tile) {
  llvm::SetVector<Value> seen;
  seen.insert(tile);
  for (size_t i = 0; i < seen.size(); ++i) {
    for (Operation *user : seen[i].getUsers()) {
      if (isa<tile::InsertOp, tile::DotOp>(user) || isElementwise(user)) {
        if (user->getResult(0).getType() == seen[i].getType()) {
          seen.insert(user->getResult(0));
        }
      } else if (isView(user)) {
        if (!isTile(user->getResult(0))) {
          return true;
        }
        seen.insert(user->getResult(0));
      }
    }
  }
  return false;
}

/// A carried value may be written where the old one lies if nobody reads the old one later or at other points.
void Plan::checkCarried(ArrayRef<Value> carriedArgs) {
  for (const Root &assign : roots) {
    if (assign.kind != Root::Kind::assign) {
      continue;
    }
    Value arg = carriedArgs[assign.destination];
    if (!arg) {
      continue;
    }
    if (hasScalarPart(arg)) {
      delayed.insert(assign.destination);
    }
    for (const Root &reader : roots) {
      visitRoot(reader, [&](Value value, bool pointwise) {
        if ((value == arg || inPlaceSource(value) == arg) &&
            (reader.nest > assign.nest || (reader.nest == assign.nest && !pointwise))) {
          delayed.insert(assign.destination);
        }
        auto it = rootOf.find(value);
        return it == rootOf.end() || &roots[it->second] == &reader || roots[it->second].nest == reader.nest;
      });
    }
  }
}

/// Whether an elementwise op reads `tile` at the point that it computes and nowhere else.
bool Plan::readsOnlyHere(Operation *op, Value tile) {
  bool here = true;
  visitRoot({Root::Kind::tile, op, op->getResult(0)}, [&](Value value, bool pointwise) {
    here &= value != tile || pointwise;
    return value == tile || !rootOf.contains(value);
  });
  return here;
}

/// Whether everything that is computed from `tile` has been evaluated when `op`, in the same block, is reached:
/// evaluation is put off along elementwise ops and views up to a root.
bool Plan::isDeadAfter(Value tile, Operation *op) {
  SmallVector<Value> work = {tile};
  while (!work.empty()) {
    Value value = work.pop_back_val();
    for (Operation *user : value.getUsers()) {
      if (user == op) {
        if (value != tile && isProgram(op)) { // it also reads a part of the tile, while it writes
          return false;
        }
        continue;
      }
      Operation *inBlock = op->getBlock()->findAncestorOpInBlock(*user);
      if (!inBlock || !inBlock->isBeforeInBlock(op) ||
          (user->getNumResults() && !isTile(user->getResult(0)) && !isa<tile::ReduceOp>(user))) {
        return false;
      }
      bool evaluated = user->getNumResults() == 0 || inBlock != user || rootOf.contains(user->getResult(0));
      if (!evaluated) {
        work.push_back(user->getResult(0));
      }
    }
  }
  return true;
}

/// Whether `tile` lies in memory that is its own, as `op` sees it.
bool Plan::isOwned(Value tile, Operation *op) {
  Operation *producer = tile.getDefiningOp();
  return tile.getParentBlock() == op->getBlock() &&
         (producer ? isa<scf::ForOp, tile::PipelineOp>(producer) || rootOf.contains(tile)
                   : isa<scf::ForOp>(op->getParentOp()));
}

void Plan::chooseInPlace(ArrayRef<Operation *> order) {
  for (Operation *op : order) {
    SmallVector<Value> candidates;
    if (auto insert = dyn_cast<tile::InsertOp>(op)) {
      candidates.push_back(insert.getX());
    } else if (auto dot = dyn_cast<tile::DotOp>(op); dot && dot.getAcc()) {
      bool apart = dot.getAcc() != dot.getLhs() && dot.getAcc() != dot.getRhs();
      candidates.append(apart ? 1 : 0, dot.getAcc());
    } else if (isElementwise(op) && llvm::any_of(op->getUsers(), isProgram)) { // in memory in any case
      llvm::copy_if(op->getOperands(), std::back_inserter(candidates), [&](Value operand) {
        return operand.getType() == op->getResult(0).getType() && readsOnlyHere(op, operand);
      });
    }
    for (Value x : candidates) {
      if (isTile(x) && isOwned(x, op) && isDeadAfter(x, op)) {
        inPlace[op] = x;
        break;
      }
    }
  }
}

/// The tile whose memory holds `value` after a chain of ops in place; null if it is not such a chain.
Value Plan::inPlaceSource(Value value) {
  auto it = inPlace.find(value.getDefiningOp());
  if (!value.getDefiningOp() || it == inPlace.end()) {
    return {};
  }
  Value source = inPlaceSource(it->second);
  return source ? source : it->second;
}

/// Whether `tile`, or a view or broadcast of it, is used outside of this piece, or an element of it as a scalar.
bool Plan::isReadElsewhere(Value tile) {
  return llvm::any_of(tile.getUsers(), [&](Operation *user) {
    if (user->getBlock() != tile.getParentBlock() || isElsewhere(user)) {
      return true;
    }
    if (isView(user) && !isTile(user->getResult(0))) {
      return true;
    }
    return (isView(user) || isa<tile::BroadcastOp>(user)) && isReadElsewhere(user->getResult(0));
  });
}

void Plan::dropUnread(const llvm::SmallDenseSet<Value> &written) {
  for (Root &root : roots) {
    if (root.kind != Root::Kind::tile) {
      continue;
    }
    root.stored = written.contains(root.value) || isReadElsewhere(root.value);
    for (const Root &reader : roots) {
      if (&reader == &root) {
        continue;
      }
      visitRoot(reader, [&](Value value, bool pointwise) {
        if (value == root.value) {
          root.stored |= reader.nest != root.nest || !pointwise;
          return false;
        }
        auto it = rootOf.find(value);
        return it == rootOf.end() || &roots[it->second] == &reader || roots[it->second].nest == reader.nest;
      });
    }
  }
}

Plan::Plan(ArrayRef<Operation *> order, ValueRange carried, ArrayRef<Value> carriedArgs,
           const llvm::DenseMap<Operation *, Value> &inPlace)
    : inPlace(inPlace), ops(order.begin(), order.end()) {
  if (!order.empty()) {
    Operation *next = order.back()->getNextNode();
    endsBlock = next && next->hasTrait<OpTrait::IsTerminator>();
  }
  for (Operation *op : order) {
    if (auto store = dyn_cast<tile::StoreOp>(op); store && isTile(store.getValue())) {
      roots.push_back({Root::Kind::store, op, store.getValue()});
    } else if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
      rootOf[reduce.getResult()] = roots.size();
      roots.push_back({Root::Kind::reduce, op, reduce.getX()});
    } else if (isProgram(op)) {
      rootOf[op->getResult(0)] = roots.size();
      roots.push_back({Root::Kind::program, op, Value()});
    }
  }
  for (auto [i, value] : llvm::enumerate(carried)) {
    if (isTile(value) && value != carriedArgs[i]) {
      roots.push_back({Root::Kind::assign, nullptr, value, static_cast<unsigned>(i)});
    }
  }
  chooseTiles(order);
  chooseInPlace(order);
  llvm::SmallDenseSet<Value> written; // where they are to be, without an assignment
  llvm::erase_if(roots, [&](const Root &root) {
    bool inPlace = root.kind == Root::Kind::assign && carriedArgs[root.destination] &&
                   inPlaceSource(root.value) == carriedArgs[root.destination];
    if (inPlace) {
      written.insert(root.value);
    }
    return inPlace;
  });
  rootOf.clear();
  for (auto [i, root] : llvm::enumerate(roots)) {
    if (root.kind == Root::Kind::tile || root.kind == Root::Kind::reduce || root.kind == Root::Kind::program) {
      rootOf[root.op->getResult(0)] = i;
    }
  }

  // Program order, then what is carried.
  SmallVector<unsigned> sequence;
  for (unsigned i = 0; i < roots.size(); ++i) {
    if (roots[i].kind != Root::Kind::assign) {
      sequence.push_back(i);
    }
  }
  llvm::sort(sequence, [&](unsigned a, unsigned b) { return roots[a].op->isBeforeInBlock(roots[b].op); });
  for (unsigned i = 0; i < roots.size(); ++i) {
    if (roots[i].kind == Root::Kind::assign) {
      sequence.push_back(i);
    }
  }
  llvm::for_each(sequence, [&](unsigned i) { place(i); });
  checkCarried(carriedArgs);
  dropUnread(written);
}
