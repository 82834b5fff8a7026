// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the phases of a pipeline may do.
#include "dialect/Tile/TileDialect.h"

using namespace mlir;
using namespace rwkv::tile;

PassOp PipelineOp::getPass() { return cast<PassOp>(getPrepare().front().back()); }

CarryOp PipelineOp::getCarry() { return cast<CarryOp>(getApply().front().back()); }

Value PipelineOp::getPrepared(Value value) {
  auto arg = dyn_cast<BlockArgument>(value);
  auto pipeline = arg ? dyn_cast<PipelineOp>(arg.getOwner()->getParentOp()) : PipelineOp();
  size_t first = pipeline ? 1 + pipeline.getInit().size() : 0;
  bool isPassed = pipeline && arg.getOwner()->getParent() == &pipeline.getApply() && arg.getArgNumber() >= first;
  return isPassed ? pipeline.getPass()->getOperand(arg.getArgNumber() - first) : value;
}

BlockArgument PassOp::getPassedAs(OpOperand &operand) {
  return cast<PipelineOp>((*this)->getParentOp()).getPassed()[operand.getOperandNumber()];
}

static LogicalResult verifyTypes(PipelineOp op) { // pipeline_c1
  TypeRange carried = op.getInit().getTypes(), all = op.getStates().getTypes();
  if (all != TypeRange(op.getResultTypes())) {
    return op.emitOpError("expected results of the types that are carried, ")
           << all << ", but got " << op.getResultTypes();
  }
  int64_t columns = op.getAppliers() * op.getColumns();
  bool anySplit = false;
  for (Type type : carried) {
    ArrayRef<int64_t> shape = getTileShape(type);
    if (shape.size() != 2 || shape.back() > columns) {
      return op.emitOpError("expected matrices with the columns of all warps that apply, ")
             << op.getAppliers() << " x " << op.getColumns() << ", or fewer, to be carried, but got " << type;
    }
    anySplit |= shape.back() == columns;
  }
  if (!anySplit && !carried.empty()) {
    return op.emitOpError("expected one of what is carried to have the columns of all warps that apply, ")
           << op.getAppliers() << " x " << op.getColumns() << ", but got " << carried;
  }
  return success();
}

static LogicalResult verifyPhase(PipelineOp op, Region &phase, StringRef name, TypeRange types) { // pipeline_c2
  if (phase.getArgumentTypes() != types) {
    return op.emitOpError("expected '") << name << "' to have arguments of types " << types << ", but got "
                                        << TypeRange(phase.getArgumentTypes());
  }
  return success();
}

/// Whether memory is not written.
static bool onlyReads(Operation *op) { return isMemoryEffectFree(op) || hasSingleEffect<MemoryEffects::Read>(op); }

static LogicalResult verifyPrepared(Operation &op, const llvm::DenseSet<Value> &stored) {
  if (auto branch = dyn_cast<scf::IfOp>(op)) { // pipeline_c6
    WalkResult loops = branch.walk([](LoopLikeOpInterface) { return WalkResult::interrupt(); });
    if (branch.getElseRegion().empty() || !isMemoryEffectFree(branch) || loops.wasInterrupted()) {
      return op.emitOpError("expected a branch of a pipeline to have two sides that only compute");
    }
    return success();
  }
  if (op.getNumRegions() > 0) { // pipeline_c6
    return op.emitOpError("expected no loops in what is prepared");
  }
  if (!isa<FlagOp>(op) && !onlyReads(&op)) { // pipeline_c4
    return op.emitOpError("expected results to be stored where they are applied, not where chunks are prepared");
  }
  if (auto load = dyn_cast<LoadOp>(op); load && stored.contains(load.getBuffer())) { // pipeline_c4
    return op.emitOpError("expected no load from a buffer that results are stored to: chunks are prepared ahead of it");
  }
  return success();
}

static LogicalResult verifyApplied(Operation &op, int64_t columns) {
  if (op.getNumRegions() > 0) { // pipeline_c6
    return op.emitOpError("expected no loops or branches where chunks are applied");
  }
  if (auto store = dyn_cast<StoreOp>(op)) { // pipeline_c5
    ArrayRef<int64_t> shape = getTileShape(store.getValue().getType());
    if (shape.size() != 2 || shape.back() != columns) {
      return op.emitOpError("expected a matrix of ")
             << columns << " columns, as what is carried has, but got " << store.getValue().getType();
    }
    return success();
  }
  if (isa<LoadOp>(op) || !onlyReads(&op)) { // pipeline_c5
    return op.emitOpError("expected it where chunks are prepared: those that apply them compute and store results");
  }
  return success();
}

LogicalResult PipelineOp::verifyRegions() {
  Block &prepare = getPrepare().front(), &apply = getApply().front();
  for (auto [block, isRight, name] : {std::tuple(&prepare, isa<PassOp>(prepare.back()), "tile.pass"),
                                      std::tuple(&apply, isa<CarryOp>(apply.back()), "tile.carry")}) {
    if (!isRight) { // pipeline_c3
      return block->back().emitOpError("expected the phase to end with '") << name << "'";
    }
  }
  Type index = IndexType::get(getContext());
  SmallVector<Type> prepared{index}, applied{index};
  llvm::append_range(prepared, getAhead().getTypes());
  llvm::append_range(applied, getInit().getTypes());
  llvm::append_range(applied, getPass().getWhole().getTypes());
  llvm::append_range(applied, getPass().getColumns().getTypes());
  if (failed(verifyTypes(*this)) || failed(verifyPhase(*this, getPrepare(), "prepare", prepared)) ||
      failed(verifyPhase(*this, getApply(), "apply", applied))) {
    return failure();
  }
  if (getCarry().getValues().getTypes() != getInit().getTypes()) { // pipeline_c1
    return getCarry().emitOpError("expected values of the types that are carried, ")
           << getInit().getTypes() << ", but got " << getCarry().getValues().getTypes();
  }
  if (getPass().getAhead().getTypes() != getAhead().getTypes()) { // pipeline_c1
    return getPass().emitOpError("expected values of the types that are carried ahead, ")
           << getAhead().getTypes() << ", but got " << getPass().getAhead().getTypes();
  }
  int64_t columns = getAppliers() * getColumns();
  for (Value tile : getPass().getColumns()) { // pipeline_c7
    auto load = tile.getDefiningOp<LoadOp>();
    if (!load || load->getBlock() != &prepare || getTileShape(tile.getType()).empty() ||
        getTileShape(tile.getType()).back() != columns) {
      return getPass().emitOpError("expected columns that are passed to be tiles of ")
             << columns << " columns that 'prepare' has loaded, but got " << tile.getType();
    }
  }
  llvm::DenseSet<Value> stored;
  for (auto store : apply.getOps<StoreOp>()) {
    stored.insert(store.getBuffer());
  }
  for (Operation &op : prepare.without_terminator()) {
    if (failed(verifyPrepared(op, stored))) {
      return failure();
    }
  }
  for (Operation &op : apply.without_terminator()) {
    if (failed(verifyApplied(op, columns))) {
      return failure();
    }
  }
  return success();
}
