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
  Value column = arith::MulIOp::create(b, loc, applier, e.index(plan.columns));
  ArrayRef<BlockArgument> args = pipeline.getCarried();
  SmallVector<Placement> placements;
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
  auto chunks = scf::ForOp::create(b, loc, word(0), narrow(count), word(1), init);
  {
    OpBuilder::InsertionGuard guard(b);
    if (!chunks.getBody()->empty()) {
      chunks.getBody()->back().erase();
    }
    b.setInsertionPointToEnd(chunks.getBody());
    Value chunk = toIndex(chunks.getInductionVar());
    surroundings.forChunk(chunk, [&] {
      SmallVector<Value> next = applyChunk(entry, chunk, column, placements, chunks.getRegionIterArgs());
      scf::YieldOp::create(b, loc, next);
    });
  }
  WarpTiles tiles = makeTiles(entry, column);
  ValueRange rest = chunks.getResults();
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

SmallVector<Value> PipelineEmitter::applyChunk(OpBuilder &entry, Value chunk, Value column,
                                               ArrayRef<Placement> placements, ValueRange carried) {
  Value slot = slots->slotOf(chunk);
  auto bindAll = [&](WarpTiles &tiles) {
    ValueRange rest = carried;
    for (auto [arg, placement] : llvm::zip_equal(pipeline.getCarried(), placements)) {
      tiles.hold(arg, placement, takeFront(rest, placement.registers.size()));
    }
    tile::PassOp pass = pipeline.getPass();
    for (OpOperand &operand : pass.getPassed()) {
      bool isWhole = operand.getOperandNumber() < pass.getWhole().size();
      BlockArgument arg = pass.getPassedAs(operand);
      Place place = isWhole ? slots->partAt(slot, plan.getPassed(operand.get()))
                            : partOf(slot, operand.get().getDefiningOp<tile::LoadOp>());
      place.isShared = false; // the meeting was a barrier
      tiles.bind(arg, shifted(place, arg, column));
    }
  };
  slots->await(slot, chunk, Ring::Event::filled);
  WarpTiles tiles = makeTiles(entry, column);
  bindAll(tiles);
  tiles.makeOperands(plan.roles.apply);
  SmallVector<Placement> resultPlacements;
  for (auto &[op, part] : plan.results) {
    resultPlacements.push_back(tiles.prefer(cast<tile::StoreOp>(op).getValue()));
  }
  auto getResults = [&](WarpTiles &tiles) {
    SmallVector<Value> values;
    for (auto [planned, placement] : llvm::zip_equal(plan.results, resultPlacements)) {
      llvm::append_range(values, tiles.get(cast<tile::StoreOp>(planned.first).getValue(), placement));
    }
    return values;
  };
  auto getNext = [&](WarpTiles &tiles) {
    SmallVector<Value> values;
    for (auto [value, placement] : llvm::zip_equal(pipeline.getCarry().getValues(), placements)) {
      llvm::append_range(values, tiles.get(value, placement));
    }
    return values;
  };
  SmallVector<Value> results = getResults(tiles), next;
  if (plan.usesPairs()) {
    // What is carried is replaced once it is known that this chunk is in range; otherwise all is made once more.
    Value flag = LLVM::LoadOp::create(b, loc, b.getI32Type(), slots->wordAt(slot, plan.inRange));
    Value prepared = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, flag,
                                           arith::ConstantIntOp::create(b, loc, b.getI32Type(), 0));
    Value areIn = arith::AndIOp::create(b, loc, prepared, tiles.areInRange());
    SmallVector<Type> types(results.size() + carried.size(), b.getF32Type());
    auto branch = scf::IfOp::create(b, loc, types, areIn, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(&branch.getElseRegion().front());
    seldom(chunk, [&](OpBuilder &start, Value) {
      WarpTiles scaledTiles = makeTiles(start, column, /*scaled=*/true);
      scaledTiles.setWithoutUnits(prepared);
      scaledTiles.expectWrites(); // to the memory for exchanges
      bindAll(scaledTiles);
      llvm::DenseSet<Operation *> ofProducts;
      for (Operation *op : plan.roles.apply) {
        bool isOfProducts = isa<tile::DotOp>(op) || llvm::any_of(op->getOperands(), [&](Value value) {
                              return ofProducts.contains(value.getDefiningOp());
                            });
        if (isOfProducts) {
          ofProducts.insert(op);
        } else if (op->getNumResults() == 1) { // rather than what it is made of
          scaledTiles.hold(op->getResult(0), tiles);
        }
      }
      SmallVector<Value> all = getResults(scaledTiles);
      llvm::append_range(all, getNext(scaledTiles));
      scf::YieldOp::create(b, loc, all);
    });
    b.setInsertionPointToEnd(&branch.getThenRegion().front());
    surroundings.forChunk(chunk, [&] {
      SmallVector<Value> all = results;
      llvm::append_range(all, getNext(tiles));
      scf::YieldOp::create(b, loc, all);
    });
    ValueRange values = branch.getResults();
    results = takeFront(values, results.size());
    next = values;
  } else {
    next = getNext(tiles);
  }
  // Other lanes have read what is overwritten.
  e.hooks.emitWarpBarrier(b, loc);
  ValueRange rest = results;
  for (auto [planned, placement] : llvm::zip_equal(plan.results, resultPlacements)) {
    Value value = cast<tile::StoreOp>(planned.first).getValue();
    tiles.store(shifted(slots->partAt(slot, planned.second), value, column), placement,
                takeFront(rest, placement.registers.size()));
  }
  slots->come(slot, Ring::Event::applied);
  return next;
}
