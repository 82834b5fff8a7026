// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bodies of loops that hold many loops to functions of their own, of few loops each.
#include "lowering/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/SetVector.h"

namespace rwkv {
#define GEN_PASS_DEF_TILEOUTLINELOOPSPASS
#include "lowering/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;

namespace {

/// Of the loops in `op`, itself included.
int64_t countLoops(Operation *op) {
  int64_t count = 0;
  op->walk([&](scf::ForOp) { ++count; });
  return count;
}

/// Constants, and places at constant distances from what is passed: computed again where they are needed.
bool isRecomputed(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto address = dyn_cast_or_null<LLVM::GEPOp>(op)) {
    return address.getDynamicIndices().empty();
  }
  return op && op->hasTrait<OpTrait::ConstantLike>();
}

/// Moves ops that follow each other in a block to a function, which is called in their place.
class Outliner {
public:
  Outliner(ArrayRef<Operation *> ops, func::FuncOp from) : ops(ops), moved(ops.begin(), ops.end()), from(from) {}

  void run(const std::string &name) {
    collect();
    OpBuilder b(from);
    Location loc = ops.front()->getLoc();
    auto typesOf = [](const llvm::SetVector<Value> &values) {
      return SmallVector<Type>(ValueRange(values.getArrayRef()).getTypes());
    };
    auto function = func::FuncOp::create(b, loc, name, b.getFunctionType(typesOf(passed), typesOf(returned)));
    function.setPrivate();
    function->setAttr("passthrough", b.getStrArrayAttr({"noinline"})); // of llvm.func

    b.setInsertionPoint(ops.front());
    auto call = func::CallOp::create(b, loc, function, passed.getArrayRef());
    for (auto [value, result] : llvm::zip_equal(SmallVector<Value>(returned.getArrayRef()), call.getResults())) {
      value.replaceUsesWithIf(result, [&](OpOperand &use) { return !isMoved(use.getOwner()); });
    }
    Block &block = *function.addEntryBlock();
    for (auto [value, argument] : llvm::zip_equal(passed, block.getArguments())) {
      inside.map(value, argument);
    }
    b.setInsertionPointToStart(&block);
    for (Value value : recomputed) {
      b.clone(*value.getDefiningOp(), inside);
    }
    for (Value value : llvm::concat<const Value>(passed, recomputed)) {
      value.replaceUsesWithIf(inside.lookup(value), [&](OpOperand &use) { return isMoved(use.getOwner()); });
    }
    for (Operation *op : ops) {
      op->moveBefore(&block, block.end());
    }
    b.setInsertionPointToEnd(&block);
    func::ReturnOp::create(b, loc, returned.getArrayRef());
  }

private:
  /// Whether an op is one of those that are moved, or inside of one.
  bool isMoved(Operation *op) {
    for (; op; op = op->getParentOp()) {
      if (moved.contains(op)) {
        return true;
      }
    }
    return false;
  }

  void collect() {
    for (Operation *op : ops) {
      op->walk([&](Operation *each) { llvm::for_each(each->getOperands(), [&](Value operand) { add(operand); }); });
      for (Value result : op->getResults()) {
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !isMoved(user); })) {
          returned.insert(result);
        }
      }
    }
  }

  void add(Value value) {
    Operation *op = value.getDefiningOp();
    if (isMoved(op ? op : value.getParentBlock()->getParentOp())) {
      return;
    }
    if (!isRecomputed(value)) {
      passed.insert(value);
    } else if (!recomputed.contains(value)) {
      llvm::for_each(op->getOperands(), [&](Value operand) { add(operand); });
      recomputed.insert(value);
    }
  }

  ArrayRef<Operation *> ops;
  llvm::SmallPtrSet<Operation *, 32> moved;
  func::FuncOp from;
  llvm::SetVector<Value> passed, recomputed, returned;
  IRMapping inside;
};

struct OutlineLoopsPass : rwkv::impl::TileOutlineLoopsPassBase<OutlineLoopsPass> {
  using TileOutlineLoopsPassBase::TileOutlineLoopsPassBase;

  void runOnOperation() override {
    auto target = getOperation()->getAttrOfType<TargetAttr>("rwkv.target");
    if (target && target.getLanes() > 1) { // loops of lanes hold what lanes share: their code stays in one piece
      return;
    }
    SmallVector<func::FuncOp> functions(getOperation().getOps<func::FuncOp>());
    for (func::FuncOp function : functions) {
      SmallVector<scf::ForOp> loops;
      unsigned parts = 0;
      function.walk([&](scf::ForOp loop) { loops.push_back(loop); }); // those inside first
      for (scf::ForOp loop : loops) {
        if (countLoops(loop) - 1 > most) {
          outline(*loop.getBody(), function, parts);
        }
      }
    }
  }

  /// All of a block, in pieces of at most `most` loops. What comes before the first loop stays where it is, and so do
  /// constants, which every piece may have its own of.
  void outline(Block &block, func::FuncOp function, unsigned &parts) {
    SmallVector<Operation *> piece;
    int64_t count = 0;
    auto finish = [&] {
      if (count > 0) {
        Outliner(piece, function).run((function.getSymName() + "_part_" + Twine(parts++)).str());
        ++numOutlined;
      }
      piece.clear();
      count = 0;
    };
    for (Operation &op : llvm::make_early_inc_range(block.without_terminator())) {
      int64_t more = countLoops(&op);
      if (count + more > most) {
        finish();
      }
      if (count + more > 0 && !op.hasTrait<OpTrait::ConstantLike>()) {
        piece.push_back(&op);
        count += more;
      }
    }
    finish();
  }
};
} // namespace
