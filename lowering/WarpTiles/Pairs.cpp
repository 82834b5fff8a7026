// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operands of products as pairs of f16, which has 11 significant bits but a small range. Nearly always numbers lie in
// it as they are: that is looked at when they have become pairs. Where they do not, all is made once more, with units:
// every operand is multiplied by a power of two, by the largest of its elements, and the product by what that is the
// inverse of. What is lost is then 2^-40 of the largest element.
#include "lowering/WarpTiles/WarpTiles.h"

#include "lowering/TilePrograms/Plan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::warps;
using namespace rwkv::programs;

static Value constantBits(OpBuilder &b, Location loc, int64_t bits) {
  return arith::ConstantIntOp::create(b, loc, b.getI32Type(), bits);
}

// ---- the range of f16

/// The sizes of the largest elements, one by one.
Value WarpTiles::getLargestSizes(ArrayRef<Value> pairs) {
  const size_t together = turned ? 2 : kThree; // those who apply would keep more of them meanwhile
  return combineAll(pairs, [&](Value x, Value y) { return hooks.emitLargerSizes(b, loc, x, y); }, together);
}

/// Of the operand whose size has this number, if it has one yet.
void WarpTiles::checkRange(ArrayRef<Value> pairs, std::optional<size_t> &number) {
  Value size = pairs.size() == 1 ? hooks.emitLargerSizes(b, loc, pairs[0], pairs[0]) : getLargestSizes(pairs);
  if (number) {
    sizes[*number] = hooks.emitLargerSizes(b, loc, sizes[*number], size);
  } else {
    number = sizes.size();
    sizes.push_back(size);
  }
}

void WarpTiles::checkRange(Operand &operand) {
  if (!operand.looked.empty()) {
    checkRange(std::exchange(operand.looked, {}), operand.size);
  }
}

/// Of a product of a left operand that has been looked at in part: what is too large in it, or no number, makes a whole
/// row of the product infinite or no number.
void WarpTiles::checkProduct(tile::DotOp dot, ArrayRef<Value> sums, const Placement &placement) {
  auto made = operands.find({(turned ? dot.getRhs() : dot.getLhs()).getAsOpaquePointer(), /*isLeft=*/true});
  if (made == operands.end() || !made->second.isSampled) {
    return;
  }
  made->second.isSampled = false;
  llvm::SmallDenseSet<uint32_t> seen;
  Value nothing = zero(); // or no number
  for (auto [sum, c] : llvm::zip_equal(sums, placement.registers)) {
    if (seen.insert(turned ? c.column : c.row).second) {
      nothing = math::FmaOp::create(b, loc, sum, zero(), nothing);
    }
  }
  others.push_back(hooks.emitPair(b, loc, nothing, nothing));
}

/// Which of the sizes is that of an operand that is a tile.
std::optional<size_t> WarpTiles::findSize(Value tile) {
  for (auto [value, operand] : begun) {
    if (operand->size && skipTransposes(value).first == tile) {
      return operand->size;
    }
  }
  return std::nullopt;
}

/// Of the two sizes in a word, the larger one is in the upper half then.
Value WarpTiles::largerHalf(Value sizes) {
  return arith::MaxUIOp::create(b, loc, sizes, arith::ShLIOp::create(b, loc, sizes, constantBits(b, loc, 16)));
}

Value WarpTiles::getLargest(ArrayRef<Value> tiles) {
  for (auto [ignored, operand] : begun) {
    checkRange(*operand);
  }
  SmallVector<Value> mine = llvm::map_to_vector(tiles, [&](Value tile) { return sizes[*findSize(tile)]; });
  return hooks.emitLargest(b, loc, largerHalf(getLargestSizes(mine)));
}

Value WarpTiles::areInRange(const llvm::MapVector<Value, Value> &exempt) {
  constexpr size_t kTogether = 31;          // bits of a word, one of which is for what is too large
  constexpr int64_t kInfinity = 0x7c000000; // or NaN: as large, or larger
  constexpr int64_t kEnough = 0x60006000;   // bits of exponents from 2^-7 on: elements lose 2^-18 of it then
  for (auto &[tile, rest] : unlooked) {     // of which no product has read all
    std::optional<size_t> number;
    checkRange(rest.written, number);
  }
  unlooked.clear();
  for (auto [ignored, made] : begun) {
    checkRange(*made);
    if (made->isSampled) { // no product of it has been made
      for (const auto &[key, pairs] : made->fragments) {
        llvm::append_range(others, pairs);
      }
      made->isSampled = false;
    }
  }
  Value all;
  for (size_t first = 0; first < sizes.size(); first += kTogether) {
    ArrayRef<Value> group = ArrayRef(sizes).slice(first, std::min(sizes.size() - first, kTogether));
    Value none = constantBits(b, loc, 0);
    auto maskOf = [&](size_t bit) { return constantBits(b, loc, int64_t(int32_t(1u << bit))); };
    auto flag = [&](Value condition, unsigned bit) -> Value {
      return arith::SelectOp::create(b, loc, condition, maskOf(bit), none);
    };
    SmallVector<Value> flags;
    for (auto [i, size] : llvm::enumerate(group)) {
      Value bits = arith::AndIOp::create(b, loc, size, constantBits(b, loc, kEnough));
      flags.push_back(flag(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, bits, none), i));
    }
    for (auto [tile, word] : exempt) {
      std::optional<size_t> number = findSize(tile);
      if (number && *number >= first && *number - first < group.size()) {
        flags.push_back(arith::AndIOp::create(b, loc, word, maskOf(*number - first)));
      }
    }
    SmallVector<Value> bounded(group);
    bounded.append(std::exchange(others, {}));
    Value tooLarge = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, largerHalf(getLargestSizes(bounded)),
                                           constantBits(b, loc, kInfinity));
    flags.push_back(flag(tooLarge, kTogether));
    auto unite = [&](Value x, Value y) -> Value { return arith::OrIOp::create(b, loc, x, y); };
    Value seen = hooks.emitUnion(b, loc, combineAll(flags, unite));
    Value wanted = constantBits(b, loc, (int64_t(1) << group.size()) - 1);
    Value isInRange = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, seen, wanted);
    all = all ? arith::AndIOp::create(b, loc, all, isInRange).getResult() : isInRange;
  }
  sizes.clear();
  return all ? all : arith::ConstantIntOp::create(b, loc, b.getI1Type(), 1);
}

/// Times the power of two that brings the largest element (of those that are numbers) to 2^14 .. 2^15; `unit` is its
/// inverse.
SmallVector<Value> WarpTiles::scale(ArrayRef<Value> values, Value &unit) {
  constexpr int64_t kBits = 23, kInfinity = 0x7f800000, kSum = 254, kTop = 14, kMost = 253;
  Type i32 = b.getI32Type(), f32 = b.getF32Type();
  Value zero = constantBits(b, loc, 0), largest = zero;
  for (Value value : values) {
    Value size = arith::BitcastOp::create(b, loc, i32, value);
    size = arith::AndIOp::create(b, loc, size, constantBits(b, loc, 0x7fffffff));
    Value isNumber = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, size, constantBits(b, loc, kInfinity));
    largest = arith::MaxUIOp::create(b, loc, largest, arith::SelectOp::create(b, loc, isNumber, size, zero));
  }
  largest = hooks.emitLargest(b, loc, largest);
  // Exponents of the factor and of the unit add up to that of one, twice; both are normal numbers.
  Value exponent = arith::ShRUIOp::create(b, loc, largest, constantBits(b, loc, kBits));
  Value ofFactor = arith::SubIOp::create(b, loc, constantBits(b, loc, kSum + kTop), exponent);
  ofFactor = arith::MinUIOp::create(b, loc, ofFactor, constantBits(b, loc, kMost));
  auto power = [&](Value biased) -> Value {
    return arith::BitcastOp::create(b, loc, f32, arith::ShLIOp::create(b, loc, biased, constantBits(b, loc, kBits)));
  };
  Value factor = power(ofFactor);
  unit = power(arith::SubIOp::create(b, loc, constantBits(b, loc, kSum), ofFactor));
  return llvm::map_to_vector(values,
                             [&](Value value) -> Value { return arith::MulFOp::create(b, loc, value, factor); });
}

// ---- memory

void WarpTiles::writePairs(Value tile, const Place &to, const Placement &placement, ArrayRef<Value> values) {
  SmallVector<Value> all(values);
  if (scaled) {
    Value unit;
    all = scale(all, unit);
    store({{to.unit, b.getF32Type(), 1}}, getNumberPlacement(), unit);
  }
  SmallVector<std::pair<unsigned, unsigned>> registers;
  SmallVector<Value> pairs;
  if (std::optional<Placement> paired = warps::getPairs(placement, registers)) {
    for (auto [low, high] : registers) {
      pairs.push_back(hooks.emitPair(b, loc, all[low], all[high]));
    }
    store(to, *paired, pairs);
  } else { // neighbours are in different lanes
    SmallVector<Value> halves;
    Type half = b.getI16Type();
    for (Value value : all) {
      pairs.push_back(hooks.emitPair(b, loc, value, value));
      halves.push_back(arith::TruncIOp::create(b, loc, half, pairs.back()));
    }
    Place single = to;
    single.memory.element = half;
    single.memory.stride *= 2;
    single.alignment *= 2;
    store(single, placement, halves);
  }
  auto isRead = [&](Operation *product) {
    return llvm::any_of(product->getOperands(), [&](Value operand) { return skipTransposes(operand).first == tile; });
  };
  if (!scaled && usesPairs() && llvm::any_of(products, isRead)) {
    unlooked[tile].written = pairs;
  } else if (!scaled) {
    std::optional<size_t> number;
    checkRange(pairs, number);
  }
}

/// Of fragments that have been read of pairs in memory: where a product of those who wrote them reads all of a tile,
/// that is where its range is looked at. Words that are stored as well would be copied for that, as registers go.
void WarpTiles::lookAt(Value operand, bool isLeft, ArrayRef<Start> starts, ArrayRef<Value> pairs) {
  auto known = unlooked.find(skipTransposes(operand).first);
  if (known == unlooked.end()) {
    return;
  }
  Unlooked &tile = known->second;
  SmallVector<Value> &all = tile.read[{operand.getAsOpaquePointer(), isLeft}];
  const size_t each = pairs.size() / starts.size();
  for (auto [i, start] : llvm::enumerate(starts)) {
    if (tile.starts.insert({operand.getAsOpaquePointer(), isLeft, start}).second) {
      llvm::append_range(all, pairs.slice(i * each, each));
    }
  }
  if (all.size() == each * getStarts(operand, isLeft).size()) {
    std::optional<size_t> number;
    checkRange(all, number);
    unlooked.erase(known);
  }
}

/// How many of the blocks that start there have rows which one instruction takes: as many as powers of two are apart.
static size_t countBlocks(ArrayRef<Coord> starts) {
  constexpr size_t kMost = 4;
  auto step = [&](size_t from, size_t to) {
    return Coord{starts[to].row - starts[from].row, starts[to].column - starts[from].column};
  };
  auto isBehind = [&](size_t i) { return starts[i].row >= starts[0].row && starts[i].column >= starts[0].column; };
  if (starts.size() < 2 || !isBehind(1)) {
    return 1;
  }
  return starts.size() >= kMost && isBehind(2) && step(0, 1) == step(2, 3) ? kMost : 2;
}

/// The address that a lane gives for some blocks. `rowBases`: of the rows of a block.
Value WarpTiles::blockAddress(const Place &place, Value pointer, ArrayRef<Coord> rowBases, ArrayRef<Coord> starts) {
  const Memory &memory = place.memory;
  const Rows rows = place.getRows();
  SmallVector<Coord> bases(5, Coord{0, 0});
  llvm::copy(rowBases, bases.begin());
  for (size_t i = 1; i < starts.size(); i *= 2) {
    bases[2 + i] = {starts[i].row - starts[0].row, starts[i].column - starts[0].column};
  }
  Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), laneAddress(bases, rows, starts.front().row));
  Value row = LLVM::GEPOp::create(b, loc, pointer.getType(), memory.element, pointer, ArrayRef<LLVM::GEPArg>{wide});
  int64_t place0 = rows.getPlace(starts.front().row) & ~placesOfLanes(bases, rows);
  return offsetBy(row, memory.element, starts.front().column + place0 * rows.stride);
}

/// The registers of fragments, of elements of 16 bits: blocks of 8 x 8 of them; of 32 bits: of 8 x 4. Every other block
/// is from the same place of another tile if there is one.
SmallVector<Value> WarpTiles::loadBlocks(const Place &from, const Placement &placement, const Place *oddFrom) {
  if (from.isShared) {
    settle();
  }
  const Memory &memory = from.memory;
  int64_t each = from.isPairs ? 2 : 1; // columns of an element of the memory
  size_t inWord = memory.element.isF32() ? 1 : 2;
  bool isTurned = inWord > 1 && placement.registers[0].row != placement.registers[1].row;
  SmallVector<Coord> starts;
  for (size_t i = 0; i < placement.registers.size(); i += inWord) {
    starts.push_back({placement.registers[i].row, uint32_t(placement.registers[i].column / each)});
  }
  SmallVector<Coord> rowBases; // which are copies where the tile has fewer
  for (size_t bit = 0; bit < 3; ++bit) {
    rowBases.push_back({!isTurned ? placement.lanes[bit + 2].row : bit > 0 ? placement.lanes[bit - 1].row : 1, 0});
  }
  Value start = memory.pointer;
  if (oddFrom) {
    Value isOdd = arith::AndIOp::create(b, loc, lane, index(8));
    isOdd = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, isOdd, index(0));
    start = arith::SelectOp::create(b, loc, isOdd, oddFrom->memory.pointer, start);
  }
  SmallVector<Value> words;
  while (words.size() < starts.size()) {
    ArrayRef<Coord> rest = ArrayRef(starts).drop_front(words.size());
    size_t count = countBlocks(rest);
    Value row = blockAddress(from, start, rowBases, rest.take_front(count));
    llvm::append_range(words, hooks.emitBlocks(b, loc, row, count, isTurned));
  }
  return words;
}

/// Words that lanes have next to each other, four lanes together 16 bytes of a row, are stored as the rows of blocks.
/// False if they are not like this, or no machine instruction is.
bool WarpTiles::storeBlocks(const Place &to, const Placement &placement, ArrayRef<Value> values) {
  constexpr uint32_t kRow = 4; // words of a row of a block
  auto isAligned = [&](Coord c) { return c.column % kRow == 0; };
  bool suits = to.hasBlocks && hooks.storesBlocks() && to.order.empty() && to.memory.element.isInteger(32) &&
               to.memory.stride % kRow == 0 && placement.lanes.size() == 5 && placement.lanes[0] == Coord{0, 1} &&
               placement.lanes[1] == Coord{0, 2} && placement.registers.size() > 1 &&
               llvm::all_of(llvm::drop_begin(placement.lanes, 2), isAligned) &&
               llvm::all_of(placement.registers, isAligned);
  for (size_t i = 0; suits && i < values.size();) {
    ArrayRef<Coord> starts = ArrayRef(placement.registers).drop_front(i);
    starts = starts.take_front(countBlocks(starts));
    Value row = blockAddress(to, to.memory.pointer, ArrayRef(placement.lanes).drop_front(2), starts);
    hooks.emitBlockStore(b, loc, row, values.slice(i, starts.size()));
    i += starts.size();
  }
  return suits;
}

/// bf16 as f32.
SmallVector<Value> WarpTiles::unpackPairs(ArrayRef<Value> words) {
  SmallVector<Value> values;
  for (Value word : words) {
    Value low = arith::ShLIOp::create(b, loc, word, constantBits(b, loc, 16));
    Value high = arith::AndIOp::create(b, loc, word, constantBits(b, loc, -65536));
    values.push_back(arith::BitcastOp::create(b, loc, b.getF32Type(), low));
    values.push_back(arith::BitcastOp::create(b, loc, b.getF32Type(), high));
  }
  return values;
}

// ---- operands

WarpTiles::Operand &WarpTiles::findOrMake(Value operand, bool isLeft) {
  auto [at, isNew] = operands.try_emplace({operand.getAsOpaquePointer(), isLeft});
  if (isNew) {
    begun.push_back({operand, &at->second});
  }
  return at->second;
}

/// The elements of a fragment of an operand that is no pairs in memory.
SmallVector<Value> WarpTiles::getElements(Value operand, bool isLeft, Start start) {
  Placement placement = getFragment(operand, isLeft, start.first, start.second);
  Value tile = skipTransposes(operand).first;
  auto place = places.find(tile);
  bool isBF16 = place != places.end() && place->second.hasBlocks && place->second.memory.element.isBF16();
  SmallVector<Value> values = isBF16 ? unpackPairs(loadBlocks(place->second, placement)) : get(tile, placement);
  if (Value factor = factors.lookup(tile)) {
    for (Value &value : values) {
      value = arith::MulFOp::create(b, loc, value, factor);
    }
  }
  return values;
}

/// Makes a fragment of elements, whose range is looked at unless they have a unit.
void WarpTiles::makeFragment(Value operand, bool isLeft, Start start, ArrayRef<Value> values) {
  constexpr int64_t kMany = 32; // words of a lane
  Operand &made = findOrMake(operand, isLeft);
  const MatrixInstruction &instruction = fragmentsOf(getDepth(operand, isLeft)).instruction;
  SmallVector<Value> parts(values), firstPart;
  SmallVector<bool> second{false};
  const bool inParts = isLeft && hasParts(operand);
  if (inParts) {
    makeParts(parts, instruction);
    second = findSecondPart(instruction.a, instruction.m);
  }
  const size_t number = made.fragments.size();
  SmallVector<Value> &pairs = made.fragments[start];
  for (size_t i = 0; i < parts.size(); i += 2) {
    pairs.push_back(hooks.emitPair(b, loc, parts[i], parts[i + 1]));
    if (!second[i % second.size()]) {
      firstPart.push_back(pairs.back());
    }
  }
  if (scaled) {
    return;
  }
  // Of many, it is enough that one of some is large enough. That none is too large will be seen in a product.
  Extent shape = outside.getShape(operand);
  made.isSampled = isLeft && !inParts && shape.rows * shape.columns >= 2 * kMany * warp() &&
                   !wholly.contains(skipTransposes(operand).first);
  llvm::append_range(made.looked, made.isSampled ? pairs[number % pairs.size()] : ArrayRef<Value>(firstPart));
  if (made.fragments.size() == getStarts(operand, isLeft).size()) {
    checkRange(made);
  }
}

/// Where the fragments of an operand start.
SmallVector<WarpTiles::Start> WarpTiles::getStarts(Value operand, bool isLeft) {
  Extent shape = outside.getShape(operand);
  const int64_t depth = getDepth(operand, isLeft), other = isLeft == turned ? shape.columns : shape.rows;
  const MatrixInstruction &instruction = fragmentsOf(depth).instruction;
  SmallVector<Start> starts;
  for (int64_t at = 0; at < other; at += isLeft ? instruction.m : instruction.n) {
    for (int64_t k = 0; k < depth; k += instruction.k) {
      starts.push_back({at, k});
    }
  }
  return starts;
}

/// Fragments of an operand that is no pairs in memory, all of it: as they have one unit if they have any.
const WarpTiles::Operand &WarpTiles::makeOperand(Value operand, bool isLeft) {
  Operand &made = findOrMake(operand, isLeft);
  const SmallVector<Start> starts = getStarts(operand, isLeft);
  if (!scaled) {
    for (Start start : starts) {
      (void)getMade(operand, isLeft, start);
    }
  } else if (made.fragments.empty()) {
    SmallVector<Value> values;
    for (Start start : starts) {
      llvm::append_range(values, getElements(operand, isLeft, start));
    }
    values = scale(values, made.unit);
    size_t each = values.size() / starts.size();
    for (auto [i, start] : llvm::enumerate(starts)) {
      makeFragment(operand, isLeft, start, ArrayRef(values).slice(i * each, each));
    }
  }
  return made;
}

/// One fragment of an operand that is no pairs in memory: where there are no units, others need not be there.
ArrayRef<Value> WarpTiles::getMade(Value operand, bool isLeft, Start start) {
  if (scaled) {
    return makeOperand(operand, isLeft).fragments.find(start)->second;
  }
  Operand &made = findOrMake(operand, isLeft);
  if (!made.fragments.count(start)) {
    makeFragment(operand, isLeft, start, getElements(operand, isLeft, start));
  }
  return made.fragments.find(start)->second;
}

SmallVector<Value> WarpTiles::getPairs(Value operand, bool isLeft, ArrayRef<Start> starts) {
  auto place = places.find(skipTransposes(operand).first);
  if (place != places.end() && place->second.isPairs) {
    SmallVector<Value> pairs = loadBlocks(place->second, joinFragments(operand, isLeft, starts));
    lookAt(operand, isLeft, starts, pairs);
    return pairs;
  }
  SmallVector<Value> pairs;
  for (Start start : starts) {
    llvm::append_range(pairs, getMade(operand, isLeft, start));
  }
  return pairs;
}

llvm::DenseSet<Operation *> WarpTiles::findOfProducts(ArrayRef<Operation *> ops) {
  llvm::DenseSet<Operation *> found;
  for (Operation *op : ops) {
    bool isOfProducts = isa<tile::DotOp>(op) || llvm::any_of(op->getOperands(), [&](Value value) {
                          return found.contains(value.getDefiningOp());
                        });
    if (isOfProducts) {
      found.insert(op);
    }
  }
  return found;
}

void WarpTiles::makeOperands(ArrayRef<Operation *> ops, ArrayRef<Value> without) {
  if (!usesPairs()) {
    return;
  }
  // Those that are made of products come first: what these need is made fragment by fragment as they go on.
  const llvm::DenseSet<Operation *> ofProducts = findOfProducts(ops);
  for (bool areOfProducts : {true, false}) {
    for (Operation *op : ops) {
      auto dot = dyn_cast<tile::DotOp>(op);
      for (bool isLeft : {false, true}) {
        Value operand = dot ? isLeft == turned ? dot.getRhs() : dot.getLhs() : Value();
        Value tile = operand ? skipTransposes(operand).first : Value();
        auto place = places.find(tile);
        bool isMade =
            operand && !llvm::is_contained(without, tile) && (place == places.end() || !place->second.isPairs);
        if (isMade && ofProducts.contains(tile.getDefiningOp()) == areOfProducts) {
          (void)makeOperand(operand, isLeft);
        }
      }
    }
  }
}

Value WarpTiles::getUnit(Value operand, bool isLeft) {
  Value tile = skipTransposes(operand).first;
  auto place = places.find(tile);
  if (place == places.end() || !place->second.isPairs) {
    return makeOperand(operand, isLeft).unit;
  }
  Value &unit = units[tile];
  if (!unit) {
    if (place->second.isShared) {
      settle();
    }
    unit = LLVM::LoadOp::create(b, loc, b.getF32Type(), place->second.unit);
    if (withoutUnits) {
      Value one = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(1));
      unit = arith::SelectOp::create(b, loc, withoutUnits, one, unit);
    }
  }
  return unit;
}

/// A product whose operands have units. One fragment after the other: this is rare, and is to take few registers. The
/// smaller unit comes first, so that nothing becomes infinite that is not in the end.
void WarpTiles::computeScaledProduct(tile::DotOp dot) {
  Extent shape = outside.getShape(dot.getResult());
  int64_t tall = turned ? shape.columns : shape.rows, wide = turned ? shape.rows : shape.columns,
          depth = outside.getShape(dot.getLhs()).columns;
  const MatrixInstruction &instruction = fragmentsOf(depth).instruction;
  Value left = turned ? dot.getRhs() : dot.getLhs(), right = turned ? dot.getLhs() : dot.getRhs();
  Placement placement = getFragments(dot.getResult());
  SmallVector<Value> results = dot.getAcc() ? get(dot.getAcc(), placement) : SmallVector<Value>();
  bool adds = !results.empty();
  results.resize(placement.registers.size(), zero());
  Value x = getUnit(left, /*isLeft=*/true), y = getUnit(right, /*isLeft=*/false);
  Value smaller = arith::MinNumFOp::create(b, loc, x, y), larger = arith::MaxNumFOp::create(b, loc, x, y);
  Value *next = results.begin();
  for (int64_t m = 0; m < tall; m += instruction.m) {
    for (int64_t n = 0; n < wide; n += instruction.n) {
      SmallVector<Value> sums(instruction.m * instruction.n / warp(), zero());
      for (int64_t k = 0; k < depth; k += instruction.k) {
        sums = hooks.emitProduct(b, loc, instruction, getPairs(left, /*isLeft=*/true, {{m, k}}),
                                 getPairs(right, /*isLeft=*/false, {{n, k}}), sums);
      }
      if (hasParts(left)) {
        addParts(sums, ArrayRef(placement.registers).slice(next - results.begin(), sums.size()));
      }
      for (Value sum : sums) {
        Value part = arith::MulFOp::create(b, loc, sum, smaller);
        *next = adds ? math::FmaOp::create(b, loc, part, larger, *next).getResult()
                     : arith::MulFOp::create(b, loc, part, larger).getResult();
        ++next;
      }
    }
  }
  hold(dot.getResult(), placement, results);
}
