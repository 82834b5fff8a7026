// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Those who apply the chunks of a pipeline.
#include "lowering/Lanes/PipelineEmitter.h"
#include "lowering/TilePrograms/Homogeneous.h"

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
  findMultiplied();
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
  const size_t size = init.size();
  if (hasUnit()) {
    init.append(2, word(0));
  }
  awaitBegin();
  SmallVector<Value> after = plan.usesPairs() ? applyInRange(entry, init) : applyAll(entry, init);
  awaitEnd();
  WarpTiles tiles = makeTiles(entry, column);
  ValueRange rest = after;
  for (auto [arg, place, placement] : llvm::zip_equal(args, carried, placements)) {
    SmallVector<Value> values = takeFront(rest, placement.registers.size());
    if (hasUnit() && multiplied.contains(arg)) {
      divide(values, after[size]);
    }
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
  SmallVector<Type> types(init.getTypes());
  const size_t size = init.size() - (hasUnit() ? 2 : 0); // of what is carried, without its unit
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
  found.append({b.getF32Type(), i1});
  auto inRange = startWhile(chunks.getAfterArguments(), found);
  Value chunk = inRange.getBeforeArguments().back(), index = toIndex(chunk);
  surroundings.forChunk(index, [&] {
    Value slot = slots->slotOf(index);
    slots->await(slot, index, Ring::Event::filled);
    WarpTiles tiles = makeTiles(entry, column);
    bindPassed(tiles, slot);
    ValueRange carried = inRange.getBeforeArguments().drop_back();
    holdCarried(tiles, carried);
    tiles.setProducts(plan.roles.apply);
    tiles.lookAtAll(operandsOfIt);
    tiles.makeOperands(plan.roles.apply, lastOperands);
    SmallVector<Value> unit(carried.drop_front(size));
    llvm::MapVector<Value, Value> exempt;
    Value factor;
    if (hasUnit()) {
      factor = getFactor(tiles, unit.front());
      multiplyAhead(tiles, factor);
      tiles.makeOperands(plan.roles.apply);
      for (Value tile : operandsOfIt) {
        exempt[tile] = unit.back();
      }
      for (Value tile : lastOperands) { // against what they are added to: that has been made large enough
        exempt[tile] = word(-1);
      }
    }
    Results results = getResults(tiles);
    Value prepared = arePreparedInRange(slot);
    Value areIn = arith::AndIOp::create(b, loc, prepared, tiles.areInRange(exempt));
    SmallVector<Value> kept;
    for (auto [arg, placement] : llvm::zip_equal(pipeline.getCarried(), placements)) {
      llvm::append_range(kept, tiles.get(findRead(arg), placement));
    }
    auto branch = scf::IfOp::create(b, loc, TypeRange(types).drop_back(), areIn, /*withElseRegion=*/true);
    b.setInsertionPointToEnd(&branch.getElseRegion().front());
    scf::YieldOp::create(b, loc, with(kept, unit));
    b.setInsertionPointToEnd(&branch.getThenRegion().front());
    surroundings.forChunk(index, [&] {
      SmallVector<Value> next = getNext(tiles, factor);
      finishApplied(tiles, slot, results);
      scf::YieldOp::create(b, loc, with(next, unit));
    });
    b.setInsertionPointToEnd(inRange.getBeforeBody());
    factor = factor ? factor : arith::ConstantOp::create(b, loc, b.getF32FloatAttr(1)).getResult();
    Value following = arith::AddIOp::create(b, loc, chunk, word(1));
    Value again = arith::AndIOp::create(b, loc, areIn, isLess(following, end));
    scf::ConditionOp::create(b, loc, again, with(branch.getResults(), {following, factor, areIn}));
  });
  b.setInsertionPointToEnd(inRange.getAfterBody());
  scf::YieldOp::create(b, loc, inRange.getAfterArguments().drop_back(2));

  b.setInsertionPointAfter(inRange);
  ValueRange left = inRange.getResults().drop_back(3), behind = inRange.getResults().take_back(3);
  Value following = behind[0], factor = behind[1], areIn = behind[2];
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
    if (hasUnit()) {
      multiplyAhead(tiles, factor);
    }
    Results results = getResults(tiles);
    SmallVector<Value> next = getNext(tiles, hasUnit() ? factor : Value());
    finishApplied(tiles, slot, results);
    if (hasUnit()) { // whether what is multiplied is zero is looked at where it may have become so
      Value isZero = areZero(next);
      next.append({rest.front(), isZero});
    }
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

SmallVector<Value> PipelineEmitter::getNext(WarpTiles &tiles, Value factor) {
  SmallVector<Value> values;
  for (auto [arg, value, placement] :
       llvm::zip_equal(pipeline.getCarried(), pipeline.getCarry().getValues(), placements)) {
    bool isMultiplied = factor && !uniform && multiplied.contains(arg);
    llvm::append_range(values, isMultiplied ? multiply(tiles, value, placement, factor) : tiles.get(value, placement));
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

// ---- units of what is carried

static constexpr int64_t kBits = 23, kBias = 127; // of an f32: those behind its exponent

void PipelineEmitter::findMultiplied() {
  if (!plan.usesPairs()) {
    return;
  }
  multiplied = findHomogeneous(pipeline);
  for (tile::DotOp dot : plan.findProducts()) {
    Value tile = skipTransposes(dot.getRhs()).first;
    if (plan.isApplied(dot) && multiplied.contains(tile) && !llvm::is_contained(operandsOfIt, tile)) {
      operandsOfIt.push_back(tile);
    }
  }
  findUniform();
}

/// Where products are added to what is carried times a number, the same for all elements of all that is multiplied,
/// their operands have been multiplied by it, too, however small it is.
void PipelineEmitter::findUniform() {
  SmallVector<Value> last;
  Value number;
  llvm::MapVector<Value, arith::MulFOp> products;
  for (auto [arg, next] : llvm::zip_equal(pipeline.getCarried(), pipeline.getCarry().getValues())) {
    if (!multiplied.contains(arg)) {
      continue;
    }
    Value sum = next;
    for (auto dot = sum.getDefiningOp<tile::DotOp>(); dot && dot.getAcc(); dot = sum.getDefiningOp<tile::DotOp>()) {
      if (!dot->hasOneUse() || !dot.getRhs().hasOneUse() || !multiplied.contains(dot.getRhs())) {
        return;
      }
      last.push_back(dot.getRhs());
      sum = dot.getAcc();
    }
    auto product = sum.getDefiningOp<arith::MulFOp>();
    auto broadcast = product ? product.getRhs().getDefiningOp<tile::BroadcastOp>() : tile::BroadcastOp();
    bool suits = broadcast && sum != next && product.getLhs() == arg && product->hasOneUse() &&
                 getRank(broadcast.getX()) == 0 && (!number || number == broadcast.getX());
    if (!suits) {
      return;
    }
    number = broadcast.getX();
    products[arg] = product;
  }
  uniform = number;
  decayed = std::move(products);
  lastOperands = std::move(last);
}

/// The power of two for this chunk, by the sizes of its operands, and by the number that they are multiplied by: the
/// next ones become 2^11 or more, so that they may be 2^4 times as large or 2^-18 times. Adds its exponent to the sum
/// of all.
Value PipelineEmitter::getFactor(WarpTiles &tiles, Value &sum) {
  constexpr int64_t kHalfBits = 26, kHalfBias = 15, kTop = 11; // of an f16 in the upper half
  constexpr int64_t kLeast = -60, kMost = 90;                  // what is multiplied by it stays a normal number
  SmallVector<Value> first;
  llvm::copy_if(operandsOfIt, std::back_inserter(first),
                [&](Value tile) { return !llvm::is_contained(lastOperands, tile); });
  Value exponent = arith::ShRUIOp::create(b, loc, tiles.getLargest(first), word(kHalfBits));
  exponent = arith::SubIOp::create(b, loc, word(kHalfBias + kTop), exponent);
  if (uniform) {
    Value bits = arith::BitcastOp::create(b, loc, b.getI32Type(), tiles.getNumber(uniform));
    bits = arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, bits, word(kBits)), word(255));
    exponent = arith::AddIOp::create(b, loc, exponent, arith::SubIOp::create(b, loc, word(kBias), bits));
    exponent = arith::MaxSIOp::create(b, loc, arith::MinSIOp::create(b, loc, exponent, word(kMost)), word(kLeast));
  }
  Value bits = arith::ShLIOp::create(b, loc, arith::AddIOp::create(b, loc, exponent, word(kBias)), word(kBits));
  sum = arith::AddIOp::create(b, loc, sum, exponent);
  return arith::BitcastOp::create(b, loc, b.getF32Type(), bits);
}

/// What next values are sums of, where all of it is multiplied by a number anyway.
void PipelineEmitter::multiplyAhead(WarpTiles &tiles, Value factor) {
  for (Value tile : lastOperands) {
    tiles.multiplyOperand(tile, factor);
  }
  for (auto [arg, placement] : llvm::zip_equal(pipeline.getCarried(), placements)) {
    if (auto product = uniform ? decayed.lookup(arg) : arith::MulFOp()) {
      tiles.hold(product, placement, multiplyProduct(tiles, product, placement, factor));
    }
  }
}

/// A product of what is multiplied, whose other side is, as it has fewer numbers.
SmallVector<Value> PipelineEmitter::multiplyProduct(WarpTiles &tiles, arith::MulFOp product, const Placement &placement,
                                                    Value factor) {
  const unsigned side = multiplied.contains(product.getLhs()) ? 0 : 1;
  SmallVector<Value> values = tiles.get(product->getOperand(side), placement);
  llvm::DenseMap<Value, Value> known;
  for (auto [value, by] : llvm::zip_equal(values, tiles.get(product->getOperand(1 - side), placement))) {
    Value &scaled = known[by];
    scaled = scaled ? scaled : arith::MulFOp::create(b, loc, by, factor).getResult();
    value = arith::MulFOp::create(b, loc, value, scaled);
  }
  return values;
}

/// What is carried next, multiplied.
SmallVector<Value> PipelineEmitter::multiply(WarpTiles &tiles, Value next, const Placement &placement, Value factor) {
  if (auto product = next.getDefiningOp<arith::MulFOp>()) {
    return multiplyProduct(tiles, product, placement, factor);
  }
  return llvm::map_to_vector(tiles.get(next, placement),
                             [&](Value value) -> Value { return arith::MulFOp::create(b, loc, value, factor); });
}

/// Of the registers of all that is carried: whether those that are multiplied are zero in all lanes; all bits, or none.
Value PipelineEmitter::areZero(ArrayRef<Value> values) {
  SmallVector<Value> sizes;
  for (BlockArgument arg : pipeline.getCarried()) {
    size_t count = plan.getCarriedPlacement(arg).registers.size();
    for (Value value : multiplied.contains(arg) ? values.take_front(count) : ArrayRef<Value>()) {
      Value bits = arith::BitcastOp::create(b, loc, b.getI32Type(), value);
      sizes.push_back(arith::ShLIOp::create(b, loc, bits, word(1))); // without their signs
    }
    values = values.drop_front(count);
  }
  Value any = combineAll(sizes, [&](Value x, Value y) -> Value { return arith::OrIOp::create(b, loc, x, y); });
  any = e.hooks.emitUnion(b, loc, any);
  Value isZero = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, any, word(0));
  return arith::ExtSIOp::create(b, loc, b.getI32Type(), isZero);
}

/// By 2 to a power, in two steps: either is a normal number.
void PipelineEmitter::divide(MutableArrayRef<Value> values, Value exponent) {
  constexpr int64_t kMost = 2 * (kBias - 1);
  Value negated = arith::SubIOp::create(b, loc, word(0), exponent);
  negated = arith::MaxSIOp::create(b, loc, arith::MinSIOp::create(b, loc, negated, word(kMost)), word(-kMost));
  Value half = arith::ShRSIOp::create(b, loc, negated, word(1));
  for (Value part : {half, arith::SubIOp::create(b, loc, negated, half).getResult()}) {
    Value biased = arith::AddIOp::create(b, loc, part, word(kBias));
    Value bits = arith::ShLIOp::create(b, loc, biased, word(kBits));
    Value power = arith::BitcastOp::create(b, loc, b.getF32Type(), bits);
    for (Value &value : values) {
      value = arith::MulFOp::create(b, loc, value, power);
    }
  }
}
