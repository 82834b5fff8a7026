// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Groups the ops of a specialised function into kernels: every projection with the elementwise ops that follow it,
// every recurrence with what its heads need before and after, chains of norms, token shifts and interpolations between
// them.
#include "passes/Fuse/Shapes.h"
#include "passes/Passes.h"

namespace rwkv {
#define GEN_PASS_DEF_RWKVFUSEPASS
#include "passes/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;

namespace {

/// Values that are cheap and depend on nothing but weights: cloned into every group that uses them.
bool isConstant(Operation *op) { return isa<GetOp, FillOp>(op); }

bool isElementwise(Operation *op) { return op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1; }

struct Group {
  FusedDomain domain;
  Operation *anchor; // the linear, recurrence or layers op; null for rows
  SmallVector<Operation *> ops;
};

class BlockFuser {
public:
  explicit BlockFuser(Block &block) : block(block) {}

  unsigned run() {
    assign();
    sinkIntoHeads();
    return materialise();
  }

private:
  // ---- groups of ops

  int of(Operation *op) {
    auto it = groupOf.find(op);
    return it == groupOf.end() ? -1 : static_cast<int>(it->second);
  }

  /// The group that defines an operand, or -1 if it comes from outside of all groups.
  int producer(Value value) {
    Operation *op = value.getDefiningOp();
    return op && op->getBlock() == &block ? of(op) : -1;
  }

  void add(Operation *op, unsigned group) {
    groupOf[op] = group;
    groups[group].ops.push_back(op);
  }

  unsigned create(Operation *op, FusedDomain domain, Operation *anchor) {
    groups.push_back({domain, anchor, {}});
    add(op, groups.size() - 1);
    return groups.size() - 1;
  }

  /// Whether group `from` needs, directly or not, a value of group `to`.
  bool dependsOn(unsigned from, unsigned to) {
    SmallVector<unsigned> work = {from};
    llvm::SmallDenseSet<unsigned> seen = {from};
    while (!work.empty()) {
      for (Operation *op : groups[work.pop_back_val()].ops) {
        for (unsigned next : producers(op)) {
          if (next == to) {
            return true;
          }
          if (seen.insert(next).second) {
            work.push_back(next);
          }
        }
      }
    }
    return false;
  }

  SmallVector<unsigned> producers(Operation *op) {
    SmallVector<unsigned> result;
    op->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands()) {
        if (int group = producer(operand); group >= 0) {
          result.push_back(group);
        }
      }
    });
    return result;
  }

  // ---- what may be in a group

  bool fits(Operation *op, const Group &group) {
    switch (group.domain) {
    case FusedDomain::columns:
      return isElementwise(op) && op->getResult(0).getType() == group.anchor->getResult(0).getType();
    case FusedDomain::heads:
      return fitsHeads(op, cast<RecurrenceOp>(group.anchor));
    case FusedDomain::rows: // rwkv.layers is a group that nothing joins
      return !group.anchor;
    }
    llvm_unreachable("all domains are handled");
  }

  static bool fitsHeads(Operation *op, RecurrenceOp recurrence) {
    if (ScheduleAttr schedule = recurrence.getScheduleAttr(); schedule && schedule.getSplit() > 1) {
      return false; // its tasks have parts of heads
    }
    int64_t heads = cast<RankedTensorType>(recurrence.getInits().front().getType()).getDimSize(1);
    for (Value value : llvm::concat<Value>(op->getOperands(), op->getResults())) {
      if (!isa<RankedTensorType>(value.getType()) || !splitsIntoHeads(value.getType(), heads)) {
        return false;
      }
    }
    auto lastAxis = [](Attribute axis, Type type) {
      auto tensor = cast<RankedTensorType>(type);
      return tensor.getRank() == 4 && cast<IntegerAttr>(axis).getInt() == 3;
    };
    if (auto sum = dyn_cast<SumOp>(op)) {
      return lastAxis(sum.getAxis(), sum.getX().getType());
    }
    if (auto norm = dyn_cast<NormOp>(op)) {
      return lastAxis(norm.getAxis(), norm.getX().getType());
    }
    if (auto norm = dyn_cast<L2NormOp>(op)) {
      return lastAxis(norm.getAxis(), norm.getX().getType());
    }
    if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
      return broadcast.getPositions() == SmallVector<int64_t>{0, 1, 2};
    }
    return isElementwise(op) || isa<ReshapeOp>(op);
  }

  // ---- step 1: in program order, join the last producer if the op fits there

  void assign() {
    for (Operation &op : block.without_terminator()) {
      if (isConstant(&op)) {
        continue;
      }
      if (isa<LayersOp>(op)) {
        create(&op, FusedDomain::rows, &op);
        continue;
      }
      if (isa<LinearOp>(op)) {
        create(&op, FusedDomain::columns, &op);
        continue;
      }
      if (isa<RecurrenceOp>(op)) {
        create(&op, FusedDomain::heads, &op);
        continue;
      }
      // The deepest producer: joining it delays nothing.
      SmallVector<unsigned> from = producers(&op);
      SmallVector<int> levels(groups.size(), -1);
      int last = -1;
      for (unsigned group : from) {
        if (last < 0 || level(group, levels) >= level(last, levels)) {
          last = group;
        }
      }
      bool joins = last >= 0 && fits(&op, groups[last]) && llvm::none_of(from, [&](unsigned group) {
                     return group != static_cast<unsigned>(last) && dependsOn(group, last);
                   });
      joins ? add(&op, last) : (void)create(&op, FusedDomain::rows, nullptr);
    }
  }

  // ---- step 2: what only heads need, heads compute

  bool usersOutside(Value value, unsigned group) {
    return llvm::any_of(value.getUsers(),
                        [&](Operation *user) { return groupOfUser(user) != static_cast<int>(group); });
  }

  int groupOfUser(Operation *user) {
    while (user && user->getBlock() != &block) {
      user = user->getParentOp();
    }
    return user ? of(user) : -1;
  }

  void merge(unsigned from, unsigned into) {
    for (Operation *op : groups[from].ops) {
      add(op, into);
    }
    groups[from].ops.clear();
  }

  void sinkIntoHeads() {
    for (bool changed = true; changed;) {
      changed = false;
      for (unsigned heads = 0; heads < groups.size(); ++heads) {
        if (groups[heads].domain != FusedDomain::heads) {
          continue;
        }
        for (unsigned rows = 0; rows < groups.size(); ++rows) {
          changed |= mergeRows(rows, heads);
        }
        changed |= sinkEpilogues(heads);
      }
    }
  }

  /// A group of row ops joins the heads that use it or that it uses, if all of it fits and no third group is in
  /// between.
  bool mergeRows(unsigned rows, unsigned heads) {
    Group &group = groups[rows];
    if (group.domain != FusedDomain::rows || group.anchor || group.ops.empty() ||
        !llvm::all_of(group.ops, [&](Operation *op) { return fits(op, groups[heads]); })) {
      return false;
    }
    if (!feeds(rows, heads) && !feeds(heads, rows)) {
      return false;
    }
    for (unsigned between = 0; between < groups.size(); ++between) {
      if (between != rows && between != heads &&
          ((dependsOn(between, rows) && dependsOn(heads, between)) ||
           (dependsOn(between, heads) && dependsOn(rows, between)))) {
        return false;
      }
    }
    merge(rows, heads);
    return true;
  }

  bool feeds(unsigned from, unsigned to) {
    return llvm::any_of(groups[to].ops, [&](Operation *op) { return llvm::is_contained(producers(op), from); });
  }

  /// An elementwise op behind a projection moves to the heads if only they use it and its operands are stored anyway.
  bool sinkEpilogues(unsigned heads) {
    bool changed = false;
    for (unsigned columns = 0; columns < groups.size(); ++columns) {
      if (groups[columns].domain != FusedDomain::columns) {
        continue;
      }
      for (Operation *op : llvm::to_vector(llvm::reverse(groups[columns].ops))) {
        if (op == groups[columns].anchor || !fits(op, groups[heads])) {
          continue;
        }
        bool onlyHeads =
            llvm::all_of(op->getUsers(), [&](Operation *user) { return groupOfUser(user) == static_cast<int>(heads); });
        bool stored = llvm::all_of(op->getOperands(), [&](Value operand) {
          return producer(operand) != static_cast<int>(columns) || usersOutside(operand, columns);
        });
        if (onlyHeads && stored) {
          llvm::erase(groups[columns].ops, op);
          add(op, heads);
          changed = true;
        }
      }
    }
    return changed;
  }

  // ---- step 3: one rwkv.fused per group, earliest first

  /// Longest chain of groups in front of each group: groups of one level are independent.
  unsigned level(unsigned group, SmallVectorImpl<int> &levels) {
    if (levels[group] < 0) {
      int result = 0;
      for (Operation *op : groups[group].ops) {
        for (unsigned from : producers(op)) {
          if (from != group) {
            result = std::max<int>(result, level(from, levels) + 1);
          }
        }
      }
      levels[group] = result;
    }
    return levels[group];
  }
  unsigned materialise() {
    SmallVector<int> levels(groups.size(), -1);
    SmallVector<unsigned> order;
    for (unsigned group = 0; group < groups.size(); ++group) {
      if (!groups[group].ops.empty()) {
        level(group, levels);
        order.push_back(group);
      }
    }
    llvm::sort(order, [&](unsigned a, unsigned b) { return std::pair(levels[a], a) < std::pair(levels[b], b); });

    for (unsigned group : order) {
      if (Operation *layers = groups[group].anchor; layers && isa<LayersOp>(layers)) {
        layers->moveBefore(block.getTerminator());
      } else {
        emit(groups[group], block.getTerminator());
      }
    }
    storeConstants();
    return order.size();
  }

  void emit(Group &group, Operation *before) {
    llvm::SmallDenseSet<Operation *> inside(group.ops.begin(), group.ops.end());
    llvm::sort(group.ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    SmallVector<Value> results;
    for (Operation *op : group.ops) {
      for (Value value : op->getResults()) {
        if (llvm::any_of(value.getUsers(), [&](Operation *user) {
              while (user->getBlock() != &block) {
                user = user->getParentOp();
              }
              return !inside.contains(user);
            })) {
          results.push_back(value);
        }
      }
    }
    OpBuilder builder(before);
    auto fused = FusedOp::create(builder, group.ops.front()->getLoc(), ValueRange(results).getTypes(), group.domain);
    Block &body = fused.getBody().emplaceBlock();
    for (auto [result, value] : llvm::zip_equal(fused.getResults(), results)) {
      value.replaceUsesWithIf(result, [&](OpOperand &use) {
        Operation *user = use.getOwner();
        while (user->getBlock() != &block) {
          user = user->getParentOp();
        }
        return !inside.contains(user);
      });
    }
    for (Operation *op : group.ops) {
      op->moveBefore(&body, body.end());
    }
    builder.setInsertionPointToEnd(&body);
    YieldOp::create(builder, fused.getLoc(), results);
    cloneConstants(body);
  }

  void cloneConstants(Block &body) {
    llvm::DenseMap<Operation *, Operation *> clones;
    OpBuilder builder = OpBuilder::atBlockBegin(&body);
    for (Operation &op : llvm::make_early_inc_range(body)) {
      if (isa<RecurrenceOp, LinearOp, TokenShiftOp, LastOp>(op)) {
        continue; // these read memory
      }
      for (OpOperand &operand : op.getOpOperands()) {
        Operation *source = operand.get().getDefiningOp();
        if (source && isConstant(source) && source->getBlock() == &block) {
          Operation *&clone = clones[source];
          clone = clone ? clone : builder.clone(*source);
          operand.set(clone->getResult(0));
        }
      }
    }
  }

  /// Constants that are not used by a group (an initial iter value) still need a buffer: a group of their own.
  void storeConstants() {
    for (Operation &op : llvm::make_early_inc_range(block.without_terminator())) {
      if (!isConstant(&op)) {
        continue;
      }
      if (op.use_empty()) {
        op.erase();
        continue;
      }
      OpBuilder builder(&op);
      auto fused = FusedOp::create(builder, op.getLoc(), op.getResultTypes(), FusedDomain::rows);
      op.getResult(0).replaceAllUsesWith(fused.getResult(0));
      Block &body = fused.getBody().emplaceBlock();
      op.moveBefore(&body, body.end());
      builder.setInsertionPointToEnd(&body);
      YieldOp::create(builder, op.getLoc(), op.getResults());
    }
  }

  Block &block;
  SmallVector<Group> groups;
  llvm::DenseMap<Operation *, unsigned> groupOf;
};

struct FusePass : rwkv::impl::RwkvFusePassBase<FusePass> {
  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation().walk([&](LayersOp layers) {
      for (Region &body : layers.getBodies()) {
        blocks.push_back(&body.front());
      }
    });
    if (!getOperation().isDeclaration()) {
      blocks.push_back(&getOperation().getBody().front());
    }
    for (Block *block : blocks) {
      numGroups += BlockFuser(*block).run();
    }
  }
};
} // namespace
