// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Those who apply the chunks of a pipeline.
#include "lowering/Lanes/PipelineEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;
using namespace rwkv::warps;

void PipelineEmitter::apply() {
  OpBuilder entry(b);
  auto mark = arith::ConstantIndexOp::create(b, loc, 0);
  entry.setInsertionPoint(mark);
  Value applier = arith::SubIOp::create(b, loc, number, e.index(plan.firstApplier()));
  column = arith::MulIOp::create(b, loc, applier, e.index(plan.columns));
  ArrayRef<BlockArgument> args = pipeline.getCarried();
  SmallVector<Value> init;
  SmallVector<Place> carried;
  {
    WarpTiles tiles = makeTiles(entry, column);
    for (auto [arg, memory] : llvm::zip_equal(args, places)) {
      placements.push_back(plan.getCarriedPlacement(arg));
      carried.push_back(shifted({memory, 4, false, false}, arg, column));
      auto known = alike.find(arg);
      llvm::append_range(init, known != alike.end() ? known->second
                                                    : tiles.load(carried.back(), placements.back(), b.getF32Type()));
    }
  }
  SmallVector<Value> after = plan.usesPairs() ? applyInRange(entry, init) : applyAll(entry, init);
  WarpTiles tiles = makeTiles(entry, column);
  ValueRange rest = after;
  for (auto [arg, place, placement] : llvm::zip_equal(args, carried, placements)) {
    SmallVector<Value> values = takeFront(rest, placement.registers.size());
    auto store = [&, &place = place, &placement = placement] { tiles.store(place, placement, values); };
    if (plan.roles.split.contains(arg)) {
      store();
    } else { // all have the same
      e.ifTrue(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, applier, e.index(0)), store);
    }
  }
  mark.erase();
}

SmallVector<Value> PipelineEmitter::applyAll(OpBuilder &entry, ValueRange init) {
  auto chunks = scf::ForOp::create(b, loc, word(0), narrow(count), word(1), init);
  OpBuilder::InsertionGuard guard(b);
  if (!chunks.getBody()->empty()) {
    chunks.getBody()->back().erase();
  }
  b.setInsertionPointToEnd(chunks.getBody());
  Value chunk = toIndex(chunks.getInductionVar());
  surroundings.forChunk(chunk, [&] {
    Value slot = slots->slotOf(chunk);
    slots->await(slot, chunk, Ring::Event::filled);
    WarpTiles tiles = makeTiles(entry, column);
    bindPassed(tiles, slot);
    holdCarried(tiles, chunks.getRegionIterArgs());
    Results results = getResults(tiles);
    SmallVector<Value> next = getNext(tiles);
    finishApplied(tiles, slot, results);
    scf::YieldOp::create(b, loc, next);
  });
  return chunks.getResults();
}

/// Whether a chunk is in range is known before what is carried is replaced. Otherwise the loop is left, all is made
/// once more, with units, and the loop is entered again: in it nothing is kept for that.
SmallVector<Value> PipelineEmitter::applyInRange(OpBuilder &entry, ValueRange init) {
  OpBuilder::InsertionGuard guard(b);
  Type i1 = b.getI1Type(), i32 = b.getI32Type();
  SmallVector<Type> types(init.size(), b.getF32Type());
  auto startWhile = [&](ValueRange values, TypeRange results) {
    auto loop = scf::WhileOp::create(b, loc, results, values);
    b.createBlock(&loop.getBefore(), {}, values.getTypes(), SmallVector<Location>(values.size(), loc));
    b.createBlock(&loop.getAfter(), {}, results, SmallVector<Location>(results.size(), loc));
    b.setInsertionPointToEnd(loop.getBeforeBody());
    return loop;
  };
  auto isLess = [&](Value x, Value y) -> Value {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
  };
  auto with = [](ValueRange values, ValueRange more) {
    SmallVector<Value> all(values);
    llvm::append_range(all, more);
    return all;
  };
  Value end = narrow(count);
  types.push_back(i32);
  auto chunks = startWhile(with(init, word(0)), types);
  Value first = chunks.getBeforeArguments().back();
  scf::ConditionOp::create(b, loc, isLess(first, end), chunks.getBeforeArguments());

  b.setInsertionPointToEnd(chunks.getAfterBody());
  SmallVector<Type> found = types;
  found.push_back(i1);
  auto inRange = startWhile(chunks.getAfterArguments(), found);
  Value chunk = inRange.getBeforeArguments().back(), index = toIndex(chunk);
  surroundings.forChunk(index, [&] {
    Value slot = slots->slotOf(index);
    slots->await(slot, index, Ring::Event::filled);
    WarpTiles tiles = makeTiles(entry, column);
    bindPassed(tiles, slot);
    holdCarried(tiles, inRange.getBeforeArguments().drop_back());
    tiles.makeOperands(plan.roles.apply);
    Results results = getResults(tiles);
    Value prepared = arePreparedInRange(slot);
    Value areIn = arith::AndIOp::create(b, loc, prepared, tiles.areInRange());
    SmallVector<Value> kept;
    for (auto [arg, placement] : llvm::zip_equal(pipeline.getCarried(), placements)) {
      llvm::append_range(kept, tiles.get(findRead(arg), placement));
    }
    auto branch = scf::IfOp::create(b, loc, TypeRange(types).drop_back(), areIn, /*withElseRegion=*/true);
    b.setInsertionPointToEnd(&branch.getElseRegion().front());
    scf::YieldOp::create(b, loc, kept);
    b.setInsertionPointToEnd(&branch.getThenRegion().front());
    surroundings.forChunk(index, [&] {
      SmallVector<Value> next = getNext(tiles);
      finishApplied(tiles, slot, results);
      scf::YieldOp::create(b, loc, next);
    });
    b.setInsertionPointToEnd(inRange.getBeforeBody());
    Value following = arith::AddIOp::create(b, loc, chunk, word(1));
    Value again = arith::AndIOp::create(b, loc, areIn, isLess(following, end));
    scf::ConditionOp::create(b, loc, again, with(branch.getResults(), {following, areIn}));
  });
  b.setInsertionPointToEnd(inRange.getAfterBody());
  scf::YieldOp::create(b, loc, inRange.getAfterArguments().drop_back());

  b.setInsertionPointAfter(inRange);
  ValueRange left = inRange.getResults().drop_back(2);
  Value following = inRange.getResults().drop_back().back(), areIn = inRange.getResults().back();
  auto branch = scf::IfOp::create(b, loc, TypeRange(types).drop_back(), areIn, /*withElseRegion=*/true);
  b.setInsertionPointToEnd(&branch.getThenRegion().front());
  scf::YieldOp::create(b, loc, left);
  b.setInsertionPointToEnd(&branch.getElseRegion().front());
  Value last = toIndex(arith::SubIOp::create(b, loc, following, word(1)));
  seldom(last, [&](OpBuilder &start, Value) {
    Value slot = slots->slotOf(last); // of the one who has prepared it
    WarpTiles tiles = makeTiles(start, column, /*scaled=*/true);
    tiles.setWithoutUnits(arePreparedInRange(slot));
    tiles.expectWrites(); // to the memory for exchanges
    bindPassed(tiles, slot);
    ValueRange rest = left;
    for (auto [arg, placement] : llvm::zip_equal(pipeline.getCarried(), placements)) {
      tiles.hold(findRead(arg), placement, takeFront(rest, placement.registers.size()));
    }
    Results results = getResults(tiles);
    SmallVector<Value> next = getNext(tiles);
    finishApplied(tiles, slot, results);
    scf::YieldOp::create(b, loc, next);
  });
  b.setInsertionPointToEnd(chunks.getAfterBody());
  scf::YieldOp::create(b, loc, with(branch.getResults(), following));
  return SmallVector<Value>(chunks.getResults().drop_back());
}

/// What a state is read as, if that is all that is ever done with it: what it has been multiplied by.
Value PipelineEmitter::findRead(Value carried) {
  if (carried.hasOneUse()) {
    Operation *user = *carried.user_begin();
    bool isElementwise = user->getNumResults() == 1 && programs::isElementwise(user);
    if (isElementwise && user->getResult(0).getType() == carried.getType()) {
      return user->getResult(0);
    }
  }
  return carried;
}

void PipelineEmitter::bindPassed(WarpTiles &tiles, Value slot) {
  tile::PassOp pass = pipeline.getPass();
  for (OpOperand &operand : pass.getPassed()) {
    bool isWhole = operand.getOperandNumber() < pass.getWhole().size();
    BlockArgument arg = pass.getPassedAs(operand);
    Place place = isWhole ? slots->partAt(slot, plan.getPassed(operand.get()))
                          : partOf(slot, operand.get().getDefiningOp<tile::LoadOp>());
    place.isShared = false; // the meeting was a barrier
    tiles.bind(arg, shifted(place, arg, column));
  }
}

void PipelineEmitter::holdCarried(WarpTiles &tiles, ValueRange values) {
  for (auto [arg, placement] : llvm::zip_equal(pipeline.getCarried(), placements)) {
    tiles.hold(arg, placement, takeFront(values, placement.registers.size()));
  }
}

PipelineEmitter::Results PipelineEmitter::getResults(WarpTiles &tiles) {
  Results results;
  for (auto &[op, part] : plan.results) {
    Value value = cast<tile::StoreOp>(op).getValue();
    Placement placement = tiles.prefer(value);
    SmallVector<Value> values = tiles.get(value, placement);
    results.push_back({placement, values});
  }
  return results;
}

SmallVector<Value> PipelineEmitter::getNext(WarpTiles &tiles) {
  SmallVector<Value> values;
  for (auto [value, placement] : llvm::zip_equal(pipeline.getCarry().getValues(), placements)) {
    llvm::append_range(values, tiles.get(value, placement));
  }
  return values;
}

Value PipelineEmitter::arePreparedInRange(Value slot) {
  Value flag = LLVM::LoadOp::create(b, loc, b.getI32Type(), slots->wordAt(slot, plan.inRange));
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, flag, word(0));
}

/// Results go to the slot, over what has been read there.
void PipelineEmitter::finishApplied(WarpTiles &tiles, Value slot, const Results &results) {
  e.hooks.emitWarpBarrier(b, loc); // other lanes have read it
  for (auto [planned, result] : llvm::zip_equal(plan.results, results)) {
    Value value = cast<tile::StoreOp>(planned.first).getValue();
    tiles.store(shifted(slots->partAt(slot, planned.second), value, column), result.first, result.second);
  }
  slots->come(slot, Ring::Event::applied);
}
