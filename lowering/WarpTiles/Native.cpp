// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ops whose results have a placement of their own: running sums and solves have all rows in a lane, reductions what is
// left of their operand's, products fragments.
#include "lowering/WarpTiles/WarpTiles.h"

#include "lowering/TilePrograms/Plan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::warps;
using namespace rwkv::programs;

void WarpTiles::computeNative(Operation *op) {
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](tile::CumsumOp cumsum) { computeCumsum(cumsum); })
      .Case([&](tile::ScanOp scan) { computeScan(scan); })
      .Case([&](tile::ReduceOp reduce) { computeReduce(reduce); })
      .Case([&](tile::SolveUnitLowerOp solve) { computeSolve(solve); })
      .Case([&](tile::DotOp dot) { computeProducts(dot); });
}

void WarpTiles::computeCumsum(tile::CumsumOp op) {
  Extent shape = outside.getShape(op.getX());
  bool isVector = getRank(op.getX()) == 1;
  int64_t rows = isVector ? shape.columns : shape.rows, columns = isVector ? 1 : shape.columns;
  Placement placement = isVector ? getCopies(rows, warp()) : getColumns(rows, columns, warp());
  SmallVector<Value> values = get(op.getX(), placement);
  SmallVector<Value> sums(values.size());
  llvm::DenseMap<int64_t, Value> totals; // per column of this lane
  for (auto [i, c] : llvm::enumerate(placement.registers)) {
    int64_t row = isVector ? c.column : c.row, column = isVector ? 0 : c.column;
    Value before = row % op.getBlocks() == 0 ? Value() : totals.lookup(column);
    Value next = before ? arith::AddFOp::create(b, loc, before, values[i]).getResult() : values[i];
    sums[i] = !op.getExclusive() ? next : before ? before : zero();
    totals[column] = next;
  }
  hold(op.getResult(), placement, sums);
}

/// Every lane has all rows of its columns.
void WarpTiles::computeScan(tile::ScanOp op) {
  Extent shape = outside.getShape(op.getA());
  Placement placement = getColumns(shape.rows, shape.columns, warp());
  SmallVector<Value> factors = get(op.getA(), placement), added = get(op.getB(), placement);
  SmallVector<Value> values = get(op.getInit(), getColumns(1, shape.columns, warp()));
  for (auto [i, factor, term] : llvm::enumerate(factors, added)) { // row by row
    Value before = values[i];
    values.push_back(op.getKind() == tile::ScanKind::affine
                         ? math::FmaOp::create(b, loc, factor, before, term).getResult()
                         : arith::MaximumFOp::create(b, loc, arith::AddFOp::create(b, loc, factor, before), term));
  }
  hold(op.getResult(), getColumns(shape.rows + 1, shape.columns, warp()), values);
}

static bool isNotNegative(Value constant) {
  APFloat number(0.0f);
  return constant && matchPattern(constant, m_ConstantFloat(&number)) && !number.isNegative();
}

/// The largest or smallest of the numbers that a reduction makes one of, where words have been read that hold two of
/// them each: word by word, before they are unpacked. False if there are none, or no instruction for that.
bool WarpTiles::reduceWords(Value x, bool largest, function_ref<Coord(Coord)> rest, Placement &from,
                            SmallVector<Value> &values) {
  auto known = words.find(x);
  if (known == words.end() || !(known->second.placement == from) || !known->second.from.memory.element.isBF16()) {
    return false;
  }
  SmallVector<Coord> registers; // two of each group
  SmallVector<SmallVector<Value>> groups;
  for (auto [access, read] : llvm::zip_equal(groupReads(known->second.from, from), known->second.values)) {
    for (auto [i, word] : llvm::enumerate(splitWords(read))) {
      if (!word.getType().isInteger(32)) {
        return false;
      }
      Coord low = from.registers[access.registers[2 * i]], high = from.registers[access.registers[2 * i + 1]];
      size_t group = 0;
      while (group < groups.size() &&
             (rest(registers[2 * group]) != rest(low) || rest(registers[2 * group + 1]) != rest(high))) {
        ++group;
      }
      if (group == groups.size()) {
        registers.append({low, high});
        groups.emplace_back();
      }
      groups[group].push_back(word);
    }
  }
  SmallVector<Value> results;
  for (ArrayRef<Value> group : groups) {
    Value all = combineAll(group, [&](Value x, Value y) { return hooks.emitExtremes(b, loc, x, y, largest); }, kThree);
    if (!all) {
      return false;
    }
    llvm::append_range(results, unpackPairs(all));
  }
  values = std::move(results);
  from.registers = std::move(registers);
  return true;
}

/// The largest of the numbers of all lanes, none of which is below zero; null: the machine has no instruction for that.
Value WarpTiles::emitLargest(Value number) {
  Type i32 = b.getI32Type();
  Value bits = arith::BitcastOp::create(b, loc, i32, number); // are in the order of the numbers, but for -0
  bits = arith::AndIOp::create(b, loc, bits, arith::ConstantIntOp::create(b, loc, i32, 0x7fffffff));
  Value largest = hooks.emitLargest(b, loc, bits);
  return largest ? arith::BitcastOp::create(b, loc, number.getType(), largest).getResult() : largest;
}

/// What all lanes have of each of some values, a power of two of them, combined, in the lane of its number: half of the
/// values are exchanged for parts of the others, then half of these, and so on.
Value WarpTiles::shareOut(SmallVector<Value> values, function_ref<Value(Value, Value)> combine) {
  for (int64_t mask = 1; mask < warp(); mask *= 2) {
    if (values.size() == 1) { // all lanes that have a value combine theirs
      values[0] = combine(values[0], hooks.emitShuffle(b, loc, values[0], mask));
      continue;
    }
    Value isOdd = arith::AndIOp::create(b, loc, lane, index(mask));
    isOdd = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, isOdd, index(0));
    SmallVector<Value> half; // of a number with this bit of the lane
    for (size_t i = 0; i < values.size(); i += 2) {
      Value given = arith::SelectOp::create(b, loc, isOdd, values[i], values[i + 1]);
      Value kept = arith::SelectOp::create(b, loc, isOdd, values[i + 1], values[i]);
      half.push_back(combine(kept, hooks.emitShuffle(b, loc, given, mask)));
    }
    values = std::move(half);
  }
  return values.front();
}

/// Whether those who prepare a tile do nothing with it but to pass it on.
static bool isOnlyPassed(Value tile) {
  return llvm::all_of(tile.getUsers(), [](Operation *user) { return isa<tile::PassOp>(user); });
}

void WarpTiles::computeReduce(tile::ReduceOp op) {
  bool isVector = getRank(op.getX()) == 1;
  int64_t axis = isVector ? 1 : op.getAxis();
  // The largest of what is at least a number, where NaN counts as the number: that is compared once, at the end.
  Value x = op.getX(), least;
  if (auto clamped = x.getDefiningOp<arith::MaxNumFOp>(); clamped && op.getKind() == tile::ReduceKind::max) {
    if (auto constant = clamped.getRhs().getDefiningOp<arith::ConstantOp>()) {
      x = clamped.getLhs();
      least =
          arith::ConstantOp::create(b, loc, cast<DenseElementsAttr>(constant.getValue()).getSplatValue<TypedAttr>());
    }
  }
  auto rest = [&](Coord c) { return Coord{0, isVector ? 0 : axis == 0 ? c.column : c.row}; };
  Placement from = prefer(x).distinct();
  SmallVector<Value> values;
  auto negated = x.getDefiningOp<arith::NegFOp>(); // the largest of what is negated is the smallest
  if (least && reduceWords(negated ? negated.getOperand() : x, /*largest=*/!negated, rest, from, values)) {
    for (Value &value : values) {
      value = negated ? arith::NegFOp::create(b, loc, value).getResult() : value;
    }
  } else {
    values = get(x, from);
  }
  auto combine = [&](Value x, Value y) -> Value {
    if (least) {
      return arith::MaxNumFOp::create(b, loc, x, y);
    }
    if (op.getKind() == tile::ReduceKind::max) {
      return arith::MaximumFOp::create(b, loc, x, y);
    }
    return arith::AddFOp::create(b, loc, x, y);
  };
  Placement to;
  SmallVector<SmallVector<Value>> parts;
  for (auto [i, c] : llvm::enumerate(from.registers)) {
    auto it = llvm::find(to.registers, rest(c));
    if (it == to.registers.end()) {
      to.registers.push_back(rest(c));
      parts.push_back({values[i]});
    } else {
      parts[it - to.registers.begin()].push_back(values[i]);
    }
  }
  SmallVector<Value> results;
  for (const SmallVector<Value> &list : parts) {
    results.push_back(combineAll(list, combine));
  }
  for (Coord c : from.lanes) {
    to.lanes.push_back(rest(c));
  }
  auto areAll = [&](Coord c) { return rest(c) == Coord{0, 0}; }; // lanes have other parts of the result, or copies
  Value largest = results.size() == 1 && isNotNegative(least) && llvm::all_of(from.lanes, areAll)
                      ? emitLargest(combine(results[0], least))
                      : Value();
  if (largest) {
    return hold(op.getResult(), to, largest);
  }
  auto isReduced = [&](Coord c) { return (axis == 0 ? c.row : c.column) != 0; };
  if (to.registers == getCopies(results.size(), warp()).registers && llvm::isPowerOf2_64(results.size()) &&
      int64_t(results.size()) <= warp() && llvm::all_of(from.lanes, areAll) && llvm::all_of(from.lanes, isReduced) &&
      isOnlyPassed(op.getResult())) {
    return hold(op.getResult(), getPlain({1, int64_t(results.size())}), shareOut(results, combine));
  }
  for (auto [bit, c] : llvm::enumerate(from.lanes)) {
    if (!isReduced(c)) {
      continue;
    }
    for (Value &result : results) {
      result = combine(result, hooks.emitShuffle(b, loc, result, int64_t(1) << bit));
    }
  }
  if (least) {
    for (Value &result : results) {
      result = combine(result, least);
    }
  }
  hold(op.getResult(), to, results);
}

/// Every lane solves for its columns, unknown by unknown.
void WarpTiles::computeSolve(tile::SolveUnitLowerOp op) {
  Value lower = op.getLower();
  assert(places.contains(lower) && "systems are written before they are solved");
  Extent shape = outside.getShape(op.getRhs());
  Placement placement = getColumns(shape.rows, shape.columns, warp());
  SmallVector<Value> values = get(op.getRhs(), placement);
  int64_t groups = op.getInterleave(), count = shape.rows / groups;
  SmallVector<int64_t> order;
  for (int64_t k = 0; k < shape.rows; ++k) {
    order.push_back(k % groups * count + k / groups);
  }
  // Pieces of the rows of the system, the same in all lanes.
  constexpr int64_t kPiece = 4;
  llvm::DenseMap<std::pair<int64_t, int64_t>, SmallVector<Value>> pieces;
  auto factor = [&](int64_t row, int64_t column) -> Value {
    SmallVector<Value> &piece = pieces[{row, column / kPiece}];
    if (piece.empty()) {
      Placement at = getCopies(kPiece, warp()).moved(row, column / kPiece * kPiece);
      piece = load(places.find(lower)->second, at, b.getF32Type());
      for (Value &value : piece) {
        value = arith::NegFOp::create(b, loc, value);
      }
    }
    return piece[column % kPiece];
  };
  int64_t each = values.size() / shape.rows; // columns of a lane; registers are row by row
  for (auto [k, known] : llvm::enumerate(order)) {
    for (int64_t row : ArrayRef(order).drop_front(k + 1)) {
      for (int64_t i = 0; i < each; ++i) {
        Value &value = values[row * each + i];
        value = math::FmaOp::create(b, loc, factor(row, known), values[known * each + i], value);
      }
    }
  }
  hold(op.getResult(), placement, values);
}

// ---- products

/// Whether an operand can be read without computing anything.
bool WarpTiles::isReady(Value operand) { return places.contains(skipTransposes(operand).first); }

/// Whether a tile is there, or is made element by element of what is.
bool WarpTiles::isAtHand(Value tile) {
  Operation *op = tile.getDefiningOp();
  if (getRank(tile) == 0 || held.contains(tile) || places.contains(tile) || !op || isa<arith::ConstantOp>(op)) {
    return true;
  }
  return (isElementwise(op) || isa<tile::BroadcastOp, tile::TransposeOp>(op)) &&
         llvm::all_of(op->getOperands(), [&](Value operand) { return isAtHand(operand); });
}

/// Whether a product that is applied can be made together with another one that reads the same prepared operand.
bool WarpTiles::canJoin(tile::DotOp first, tile::DotOp other) {
  auto isThere = [&](tile::DotOp dot) {
    return isReady(dot.getLhs()) && isAtHand(dot.getRhs()) && (!dot.getAcc() || isAtHand(dot.getAcc()));
  };
  return turned && first.getLhs() == other.getLhs() && isThere(first) && isThere(other);
}

bool WarpTiles::isExact(Value operand) {
  auto place = places.find(skipTransposes(operand).first);
  return place != places.end() && (place->second.isExact || place->second.memory.element.getIntOrFloatBitWidth() <= 16);
}

/// A fragment of an operand, as a part of the tile behind transposes.
Placement WarpTiles::getFragment(Value operand, bool isLeft, int64_t at, int64_t depth, bool inBlocks) {
  Extent shape = outside.getShape(operand);
  const Fragments &source = inBlocks ? blocks : fragmentsOf(getDepth(operand, isLeft));
  Placement placement = isLeft ? source.getLeft(at, depth) : source.getRight(depth, at);
  placement = placement.clipped(shape.rows, shape.columns);
  return skipTransposes(operand).second ? placement.turned() : placement;
}

Placement WarpTiles::joinFragments(Value operand, bool isLeft, ArrayRef<Start> starts, bool inBlocks) {
  Placement all;
  for (auto [at, depth] : starts) {
    Placement fragment = getFragment(operand, isLeft, at, depth, inBlocks);
    all.lanes = fragment.lanes;
    llvm::append_range(all.registers, fragment.registers);
  }
  return all;
}

bool WarpTiles::suitBlocks(tile::DotOp dot, const MatrixInstruction &instruction, const lanes::Hooks &hooks) {
  Fragments blocks(instruction, /*turned=*/false, /*inMemory=*/true);
  auto areBlocks = [&](Value operand, Placement placement) {
    return isInBlocks(skipTransposes(operand).second ? placement.turned() : placement);
  };
  return hasBlocks(hooks) && getExtent(dot.getLhs()).rows >= instruction.m &&
         areBlocks(dot.getLhs(), blocks.getLeft(0, 0)) && areBlocks(dot.getRhs(), blocks.getRight(0, 0));
}

/// Whether both operands are read in blocks of f32 from memory.
bool WarpTiles::isReadInBlocks(tile::DotOp dot) {
  auto isInMemory = [&](Value operand) {
    auto place = places.find(skipTransposes(operand).first);
    return place != places.end() && place->second.hasBlocks && place->second.memory.element.isF32();
  };
  return !turned && suitBlocks(dot, blocks.instruction, hooks) && isInMemory(dot.getLhs()) && isInMemory(dot.getRhs());
}

tile::DotOp WarpTiles::findStacked(tile::DotOp dot, const MatrixInstruction &instruction, const lanes::Hooks &hooks) {
  Fragments blocks(instruction, /*turned=*/false, /*inMemory=*/true);
  const Extent left = getExtent(dot.getLhs());
  const bool isTurned = skipTransposes(dot.getRhs()).second;
  bool suits = hasBlocks(hooks) && 2 * left.rows == instruction.m && left.columns % (2 * instruction.k) == 0 &&
               getExtent(dot.getRhs()).columns % instruction.n == 0 && isInBlocks(blocks.getLeft(0, 0)) &&
               isInBlocks(isTurned ? blocks.getRight(0, 0).turned() : blocks.getRight(0, 0));
  auto canBe = [&](tile::DotOp part) {
    return part.getRhs() == dot.getRhs() && !part.getAcc() && getExtent(part.getLhs()).rows == left.rows &&
           !skipTransposes(part.getLhs()).second && isOperandOnly(part.getLhs());
  };
  SmallVector<tile::DotOp> others;
  llvm::copy_if(dot->getBlock()->getOps<tile::DotOp>(), std::back_inserter(others),
                [&](tile::DotOp other) { return suits && other != dot && canBe(dot) && canBe(other); });
  return others.size() == 1 ? others.front() : tile::DotOp(); // more of them read the right operand once for all
}

/// Whether they can be, where their operands lie.
bool WarpTiles::canStack(tile::DotOp first, tile::DotOp second) {
  auto placeOf = [&](Value operand) -> const Place * {
    auto place = places.find(skipTransposes(operand).first);
    bool suits = place != places.end() && place->second.hasBlocks && place->second.isExact &&
                 place->second.memory.element.isF32();
    return suits ? &place->second : nullptr;
  };
  const Place *upper = placeOf(first.getLhs()), *lower = placeOf(second.getLhs());
  return upper && lower && placeOf(first.getRhs()) && upper->memory.stride == lower->memory.stride &&
         upper->order == lower->order;
}

void WarpTiles::computeStacked(tile::DotOp first, tile::DotOp second) {
  const MatrixInstruction &instruction = blocks.instruction;
  const Place &upper = places.find(first.getLhs())->second, &lower = places.find(second.getLhs())->second,
              &right = places.find(skipTransposes(first.getRhs()).first)->second;
  const Extent shape = outside.getShape(first.getResult());
  auto load = [&](const Place &from, const Placement &placement, const Place *oddFrom) {
    return llvm::map_to_vector(loadBlocks(from, placement, oddFrom), [&](Value word) -> Value {
      return arith::BitcastOp::create(b, loc, b.getF32Type(), word);
    });
  };
  const Placement whole = fragments.getResult(0, 0);
  const size_t size = whole.registers.size();
  SmallVector<SmallVector<Value>> sums(shape.columns / instruction.n, SmallVector<Value>(size, zero()));
  for (int64_t k = 0; k < outside.getShape(first.getLhs()).columns; k += 2 * instruction.k) {
    SmallVector<SmallVector<Value>> x;
    for (int64_t at : {k, k + int64_t(instruction.k)}) {
      x.push_back(load(upper, getFragment(first.getLhs(), /*isLeft=*/true, 0, at, /*inBlocks=*/true), &lower));
    }
    for (auto [n, sum] : llvm::enumerate(sums)) {
      Placement both = getFragment(first.getRhs(), /*isLeft=*/false, n * instruction.n, k, /*inBlocks=*/true);
      size_t each = both.registers.size();
      llvm::append_range(both.registers, getFragment(first.getRhs(), /*isLeft=*/false, n * instruction.n,
                                                     k + instruction.k, /*inBlocks=*/true)
                                             .registers);
      SmallVector<Value> y = load(right, both, nullptr);
      for (size_t i : {0, 1}) {
        sum = hooks.emitProduct(b, loc, instruction, x[i], ArrayRef(y).slice(i * each, each), sum);
      }
    }
  }
  for (auto [number, dot] : llvm::enumerate(std::array{first, second})) {
    SmallVector<Value> values; // with copies for the rows of the other one
    for (const SmallVector<Value> &sum : sums) {
      for (Coord c : whole.registers) {
        Coord own = {uint32_t(c.row % shape.rows + number * shape.rows), c.column};
        values.push_back(sum[llvm::find(whole.registers, own) - whole.registers.begin()]);
      }
    }
    hold(dot.getResult(), getFragments(dot.getResult()), values);
  }
}

bool WarpTiles::hasParts(Value left) {
  const MatrixInstruction &instruction = fragmentsOf(getDepth(left, /*isLeft=*/true)).instruction;
  auto place = places.find(skipTransposes(left).first);
  bool isMade = place == places.end() || !(place->second.isPairs || place->second.isExact);
  return turned && isMade && 2 * outside.getShape(left).columns <= instruction.m &&
         llvm::is_contained(findSecondPart(instruction.a, instruction.m), true) &&
         llvm::is_contained(findSecondPart(instruction.c, instruction.m), true);
}

/// Registers of a fragment whose row is in the second half.
SmallVector<bool> WarpTiles::findSecondPart(const FragmentBases &bases, int64_t rows) {
  SmallVector<bool> result;
  for (uint32_t r = 0; r < bases.countRegisters(); ++r) {
    result.push_back(bases.at(r).row >= rows / 2);
  }
  return result;
}

/// Of elements of fragments, one after the other: the first part has the bits that all operands have.
void WarpTiles::makeParts(MutableArrayRef<Value> values, const MatrixInstruction &instruction) {
  constexpr int64_t kLeft = ~int64_t(0x1fff); // 11 significant bits
  SmallVector<bool> second = findSecondPart(instruction.a, instruction.m);
  Type i32 = b.getI32Type();
  for (auto [i, value] : llvm::enumerate(values)) {
    Value bits = arith::BitcastOp::create(b, loc, i32, value);
    bits = arith::AndIOp::create(b, loc, bits, arith::ConstantIntOp::create(b, loc, i32, kLeft));
    Value left = arith::BitcastOp::create(b, loc, b.getF32Type(), bits);
    value = second[i % second.size()] ? arith::SubFOp::create(b, loc, value, left).getResult() : left;
  }
}

/// Of registers of results, which are both sums then.
void WarpTiles::addParts(MutableArrayRef<Value> sums, ArrayRef<Coord> registers) {
  const MatrixInstruction &instruction = fragments.instruction;
  SmallVector<bool> second = findSecondPart(instruction.c, instruction.m);
  for (size_t i = 0; i < sums.size(); ++i) {
    size_t first = i / second.size() * second.size();
    for (size_t other = first; second[i - first] && other < first + second.size(); ++other) {
      if (!second[other - first] && registers[other] == registers[i]) {
        sums[i] = sums[other] = arith::AddFOp::create(b, loc, sums[other], sums[i]);
      }
    }
  }
}

SmallVector<Value> WarpTiles::getOperand(Value operand, bool isLeft, ArrayRef<Start> starts, bool inBlocks) {
  Value tile = skipTransposes(operand).first;
  auto place = places.find(tile);
  const Placement all = joinFragments(operand, isLeft, starts, inBlocks);
  SmallVector<Value> values;
  bool keep = isLeft && turned;
  if (inBlocks) {
    for (Value word : loadBlocks(place->second, all)) {
      values.push_back(arith::BitcastOp::create(b, loc, b.getF32Type(), word));
    }
  } else { // most of what is in memory is read again where it is needed again: registers are few
    values = place != places.end() && !keep ? load(place->second, all, getElementTypeOrSelf(tile.getType()))
                                            : get(tile, all);
  }
  if (isLeft && hasParts(operand)) {
    makeParts(values, fragments.instruction);
    return values;
  }
  if (!isExact(tile)) {
    const bool isLast = isOperandOnly(tile);
    for (Value &value : values) {
      Value &known = rounded[value];
      value = known = known ? known : hooks.emitRounded(b, loc, value, isLast);
    }
  }
  return values;
}

/// With all other products that have the same shape and whose operands are there: operands are read once.
void WarpTiles::computeProducts(tile::DotOp first) {
  if (usesPairs() && scaled) {
    return computeScaledProduct(first);
  }
  auto depthOf = [&](tile::DotOp dot) { return outside.getShape(dot.getLhs()).columns; };
  const MatrixInstruction &instruction = fragmentsOf(depthOf(first)).instruction;
  Extent shape = outside.getShape(first.getResult());
  SmallVector<tile::DotOp> group{first};
  const bool inBlocks = !usesPairs() && isReadInBlocks(first);
  auto isReadyDot = [&](tile::DotOp dot) { return isReady(dot.getLhs()) && isReady(dot.getRhs()) && !dot.getAcc(); };
  for (Operation *op : products) {
    auto dot = cast<tile::DotOp>(op);
    Extent other = outside.getShape(dot.getResult());
    bool isAlike = dot != first && !held.contains(dot.getResult()) && other.rows == shape.rows &&
                   other.columns == shape.columns && depthOf(dot) == depthOf(first) &&
                   (usesPairs() || isReadInBlocks(dot) == inBlocks);
    if (isAlike && ((isReadyDot(first) && isReadyDot(dot)) || canJoin(first, dot))) {
      group.push_back(dot);
    }
  }
  if (isReadyDot(first)) {
    tile::DotOp partner = turned || usesPairs() ? tile::DotOp() : findStacked(first, instruction, hooks);
    if (partner && llvm::is_contained(group, partner) && canStack(first, partner)) {
      return computeStacked(first, partner);
    }
  }
  // A product that is smaller than the instruction has copies of its rows and columns.
  int64_t tall = llvm::divideCeil(turned ? shape.columns : shape.rows, instruction.m),
          wide = llvm::divideCeil(turned ? shape.rows : shape.columns, instruction.n);
  Placement result = getFragments(first.getResult());
  int64_t size = result.registers.size() / (tall * wide);
  SmallVector<SmallVector<Value>> sums;
  for (tile::DotOp dot : group) {
    sums.push_back(dot.getAcc() ? get(dot.getAcc(), result) : SmallVector<Value>(result.registers.size(), zero()));
    if (hasParts(dot.getRhs())) {
      SmallVector<bool> second = findSecondPart(instruction.c, instruction.m);
      for (auto [i, sum] : llvm::enumerate(sums.back())) {
        sum = second[i % size] ? zero() : sum;
      }
    }
  }
  auto read = [&](Value operand, bool isLeft, ArrayRef<Start> starts) {
    return usesPairs() ? getPairs(operand, isLeft, starts) : getOperand(operand, isLeft, starts, inBlocks);
  };
  const int64_t depth = depthOf(first);
  std::map<std::pair<void *, Start>, SmallVector<Value>> lefts, rights;
  for (int64_t k = 0; k < depth; k += instruction.k) {
    for (auto [dot, sum] : llvm::zip_equal(group, sums)) {
      Value left = turned ? dot.getRhs() : dot.getLhs(), right = turned ? dot.getLhs() : dot.getRhs();
      for (int64_t m = 0; m < tall; ++m) {
        const Start start(m * instruction.m, k);
        SmallVector<Value> &x = lefts[{left.getAsOpaquePointer(), start}];
        if (x.empty()) {
          x = read(left, /*isLeft=*/true, start);
        }
        for (int64_t n = 0; n < wide; ++n) {
          SmallVector<Start> starts{{n * instruction.n, k}};
          SmallVector<Value> &y = rights[{right.getAsOpaquePointer(), starts[0]}];
          if (y.empty()) { // blocks of two fragments are loaded at once
            if ((usesPairs() || inBlocks) && n + 1 < wide) {
              starts.push_back({(n + 1) * instruction.n, k});
            } else if ((usesPairs() || inBlocks) && wide == 1 && k + instruction.k < depth) {
              starts.push_back({0, k + instruction.k});
            }
            y = read(right, /*isLeft=*/false, starts);
            if (starts.size() > 1) {
              size_t half = y.size() / 2;
              rights[{right.getAsOpaquePointer(), starts[1]}].assign(y.begin() + half, y.end());
              y.truncate(half);
            }
          }
          auto part = MutableArrayRef(sum).slice((m * wide + n) * size, size);
          llvm::copy(hooks.emitProduct(b, loc, instruction, x, y, SmallVector<Value>(part)), part.begin());
        }
      }
    }
  }
  for (auto [dot, sum] : llvm::zip_equal(group, sums)) {
    if (hasParts(dot.getRhs())) {
      addParts(sum, result.registers);
    }
    checkProduct(dot, sum, result);
    hold(dot.getResult(), result, sum);
  }
}
