// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Those who prepare the chunks of a pipeline.
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

/// Registers of a lane for operands of the next chunk, of those that every lane has.
static constexpr int64_t kMostAhead = 80;

void PipelineEmitter::prepare() {
  OpBuilder entry(b);
  auto mark = arith::ConstantIndexOp::create(b, loc, 0);
  entry.setInsertionPoint(mark);
  Value any = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, number, count);
  e.ifTrue(any, [&] {
    // Operands of the next chunk are under way while the last one waits for its slot.
    SmallVector<Value> init;
    surroundings.forChunk(number, [&] { init = readAhead(entry, number); });
    handFirst();
    auto chunks = scf::ForOp::create(b, loc, narrow(number), narrow(count), word(plan.preparers), init);
    OpBuilder::InsertionGuard guard(b);
    if (!chunks.getBody()->empty()) {
      chunks.getBody()->back().erase();
    }
    b.setInsertionPointToEnd(chunks.getBody());
    Value chunk = toIndex(chunks.getInductionVar()), last = arith::SubIOp::create(b, loc, narrow(count), word(1));
    surroundings.forChunk(chunk, [&] { prepareChunk(entry, chunk, slotOf(chunk), chunks.getRegionIterArgs()); });
    Value ready = arith::AddIOp::create(b, loc, chunks.getInductionVar(), word(plan.preparers));
    Value next = toIndex(arith::MinUIOp::create(b, loc, ready, last));
    SmallVector<Value> ahead;
    surroundings.forChunk(next, [&] { ahead = readAhead(entry, next); });
    // What the slot of the next chunk holds.
    hasOwnSlots() ? finishChunk(entry, chunk) : finishIfAny(entry, ready);
    scf::YieldOp::create(b, loc, ahead);
  });
  if (!hasOwnSlots()) {
    finishLast(entry);
  }
  mark.erase();
}

void PipelineEmitter::finishLast(OpBuilder &entry) {
  // Behind the last chunk that this warp prepares; up to there, it has freed the slots that it needed.
  Value preparers = word(plan.preparers), own = narrow(number);
  Value mine = arith::AddIOp::create(b, loc, narrow(count), word(plan.preparers - 1));
  mine = arith::DivUIOp::create(b, loc, arith::SubIOp::create(b, loc, mine, own), preparers);
  Value next = arith::AddIOp::create(b, loc, own, arith::MulIOp::create(b, loc, mine, preparers));
  Value end = arith::AddIOp::create(b, loc, narrow(count), word(plan.slots));
  auto rest = scf::ForOp::create(b, loc, arith::AddIOp::create(b, loc, next, preparers), end, preparers);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(rest.getBody());
  finishIfAny(entry, rest.getInductionVar());
}

void PipelineEmitter::finishIfAny(OpBuilder &entry, Value next) {
  Value any = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, next, word(plan.slots));
  e.ifTrue(any, [&] { finishChunk(entry, toIndex(arith::SubIOp::create(b, loc, next, word(plan.slots)))); });
}

SmallVector<Value> PipelineEmitter::readAhead(OpBuilder &entry, Value chunk) {
  WarpTiles tiles = makeTiles(entry, Value());
  SmallVector<Value> words;
  auto readIfFew = [&](tile::LoadOp load, size_t count, function_ref<SmallVector<Value>()> read) {
    if (int64_t(words.size() + count) <= kMostAhead + plan.moved) {
      llvm::append_range(words, read());
      ahead.insert(load);
    }
  };
  forEachLoad([&](tile::LoadOp load) {
    Place from = bufferOf(load);
    Placement placement = tiles.prefer(load);
    readIfFew(load, tiles.countReads(from, placement), [&] { return tiles.read(from, placement); });
  });
  for (Operation *op : plan.roles.loads) {
    auto load = cast<tile::LoadOp>(op);
    Place from = bufferOf(load), to = partOf(slotOf(chunk), load);
    Extent shape = getExtent(load);
    readIfFew(load, tiles.countPieces(from, to, shape), [&] { return tiles.readRows(from, to, shape); });
  }
  return words;
}

void PipelineEmitter::forEachLoad(function_ref<void(tile::LoadOp)> body) {
  for (Operation *op : plan.roles.prepare) {
    auto load = dyn_cast<tile::LoadOp>(op);
    if (load && isa<RankedTensorType>(load.getResult().getType())) {
      body(load);
    }
  }
}

Place PipelineEmitter::bufferOf(tile::LoadOp load) {
  return buffer(load.getBuffer(), load.getOffset(), load.getStride(), load.getResult());
}

void PipelineEmitter::prepareChunk(OpBuilder &entry, Value chunk, Value slot, ValueRange words) {
  takeAhead(chunk);
  WarpTiles tiles = makeTiles(entry, Value());
  bindAhead(tiles);
  bool hasSides = llvm::any_of(plan.roles.prepare, [](Operation *op) { return isa<scf::IfOp>(op); });
  forEachLoad([&](tile::LoadOp load) {
    Place place = bufferOf(load); // of others, here, so that branches know it
    if (!ahead.contains(load)) {
      return;
    }
    Placement placement = tiles.prefer(load);
    SmallVector<Value> mine = takeFront(words, tiles.countReads(place, placement));
    tiles.holdWords(load.getResult(), place, placement, mine);
    if (!hasSides) { // of a branch, either of which unpacks what it uses
      (void)tiles.get(load.getResult(), placement);
    }
  });
  handOn(tiles);
  for (Operation *op : plan.roles.loads) {
    auto load = cast<tile::LoadOp>(op);
    Extent shape = getExtent(load);
    Place from = bufferOf(load), to = partOf(slot, load);
    bool isAhead = ahead.contains(load);
    tiles.writeRows(from, to, shape,
                    isAhead ? takeFront(words, tiles.countPieces(from, to, shape)) : tiles.readRows(from, to, shape));
  }
  prepareOps(tiles, chunk, slot, plan.roles.prepare, /*isFirst=*/true);
  if (plan.usesPairs()) {
    // All once more where something is out of range. It is read again: registers have better uses.
    Value inRange = tiles.areInRange();
    Value flag = arith::ExtUIOp::create(b, loc, b.getI32Type(), inRange);
    tiles.store({{slots->wordAt(slot, plan.inRange), b.getI32Type(), 1}}, getCopies(1, e.hooks.getWarp()), flag);
    Value isOut = arith::XOrIOp::create(b, loc, inRange, arith::ConstantIntOp::create(b, loc, b.getI1Type(), 1));
    e.ifTrue(isOut, [&] {
      seldom(chunk, [&](OpBuilder &start, Value slot) {
        e.hooks.emitWarpBarrier(b, loc); // before what others may still read is overwritten
        WarpTiles scaledTiles = makeTiles(start, Value(), /*scaled=*/true);
        bindAhead(scaledTiles);
        prepareOps(scaledTiles, chunk, slot, plan.roles.prepare, /*isFirst=*/false);
      });
    });
  }
  slots->come(slot, Ring::Event::filled);
}

void PipelineEmitter::prepareOps(WarpTiles &tiles, Value chunk, Value slot, ArrayRef<Operation *> ops, bool isFirst) {
  SmallVector<Operation *> products;
  llvm::copy_if(ops, std::back_inserter(products), [](Operation *op) { return isa<tile::DotOp>(op); });
  tiles.setProducts(products);
  // Products last: their operands are there then, and products of the same operands are made together. Where memory is
  // used again, all in its order, but for what comes to a few numbers of many, which would be kept meanwhile.
  auto isSoon = [&](Operation *op) {
    auto part = isa<tile::ReduceOp>(op) ? plan.parts.find(op->getResult(0)) : plan.parts.end();
    return part != plan.parts.end() && !part->second.isScratch;
  };
  llvm::DenseSet<Operation *> late;
  for (bool isLast : {false, true}) {
    for (Operation *op : ops) {
      bool needsProducts = isa<tile::DotOp, scf::IfOp>(op) || llvm::any_of(op->getOperands(), [&](Value value) {
                             return late.contains(findPreparer(value));
                           });
      if (needsProducts) {
        late.insert(op);
      }
      if ((needsProducts || (plan.hasScratch && !isSoon(op))) != isLast) {
        continue;
      }
      if (auto flag = dyn_cast<tile::FlagOp>(op); flag && isFirst) {
        surroundings.emitViolation(tiles.getNumber(flag.getViolated()), flag.getStatusBit(), lane);
      } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
        for (Operation *other : ops) { // sums of what is at hand: nothing is kept for them
          if (isa<tile::ReduceOp>(other) && !late.contains(other)) {
            (void)tiles.get(other->getResult(0), tiles.prefer(other->getResult(0)));
          }
        }
        // Nothing in it has units: what it made the first time is still there.
        isFirst ? prepareBranch(tiles, chunk, slot, branch) : bindResults(tiles, slot, branch);
      } else if (plan.hasScratch && isa<tile::DotOp>(op)) {
        multiplyBeforeLost(tiles, op, products);
      }
      for (Value result : op->getResults()) {
        writePairs(tiles, slot, result);
        if (!isa<scf::IfOp>(op)) {
          writePart(tiles, slot, result, result);
        }
      }
    }
  }
}

void PipelineEmitter::writePart(WarpTiles &tiles, Value slot, Value tile, Value as) {
  if (auto part = plan.parts.find(as); part != plan.parts.end()) {
    Place place = slots->partAt(slot, part->second);
    tiles.write(tile, place, part->second.isScratch);
    tiles.bind(tile, place);
  }
}

void PipelineEmitter::writePairs(WarpTiles &tiles, Value slot, Value tile) {
  if (auto part = plan.pairs.find(tile); part != plan.pairs.end()) {
    tiles.write(tile, slots->partAt(slot, part->second), /*overOthers=*/false);
  }
}

void PipelineEmitter::multiplyBeforeLost(WarpTiles &tiles, Operation *op, ArrayRef<Operation *> products) {
  auto reads = [](Operation *product, Value tile) {
    return skipTransposes(product->getOperand(0)).first == tile || skipTransposes(product->getOperand(1)).first == tile;
  };
  for (unsigned side : {0, 1}) {
    Value tile = skipTransposes(op->getOperand(side)).first;
    auto part = plan.parts.find(tile);
    if (part == plan.parts.end() || !part->second.isScratch) {
      continue;
    }
    auto readers = llvm::make_filter_range(products, [&](Operation *product) { return reads(product, tile); });
    bool isLast = llvm::none_of(readers, [&](Operation *product) { return op->isBeforeInBlock(product); });
    for (Operation *product : readers) {
      if (isLast && !tiles.isMade(product->getResult(0))) {
        (void)tiles.get(product->getResult(0), tiles.prefer(product->getResult(0)));
      }
    }
  }
}

void PipelineEmitter::prepareBranch(WarpTiles &tiles, Value chunk, Value slot, scf::IfOp branch) {
  Region *seldomSide = findSeldomSide(branch);
  if (!seldomSide) {
    branch->walk([&](Operation *op) { // what both sides are likely to need, and what others have is lost in one
      for (Value operand : op->getOperands()) {
        Operation *maker = operand.getDefiningOp();
        if (maker && maker->getParentOp() == pipeline && WarpTiles::isNative(maker)) {
          (void)tiles.get(operand, tiles.prefer(operand));
        }
      }
    });
  }
  tiles.settle();
  auto sides = scf::IfOp::create(b, loc, tiles.getNumber(branch.getCondition()), /*withElseRegion=*/true);
  for (auto [from, to] : llvm::zip_equal(branch->getRegions(), sides->getRegions())) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(to.front().getTerminator());
    if (&from == seldomSide) {
      seldom(chunk, [&, &from = from](OpBuilder &start, Value slot) {
        WarpTiles others = makeTiles(start, Value());
        others.bindAll(tiles);
        bindAhead(others);
        prepareSide(others, chunk, slot, from, branch);
      });
    } else {
      tiles.inBranch([&, &from = from] { prepareSide(tiles, chunk, slot, from, branch); });
    }
  }
  bindResults(tiles, slot, branch);
  tiles.expectWrites();
}

void PipelineEmitter::bindResults(WarpTiles &tiles, Value slot, scf::IfOp branch) {
  for (Value result : branch.getResults()) {
    if (auto part = plan.parts.find(result); part != plan.parts.end()) {
      tiles.bind(result, slots->partAt(slot, part->second));
    }
  }
}

void PipelineEmitter::prepareSide(WarpTiles &tiles, Value chunk, Value slot, Region &side, scf::IfOp branch) {
  SmallVector<Operation *> ops;
  for (Operation &op : side.front().without_terminator()) {
    if (!isa<arith::ConstantOp, tile::IotaOp, tile::BroadcastOp, tile::TransposeOp>(op)) {
      ops.push_back(&op);
    }
  }
  prepareOps(tiles, chunk, slot, ops, /*isFirst=*/true);
  for (auto [yielded, result] : llvm::zip_equal(side.front().getTerminator()->getOperands(), branch.getResults())) {
    if (!plan.parts.contains(yielded)) {
      writePart(tiles, slot, yielded, result);
    }
  }
}

void PipelineEmitter::finishChunk(OpBuilder &entry, Value chunk) {
  surroundings.forChunk(chunk, [&] {
    Value slot = slotOf(chunk);
    slots->await(slot, chunk, Ring::Event::applied);
    WarpTiles tiles = makeTiles(entry, Value());
    for (auto &[op, part] : plan.results) {
      auto store = cast<tile::StoreOp>(op);
      Place from = slots->partAt(slot, part);
      from.isShared = false; // the meeting was a barrier
      Place to = buffer(store.getBuffer(), store.getOffset(), store.getStride(), store.getValue());
      Extent shape = getExtent(store.getValue());
      tiles.writeRows(from, to, shape, tiles.readRows(from, to, shape));
    }
    e.hooks.emitWarpBarrier(b, loc); // before the slot is filled again
  });
}
