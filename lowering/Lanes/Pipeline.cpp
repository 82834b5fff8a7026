// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Lanes/Pipeline.h"
#include "lowering/Lanes/Ring.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;
using namespace rwkv::warps;

namespace {

/// Registers of a lane for operands of the next chunk, of those that every lane has.
constexpr int64_t kMostAhead = 80;

class PipelineEmitter {
public:
  PipelineEmitter(Emitter &e, const Pipeline &plan, ArrayRef<Memory> places, Value count,
                  LoopSurroundings &surroundings)
      : e(e), b(e.b), loc(e.loc), plan(plan), pipeline(plan.op), places(places), count(count),
        surroundings(surroundings) {}

  void run() {
    auto findOutside = [&](Operation *inner) { // before the roles part
      for (Value operand : inner->getOperands()) {
        if (isOutside(operand)) {
          isa<RankedTensorType>(operand.getType()) ? (void)outsideMemory(operand)
                                                   : (void)surroundings.getOutsideScalar(operand);
        }
      }
    };
    pipeline.getPrepare().walk(findOutside);
    pipeline.getApply().walk(findOutside);
    int64_t warp = e.hooks.getWarp();
    number = e.laneDivided(warp);
    lane = e.laneModulo(warp);
    slots.emplace(e, plan, surroundings.allocateShared(plan.preparers * plan.slotBytes));
    exchange = surroundings.allocateShared(0);
    exchangeSize = arith::ConstantIndexOp::create(b, loc, 0);
    exchangeStart = arith::MulIOp::create(b, loc, number, exchangeSize);
    slots->begin();
    auto role = [&](int64_t from, int64_t to, function_ref<void()> body) {
      Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, number, e.index(from));
      Value below = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, number, e.index(to));
      e.ifTrue(arith::AndIOp::create(b, loc, inside, below), body);
    };
    role(0, plan.firstApplier(), [&] {
      withRegisters(plan.moved, [&] { plan.idle ? role(0, plan.preparers, [&] { prepare(); }) : prepare(); });
    });
    role(plan.firstApplier(), plan.warps(), [&] { withRegisters(-plan.moved, [&] { apply(); }); });
    slots->end();
    exchangeSize.setValueAttr(b.getIndexAttr(exchangeBytes));
    surroundings.growShared(exchange, exchangeBytes * plan.warps());
  }

private:
  /// What `body` emits has so many registers more than the rest.
  void withRegisters(int64_t more, function_ref<void()> body) {
    if (more == 0) {
      return body();
    }
    e.hooks.emitRegisters(b, loc, plan.registers + more, more > 0);
    body();
    e.hooks.emitRegisters(b, loc, plan.registers, more < 0);
  }

  bool isOutside(Value value) {
    bool inside = pipeline->isAncestor(value.getParentBlock()->getParentOp());
    return !inside && !value.getDefiningOp<arith::ConstantOp>() && !isa<tile::BufferType>(value.getType());
  }

  /// Tiles from outside that other lanes wrote, or that lie in a buffer.
  Place outsideMemory(Value tile) {
    auto known = outside.find(tile);
    if (known == outside.end()) {
      known = outside.try_emplace(tile, Place{surroundings.getOutsideMemory(tile), 1, false, false}).first;
    }
    return known->second;
  }

  WarpTiles::Outside makeOutside(Value column) {
    WarpTiles::Outside result;
    result.getScalar = [this](Value scalar) { return surroundings.getOutsideScalar(scalar); };
    result.find = [this, column](Value tile) {
      if (auto load = tile.getDefiningOp<tile::LoadOp>(); load && load->getParentOp() == pipeline) {
        return buffer(load.getBuffer(), load.getOffset(), load.getStride(), load.getResult());
      }
      return shifted(outsideMemory(tile), tile, column);
    };
    result.getExchange = [this](Value tile) { return getExchange(tile); };
    result.getShape = [this](Value tile) { return shapeOf(tile); };
    result.isInside = [this](Operation *inner) { return pipeline->isProperAncestor(inner); };
    return result;
  }

  /// Of a tile as a warp has it.
  Extent shapeOf(Value tile) {
    Extent result = getExtent(tile);
    if (plan.roles.split.contains(tile)) {
      result.columns = plan.columns;
    }
    return result;
  }

  Place buffer(Value buffer, Value offset, std::optional<int64_t> stride, Value tile) {
    auto [memory, alignment] =
        surroundings.getAccess(buffer, offset, stride.value_or(tile::getTileShape(tile.getType()).back()));
    return {memory, alignment, false, false};
  }

  /// The columns of this warp.
  Place shifted(Place place, Value tile, Value column) {
    if (column && plan.roles.split.contains(tile)) {
      place.memory.pointer = emitAddress(b, loc, place.memory, Value(), column);
      place.alignment = std::gcd(place.alignment, plan.columns);
    }
    return place;
  }

  /// Memory of this warp, as large as the largest tile that is exchanged.
  Place getExchange(Value tile) {
    Extent shape = shapeOf(tile);
    Type element = getElementTypeOrSelf(tile.getType());
    element = element.isInteger(1) ? b.getI8Type() : element;
    int64_t stride = shape.columns + (shape.rows > 1 ? 4 : 0);
    int64_t bytes = llvm::alignTo(shape.rows * stride * (element.getIntOrFloatBitWidth() / 8), 16);
    exchangeBytes = std::max(exchangeBytes, bytes);
    Value mine = LLVM::GEPOp::create(b, loc, exchange.getType(), b.getI8Type(), exchange,
                                     ArrayRef<LLVM::GEPArg>{wide(exchangeStart)});
    return {{mine, element, stride}, 4, true, false};
  }

  Value wide(Value index) { return arith::IndexCastOp::create(b, loc, b.getI64Type(), index); }
  Value toIndex(Value word) { return arith::IndexCastUIOp::create(b, loc, b.getIndexType(), word); }
  Value word(int64_t value) { return arith::ConstantIntOp::create(b, loc, b.getI32Type(), value); }
  Value narrow(Value index) { return arith::IndexCastOp::create(b, loc, b.getI32Type(), index); }

  /// Emits for a chunk what is so rare that nothing of it is worth registers otherwise.
  void seldom(Value chunk, function_ref<void(OpBuilder &)> body) {
    auto hidden = [&](Value index) -> Value {
      return arith::IndexCastOp::create(b, loc, b.getIndexType(), e.hooks.emitHidden(b, loc, narrow(index)));
    };
    Value usualLane = lane, usualNumber = number;
    lane = hidden(lane);
    number = hidden(number);
    OpBuilder start(b);
    auto mark = arith::ConstantIndexOp::create(b, loc, 0);
    start.setInsertionPoint(mark);
    surroundings.forChunk(hidden(chunk), [&] { body(start); });
    mark.erase();
    lane = usualLane;
    number = usualNumber;
  }

  // ---- preparing

  void prepare() {
    OpBuilder entry(b);
    auto mark = arith::ConstantIndexOp::create(b, loc, 0);
    entry.setInsertionPoint(mark);
    Value slot = slots->slotAt(number);
    Value any = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, number, count);
    e.ifTrue(any, [&] {
      // Operands of the next chunk are under way while the last one waits for its slot.
      SmallVector<Value> init;
      surroundings.forChunk(number, [&] { init = readAhead(entry, slot); });
      auto chunks = scf::ForOp::create(b, loc, narrow(number), narrow(count), word(plan.preparers), init);
      OpBuilder::InsertionGuard guard(b);
      if (!chunks.getBody()->empty()) {
        chunks.getBody()->back().erase();
      }
      b.setInsertionPointToEnd(chunks.getBody());
      Value chunk = toIndex(chunks.getInductionVar()), last = arith::SubIOp::create(b, loc, narrow(count), word(1));
      surroundings.forChunk(chunk, [&] { prepareChunk(entry, chunk, slot, chunks.getRegionIterArgs()); });
      Value next = arith::AddIOp::create(b, loc, chunks.getInductionVar(), word(plan.preparers));
      next = toIndex(arith::MinUIOp::create(b, loc, next, last));
      SmallVector<Value> ahead;
      surroundings.forChunk(next, [&] { ahead = readAhead(entry, slot); });
      surroundings.forChunk(chunk, [&] { finishChunk(entry, chunk, slot); });
      scf::YieldOp::create(b, loc, ahead);
    });
    mark.erase();
  }

  /// Of a warp that applies from a column on; of one that prepares, if that is null.
  WarpTiles makeTiles(OpBuilder &entry, Value column, bool scaled = false) {
    bool applies = bool(column);
    const MatrixInstruction &instruction = applies ? *plan.instruction : *plan.prepared;
    return WarpTiles(b, entry, loc, e.hooks, lane, instruction, /*turned=*/applies, makeOutside(column), scaled);
  }

  /// Loads of what is prepared, as they are read; then rows of what is passed on as it is.
  SmallVector<Value> readAhead(OpBuilder &entry, Value slot) {
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
      Place from = bufferOf(load), to = partOf(slot, load);
      Extent shape = getExtent(load);
      readIfFew(load, tiles.countPieces(from, to, shape), [&] { return tiles.readRows(from, to, shape); });
    }
    return words;
  }

  static SmallVector<Value> takeFront(ValueRange &values, size_t count) {
    SmallVector<Value> taken(values.take_front(count));
    values = values.drop_front(count);
    return taken;
  }

  void forEachLoad(function_ref<void(tile::LoadOp)> body) {
    for (Operation *op : plan.roles.prepare) {
      auto load = dyn_cast<tile::LoadOp>(op);
      if (load && isa<RankedTensorType>(load.getResult().getType())) {
        body(load);
      }
    }
  }

  Place bufferOf(tile::LoadOp load) {
    return buffer(load.getBuffer(), load.getOffset(), load.getStride(), load.getResult());
  }
  Place partOf(Value slot, tile::LoadOp load) { return slots->partAt(slot, plan.loads.find(load)->second); }

  void prepareChunk(OpBuilder &entry, Value chunk, Value slot, ValueRange words) {
    WarpTiles tiles = makeTiles(entry, Value());
    bool hasSides = keepsLittle() && llvm::any_of(plan.roles.prepare, [](Operation *op) { return isa<scf::IfOp>(op); });
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
        seldom(chunk, [&](OpBuilder &start) {
          e.hooks.emitWarpBarrier(b, loc); // before what others may still read is overwritten
          WarpTiles scaledTiles = makeTiles(start, Value(), /*scaled=*/true);
          prepareOps(scaledTiles, chunk, slots->slotAt(number), plan.roles.prepare, /*isFirst=*/false);
        });
      });
    }
    slots->come(slot, Ring::Event::filled);
  }

  /// Ops that one after the other are run, of the loop or of one side of a branch; flags the first time only.
  void prepareOps(WarpTiles &tiles, Value chunk, Value slot, ArrayRef<Operation *> ops, bool isFirst) {
    SmallVector<Operation *> products;
    llvm::copy_if(ops, std::back_inserter(products), [](Operation *op) { return isa<tile::DotOp>(op); });
    tiles.setProducts(products);
    // Products last: their operands are there then, and products of the same operands are made together.
    llvm::DenseSet<Operation *> late;
    for (bool isLast : {false, true}) {
      for (Operation *op : ops) {
        bool needsProducts = isa<tile::DotOp, scf::IfOp>(op) || llvm::any_of(op->getOperands(), [&](Value value) {
                               return late.contains(findPreparer(value));
                             });
        if (needsProducts) {
          late.insert(op);
        }
        if (plan.hasScratch ? isLast : needsProducts != isLast) {
          continue;
        }
        if (auto flag = dyn_cast<tile::FlagOp>(op); flag && isFirst) {
          surroundings.emitViolation(tiles.getNumber(flag.getViolated()), flag.getStatusBit(), lane);
        } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
          prepareBranch(tiles, chunk, slot, branch);
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

  /// To where a tile lies in a slot, if it does.
  void writePart(WarpTiles &tiles, Value slot, Value tile, Value as) {
    if (auto part = plan.parts.find(as); part != plan.parts.end()) {
      Place place = slots->partAt(slot, part->second);
      tiles.write(tile, place, part->second.isScratch);
      tiles.bind(tile, place);
    }
  }

  /// As pairs, for those who apply: those who prepare do not read them.
  void writePairs(WarpTiles &tiles, Value slot, Value tile) {
    if (auto part = plan.pairs.find(tile); part != plan.pairs.end()) {
      tiles.write(tile, slots->partAt(slot, part->second), /*overOthers=*/false);
    }
  }

  /// Operands that share memory are there until the last product has read them: then all that do are made.
  void multiplyBeforeLost(WarpTiles &tiles, Operation *op, ArrayRef<Operation *> products) {
    auto reads = [](Operation *product, Value tile) {
      return skipTransposes(product->getOperand(0)).first == tile ||
             skipTransposes(product->getOperand(1)).first == tile;
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

  /// Whether registers are short: where two tasks share those of a multiprocessor, or chunks are long.
  bool keepsLittle() const { return plan.tasksAtOnce > 1 || plan.usesPairs(); }

  /// All lanes of a warp go the same way. What both sides make lies in the slot behind it. A side that is seldom taken
  /// begins with what lies in memory, so that nothing is kept for it.
  void prepareBranch(WarpTiles &tiles, Value chunk, Value slot, scf::IfOp branch) {
    Region *seldomSide = keepsLittle() ? findSeldomSide(branch) : nullptr;
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
        seldom(chunk, [&, &from = from](OpBuilder &start) {
          WarpTiles others = makeTiles(start, Value());
          others.bindAll(tiles);
          prepareSide(others, chunk, slots->slotAt(number), from, branch);
        });
      } else {
        tiles.inBranch([&, &from = from] { prepareSide(tiles, chunk, slot, from, branch); });
      }
    }
    for (Value result : branch.getResults()) {
      if (auto part = plan.parts.find(result); part != plan.parts.end()) {
        tiles.bind(result, slots->partAt(slot, part->second));
      }
    }
    tiles.expectWrites();
  }

  void prepareSide(WarpTiles &tiles, Value chunk, Value slot, Region &side, scf::IfOp branch) {
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

  /// Once the chunk has been applied: its results go to their buffers.
  void finishChunk(OpBuilder &entry, Value chunk, Value slot) {
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
  }

  // ---- applying

  void apply() {
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
        placements.push_back(tiles.getFragments(arg));
        carried.push_back(shifted({memory, 4, false, false}, arg, column));
        llvm::append_range(init, tiles.load(carried.back(), placements.back(), b.getF32Type()));
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
    for (auto [place, placement] : llvm::zip_equal(carried, placements)) {
      tiles.store(place, placement, takeFront(rest, placement.registers.size()));
    }
    mark.erase();
  }

  SmallVector<Value> applyChunk(OpBuilder &entry, Value chunk, Value column, ArrayRef<Placement> placements,
                                ValueRange carried) {
    Value slot = slots->slotOf(chunk);
    auto bindAll = [&](WarpTiles &tiles) {
      ValueRange rest = carried;
      for (auto [arg, placement] : llvm::zip_equal(pipeline.getCarried(), placements)) {
        tiles.hold(arg, placement, takeFront(rest, placement.registers.size()));
      }
      tile::PassOp pass = pipeline.getPass();
      for (OpOperand &operand : pass->getOpOperands()) {
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
      seldom(chunk, [&](OpBuilder &start) {
        WarpTiles scaledTiles = makeTiles(start, column, /*scaled=*/true);
        scaledTiles.setWithoutUnits(prepared);
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

  Emitter &e;
  OpBuilder &b;
  Location loc;
  const Pipeline &plan;
  tile::PipelineOp pipeline;
  ArrayRef<Memory> places;
  Value count;
  LoopSurroundings &surroundings;
  Value number, lane; // of the warp in the task, of the lane in the warp
  std::optional<Ring> slots;
  Value exchange, exchangeStart; // memory
  arith::ConstantIndexOp exchangeSize;
  int64_t exchangeBytes = 0;
  llvm::DenseMap<Value, Place> outside;
  llvm::SmallPtrSet<Operation *, 8> ahead; // loads that are read while the chunk before is waited for
};

} // namespace

void lanes::emitPipeline(Emitter &e, const Pipeline &plan, ArrayRef<Memory> places, Value count,
                         LoopSurroundings &surroundings) {
  PipelineEmitter(e, plan, places, count, surroundings).run();
}
