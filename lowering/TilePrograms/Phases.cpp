// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the roles of a loop to the phases of a pipeline.
#include "lowering/TilePrograms/Roles.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

namespace {

/// A phase: copies of ops of a loop, with what they need of it that is not known in the phase.
class Phase {
public:
  Phase(Region &region, scf::ForOp loop) : loop(loop), b(loop.getContext()) {
    region.emplaceBlock();
    b.setInsertionPointToEnd(&region.front());
    call(loop.getInductionVar());
  }

  /// What the phase is given.
  void call(Value value) { known.map(value, b.getBlock()->addArgument(value.getType(), value.getLoc())); }

  void copy(Operation *op) {
    op->walk([&](Operation *inner) { llvm::for_each(inner->getOperands(), [&](Value value) { need(value); }); });
    b.clone(*op, known);
  }

  SmallVector<Value> get(ValueRange values) {
    llvm::for_each(values, [&](Value value) { need(value); });
    return llvm::map_to_vector(values, [&](Value value) { return known.lookupOrDefault(value); });
  }

  OpBuilder &builder() { return b; }

private:
  void need(Value value) {
    Operation *op = value.getDefiningOp();
    if (op && op->getParentOp() == loop && !known.contains(value)) {
      copy(op);
    }
  }

  scf::ForOp loop;
  OpBuilder b;
  IRMapping known;
};

} // namespace

tile::PipelineOp programs::splitPhases(scf::ForOp loop, const Roles &roles) {
  OpBuilder b(loop);
  Location loc = loop.getLoc();
  // Of what is carried: what it is first, in the loop, and next.
  SmallVector<Value> init, args, next, initAhead, argsAhead, nextAhead;
  for (auto [i, first, arg, value] :
       llvm::enumerate(loop.getInitArgs(), loop.getRegionIterArgs(), loop.getYieldedValues())) {
    bool isAhead = llvm::is_contained(roles.ahead, i);
    (isAhead ? initAhead : init).push_back(first);
    (isAhead ? argsAhead : args).push_back(arg);
    (isAhead ? nextAhead : next).push_back(value);
  }
  SmallVector<Type> types(ValueRange(init).getTypes());
  llvm::append_range(types, ValueRange(initAhead).getTypes());
  auto pipeline = tile::PipelineOp::create(b, loc, types, loop.getLowerBound(), loop.getUpperBound(), loop.getStep(),
                                           init, initAhead, /*preparers=*/1, /*idle=*/0, /*appliers=*/1, roles.columns,
                                           /*tasks=*/1, /*moved=*/0, /*pairs=*/false);
  Location end = loop.getBody()->getTerminator()->getLoc();
  SmallVector<Value> columns =
      llvm::map_to_vector(roles.loads, [](Operation *load) -> Value { return load->getResult(0); });

  Phase prepare(pipeline.getPrepare(), loop);
  llvm::for_each(argsAhead, [&](Value value) { prepare.call(value); });
  llvm::DenseSet<Operation *> prepared(roles.prepare.begin(), roles.prepare.end());
  prepared.insert(roles.loads.begin(), roles.loads.end());
  for (Operation &op : *loop.getBody()) {
    if (prepared.contains(&op)) {
      prepare.copy(&op);
    }
  }
  SmallVector<Value> whole = prepare.get(roles.passed.getArrayRef()), loaded = prepare.get(columns),
                     ahead = prepare.get(nextAhead);
  tile::PassOp::create(prepare.builder(), end, whole, loaded, ahead);

  Phase apply(pipeline.getApply(), loop);
  SmallVector<Value> given(args);
  llvm::append_range(given, roles.passed);
  llvm::append_range(given, columns);
  llvm::for_each(given, [&](Value value) { apply.call(value); });
  llvm::for_each(roles.apply, [&](Operation *op) { apply.copy(op); });
  tile::CarryOp::create(apply.builder(), end, apply.get(next));
  return pipeline;
}
