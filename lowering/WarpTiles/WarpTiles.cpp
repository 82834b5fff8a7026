// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/WarpTiles/WarpTiles.h"

#include "lowering/TilePrograms/Plan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::warps;
using namespace rwkv::programs;

Value warps::combineAll(ArrayRef<Value> values, function_ref<Value(Value, Value)> combine) {
  SmallVector<Value> list(values);
  while (list.size() > 1) {
    SmallVector<Value> next;
    for (size_t i = 0; i + 1 < list.size(); i += 2) {
      next.push_back(combine(list[i], list[i + 1]));
    }
    if (list.size() % 2 == 1) {
      next.push_back(list.back());
    }
    list = std::move(next);
  }
  return list.front();
}

Extent warps::getExtent(Value tile) {
  ArrayRef<int64_t> shape = tile::getTileShape(tile.getType());
  return {shape.size() == 2 ? shape[0] : 1, shape.empty() ? 1 : shape.back()};
}

static int64_t constantOf(Value index) {
  APInt value;
  return matchPattern(index, m_ConstantInt(&value)) ? value.getSExtValue() : 0;
}

Value WarpTiles::zero() { return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0)); }

void WarpTiles::hold(Value tile, Placement placement, ArrayRef<Value> values) {
  held[tile].push_back({std::move(placement), SmallVector<Value>(values)});
}

void WarpTiles::inBranch(function_ref<void()> body) {
  auto knownPlaces = places;
  auto knownHeld = held;
  auto knownRounded = rounded;
  auto knownProducts = products;
  bool wasUnsettled = unsettled, wasExchanged = exchanged;
  body();
  places = std::move(knownPlaces);
  held = std::move(knownHeld);
  rounded = std::move(knownRounded);
  products = std::move(knownProducts);
  unsettled |= wasUnsettled;
  exchanged |= wasExchanged;
}

/// Ops whose results have a placement of their own.
bool WarpTiles::isNative(Operation *op) {
  return isa<tile::CumsumOp, tile::ScanOp, tile::ReduceOp, tile::SolveUnitLowerOp, tile::DotOp>(op);
}

Value WarpTiles::getNumber(Value value) { return get(value, getNumberPlacement()).front(); }

Placement WarpTiles::getFragments(Value tile) {
  Extent shape = outside.getShape(tile);
  return fragments.getResults(shape.rows, shape.columns).clipped(shape.rows, shape.columns);
}

Placement WarpTiles::prefer(Value tile) {
  if (getRank(tile) == 0) {
    return getNumberPlacement();
  }
  if (auto known = held.find(tile); known != held.end() && !places.contains(tile)) {
    Extent shape = outside.getShape(tile);
    for (const Held &candidate : known->second) {
      if (candidate.placement.holds(shape.rows * shape.columns)) { // others are of a part of it
        return candidate.placement;
      }
    }
  }
  Operation *op = tile.getDefiningOp();
  if (auto branch = dyn_cast_or_null<scf::IfOp>(op); branch && !turned) { // that in which it has been written
    return prefer(branch.thenYield().getOperand(cast<OpResult>(tile).getResultNumber()));
  }
  if (getRank(tile) == 2 && op && !places.contains(tile)) {
    if (isa<tile::DotOp>(op)) {
      return getFragments(tile);
    }
    Extent shape = outside.getShape(tile);
    Placement plain = getPlain(shape);
    if (isElementwise(op)) { // that of an operand which is hard to move
      for (Value operand : op->getOperands()) {
        Operation *maker = operand.getDefiningOp();
        if (getRank(operand) == 2 && maker && !isa<tile::BroadcastOp, tile::IotaOp, arith::ConstantOp>(maker)) {
          Placement placement = prefer(operand);
          if (!(placement == plain)) {
            return placement;
          }
        }
      }
    }
    if (auto transpose = dyn_cast<tile::TransposeOp>(op)) {
      return prefer(transpose.getX()).turned();
    }
    if (auto insert = dyn_cast<tile::InsertOp>(op); insert && getRank(insert.getPart()) == 2) {
      if (turned) {
        return prefer(insert.getPart()).lanes == plain.lanes ? plain : getFragments(tile);
      }
      // Lanes run along the rows if they do in the part.
      Extent part = outside.getShape(insert.getPart());
      bool isTurned = prefer(insert.getPart()).lanes == getColumns(part.columns, part.rows, warp()).turned().lanes;
      return isTurned ? getColumns(shape.columns, shape.rows, warp()).turned() : plain;
    }
  }
  return getPlain(outside.getShape(tile));
}

Placement WarpTiles::getPlain(Extent shape) const {
  return isColumn(shape) ? getColumns(1, shape.rows, warp()).turned() : getColumns(shape.rows, shape.columns, warp());
}

/// From registers that hold the tile already.
std::optional<SmallVector<Value>> WarpTiles::pick(Value tile, const Placement &placement) {
  auto known = held.find(tile);
  if (known == held.end()) {
    return std::nullopt;
  }
  for (const Held &candidate : known->second) {
    if (candidate.placement.lanes != placement.lanes) {
      continue;
    }
    SmallVector<Value> values;
    for (Coord c : placement.registers) {
      auto it = llvm::find(candidate.placement.registers, c);
      if (it == candidate.placement.registers.end()) {
        break;
      }
      values.push_back(candidate.values[it - candidate.placement.registers.begin()]);
    }
    if (values.size() == placement.registers.size()) {
      return values;
    }
  }
  return std::nullopt;
}

SmallVector<Value> WarpTiles::get(Value tile, const Placement &placement) {
  size_t count = placement.registers.size();
  Operation *op = tile.getDefiningOp();
  if (auto constant = dyn_cast_or_null<arith::ConstantOp>(op)) {
    auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
    TypedAttr number = dense ? dense.getSplatValue<TypedAttr>() : constant.getValue();
    return SmallVector<Value>(count, arith::ConstantOp::create(b, loc, number));
  }
  if (std::optional<SmallVector<Value>> values = pick(tile, placement)) {
    return *values;
  }
  if (auto known = words.find(tile); known != words.end() && known->second.placement.lanes == placement.lanes) {
    const Words &read = known->second;
    hold(tile, read.placement, unpack(read.from, read.placement, read.values, getElementTypeOrSelf(tile.getType())));
    if (std::optional<SmallVector<Value>> values = pick(tile, placement)) {
      return *values;
    }
  }
  auto place = places.find(tile);
  bool isLoad = isa_and_nonnull<tile::LoadOp>(op);
  if (place == places.end() && (isLoad || (!held.contains(tile) && (!op || !outside.isInside(op))))) {
    if (getRank(tile) == 0) {
      return SmallVector<Value>(count, outside.getScalar(tile));
    }
    place = places.try_emplace(tile, outside.find(tile)).first;
  }
  SmallVector<Value> values;
  if (isLoad && held.contains(tile) && isColumn(outside.getShape(tile))) { // rather than to wait for memory again
    values = exchange(tile, placement);
  } else if (place != places.end() && place->second.isPairs && isLoad) { // pairs are for products
    values = load(outside.find(tile), placement, getElementTypeOrSelf(tile.getType()));
  } else if (place != places.end()) {
    values = load(place->second, placement, getElementTypeOrSelf(tile.getType()));
  } else if (!op || isNative(op)) {
    if (!held.contains(tile)) {
      computeNative(op);
      return get(tile, placement);
    }
    values = exchange(tile, placement);
  } else if (getRank(tile) == 1 && isElementwise(op) && prefer(tile).lanes != placement.lanes) {
    if (!held.contains(tile)) {
      (void)get(tile, prefer(tile));
    }
    values = exchange(tile, placement);
  } else {
    values = compute(op, placement);
  }
  hold(tile, placement, values);
  return values;
}

/// From the registers of other lanes, through shared memory.
SmallVector<Value> WarpTiles::exchange(Value tile, const Placement &placement) {
  const Held from = held[tile].front();
  Place place = outside.getExchange(tile);
  if (exchanged) { // others may still read what was exchanged before
    hooks.emitWarpBarrier(b, loc);
  }
  exchanged = true;
  bool liesAsRow = getRank(tile) == 2 && outside.getShape(tile).columns == 1;
  store(place, liesAsRow ? from.placement.turned() : from.placement, from.values);
  return load(place, liesAsRow ? placement.turned() : placement, getElementTypeOrSelf(tile.getType()));
}

void WarpTiles::write(Value tile, const Place &to, bool overOthers) {
  Placement placement = prefer(tile);
  SmallVector<Value> values = get(tile, placement);
  if (to.isExact && !to.isPairs && getElementTypeOrSelf(tile.getType()).isF32()) { // pairs are rounded as they are made
    for (Value &value : values) {
      value = hooks.emitRounded(b, loc, value, isOperandOnly(tile));
    }
  }
  if (overOthers) {
    hooks.emitWarpBarrier(b, loc);
  }
  to.isPairs ? writePairs(to, placement, values) : store(to, placement, values);
}

void WarpTiles::settle() {
  if (unsettled) {
    hooks.emitWarpBarrier(b, loc);
    unsettled = false;
  }
}

// ---- ops in any placement

SmallVector<Value> WarpTiles::computeInsert(tile::InsertOp op, const Placement &placement) {
  Value part = op.getPart();
  Extent shape = getRank(part) == 0 ? Extent{1, 1} : outside.getShape(part);
  SmallVector<int64_t> offsets = llvm::map_to_vector(op.getOffsets(), constantOf);
  int64_t firstRow = offsets.size() == 2 ? offsets.front() : 0, firstColumn = offsets.back(), lastRow = 0,
          lastColumn = 0;
  for (Coord c : placement.lanes) {
    lastRow += c.row;
    lastColumn += c.column;
  }
  // Lanes may differ in whether a register is of the part: then both are asked for, the part wherever it has copies.
  Placement ofPart{placement.lanes, {}}, ofRest = ofPart;
  SmallVector<std::pair<int, int>> where; // register of the part, of the rest; -1: not
  for (Coord c : placement.registers) {
    int64_t row = c.row - firstRow, column = c.column - firstColumn;
    bool outsideOfIt = row + lastRow < 0 || row >= shape.rows || column + lastColumn < 0 || column >= shape.columns;
    bool inside = row >= 0 && row + lastRow < shape.rows && column >= 0 && column + lastColumn < shape.columns;
    where.push_back({outsideOfIt ? -1 : int(ofPart.registers.size()), inside ? -1 : int(ofRest.registers.size())});
    if (!outsideOfIt) {
      ofPart.registers.push_back({uint32_t(row), uint32_t(column)});
    }
    if (!inside) {
      ofRest.registers.push_back(c);
    }
  }
  bool mixed = llvm::any_of(where, [](auto both) { return both.first >= 0 && both.second >= 0; });
  ofPart = mixed ? ofPart.clipped(shape.rows, shape.columns) : ofPart;
  SmallVector<Value> parts, rest;
  if (!ofPart.registers.empty()) {
    parts = getRank(part) == 0 ? SmallVector<Value>(ofPart.registers.size(), getNumber(part)) : get(part, ofPart);
  }
  if (!ofRest.registers.empty()) {
    rest = get(op.getX(), ofRest);
  }
  auto lanesOf = [&](auto axis) { return laneOffset(llvm::map_to_vector(placement.lanes, axis)); };
  auto isWithin = [&](Value lanes, int64_t start, int64_t first, int64_t size) -> Value {
    Value at = addIndex(b, loc, lanes, start - first); // below the first: a large number
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, at, index(size));
  };
  SmallVector<Value> values;
  for (auto [c, both] : llvm::zip_equal(placement.registers, where)) {
    if (both.first < 0 || both.second < 0) {
      values.push_back(both.first < 0 ? rest[both.second] : parts[both.first]);
      continue;
    }
    Value row = lanesOf([](Coord base) -> int64_t { return base.row; });
    Value column = lanesOf([](Coord base) -> int64_t { return base.column; });
    Value inside = arith::AndIOp::create(b, loc, isWithin(row, c.row, firstRow, shape.rows),
                                         isWithin(column, c.column, firstColumn, shape.columns));
    values.push_back(arith::SelectOp::create(b, loc, inside, parts[both.first], rest[both.second]));
  }
  return values;
}

SmallVector<Value> WarpTiles::compute(Operation *op, const Placement &placement) {
  return llvm::TypeSwitch<Operation *, SmallVector<Value>>(op)
      .Case([&](tile::BroadcastOp broadcast) {
        Value x = broadcast.getX();
        SmallVector<unsigned> map(placement.registers.size(), 0);
        SmallVector<Value> unique;
        if (getRank(x) == 0) {
          unique.push_back(getNumber(x));
        } else {
          map.clear();
          unique = get(x, placement.along(getRank(op->getResult(0)) == 1 ? 1 : broadcast.getOn().value_or(0), map));
        }
        return llvm::map_to_vector(map, [&](unsigned i) { return unique[i]; });
      })
      .Case([&](tile::InsertOp insert) { return computeInsert(insert, placement); })
      .Case([&](tile::TransposeOp transpose) { return get(transpose.getX(), placement.turned()); })
      .Case([&](tile::SliceOp slice) {
        SmallVector<int64_t> offsets = llvm::map_to_vector(slice.getOffsets(), constantOf);
        int64_t row = offsets.size() == 2 ? offsets.front() : 0;
        return get(slice.getX(), placement.moved(row, offsets.back()));
      })
      .Case([&](tile::IotaOp iota) {
        int64_t axis = getRank(iota.getResult()) == 1 ? 1 : iota.getAxis();
        auto pick = [&](Coord c) -> int64_t { return axis == 0 ? c.row : c.column; };
        Value first = laneOffset(llvm::map_to_vector(placement.lanes, pick));
        first = arith::IndexCastOp::create(b, loc, b.getI32Type(), first);
        return llvm::map_to_vector(placement.registers, [&](Coord c) -> Value {
          Value step = arith::ConstantIntOp::create(b, loc, b.getI32Type(), pick(c));
          return arith::AddIOp::create(b, loc, first, step);
        });
      })
      .Default([&](Operation *other) { return computeElementwise(other, placement); });
}

SmallVector<Value> WarpTiles::computeElementwise(Operation *op, const Placement &placement) {
  size_t count = placement.registers.size();
  SmallVector<SmallVector<Value>> operands;
  for (Value operand : op->getOperands()) {
    operands.push_back(getRank(operand) == 0 ? SmallVector<Value>(count, getNumber(operand)) : get(operand, placement));
  }
  SmallVector<Value> values;
  for (size_t i = 0; i < count; ++i) {
    OperationState state(loc, op->getName());
    state.addTypes(getElementTypeOrSelf(op->getResult(0).getType()));
    state.addAttributes(op->getAttrs());
    state.propertiesAttr = op->getPropertiesAsAttribute();
    for (SmallVector<Value> &operand : operands) {
      state.addOperands(operand[i]);
    }
    Operation *clone = b.create(state);
    if (auto math = dyn_cast<arith::ArithFastMathInterface>(clone)) {
      auto flags = arith::FastMathFlags::contract;
      if (auto given = math.getFastMathFlagsAttr()) {
        flags = flags | given.getValue();
      }
      if (isa<arith::DivFOp>(clone)) { // to a few units of the last place: what is multiplied has been rounded to less
        flags = flags | arith::FastMathFlags::afn;
      }
      clone->setAttr(math.getFastMathAttrName(), arith::FastMathFlagsAttr::get(b.getContext(), flags));
    }
    values.push_back(clone->getResult(0));
  }
  return values;
}

// ---- memory

/// The sum of the bases of the bits of the lane's number, or their xor.
Value WarpTiles::laneOffset(ArrayRef<int64_t> bases, bool isXor) {
  Value &known = laneOffsets[{bases.vec(), isXor}];
  if (known) {
    return known;
  }
  Value sum = constantIndex(entry, loc, 0);
  for (size_t i = 0; i < bases.size();) {
    // Bits that follow one another with doubling bases are one field; those that are xored if they have one bit each.
    size_t end = i + 1;
    const bool isField = isXor ? llvm::isPowerOf2_64(bases[i]) : bases[i] != 0;
    while (end < bases.size() && isField && bases[end] == 2 * bases[end - 1]) {
      ++end;
    }
    if (bases[i] != 0) {
      Value field = arith::ShRUIOp::create(entry, loc, lane, constantIndex(entry, loc, i));
      field = arith::AndIOp::create(entry, loc, field, constantIndex(entry, loc, (int64_t(1) << (end - i)) - 1));
      field = arith::MulIOp::create(entry, loc, field, constantIndex(entry, loc, bases[i]));
      sum = isXor ? arith::XOrIOp::create(entry, loc, sum, field).getResult()
                  : arith::AddIOp::create(entry, loc, sum, field).getResult();
    }
    i = end;
  }
  return known = sum;
}

Value WarpTiles::offsetBy(Value pointer, Type element, int64_t offset) {
  return offset == 0 ? pointer
                     : LLVM::GEPOp::create(b, loc, pointer.getType(), element, pointer,
                                           ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
}

/// Bits of a row's place that lanes change, where these xor them.
uint32_t WarpTiles::placesOfLanes(ArrayRef<Coord> bases, const Rows &rows) {
  uint32_t bits = 0;
  for (Coord c : bases) {
    bits |= rows.order.empty() ? 0 : rows.getPlace(c.row);
  }
  return bits;
}

/// What the lane adds to the address of an element: of its bases, and of those bits of the row's place that it changes.
Value WarpTiles::laneAddress(ArrayRef<Coord> bases, const Rows &rows, uint32_t firstRow) {
  bool isOrdered = !rows.order.empty();
  SmallVector<int64_t> added, xored;
  for (Coord c : bases) {
    added.push_back(c.column + (isOrdered ? 0 : c.row * rows.stride));
    xored.push_back(rows.getPlace(c.row));
  }
  Value offset = laneOffset(added);
  if (isOrdered) {
    Value places =
        arith::XOrIOp::create(entry, loc, laneOffset(xored, /*isXor=*/true),
                              constantIndex(entry, loc, rows.getPlace(firstRow) & placesOfLanes(bases, rows)));
    places = arith::MulIOp::create(entry, loc, places, constantIndex(entry, loc, rows.stride));
    offset = arith::AddIOp::create(entry, loc, offset, places);
  }
  return offset;
}

/// The address of each access: what the lane adds, and a constant.
void WarpTiles::forEachAccess(const Place &place, const Placement &placement, ArrayRef<Access> accesses,
                              function_ref<void(const Access &, Value)> body) {
  const Memory &memory = place.memory;
  const Rows rows = place.getRows();
  uint32_t ofLanes = placesOfLanes(placement.lanes, rows);
  std::map<uint32_t, Value> bases; // by what the register changes of these bits
  for (const Access &access : accesses) {
    uint32_t row = rows.getPlace(access.first.row);
    Value &base = bases[row & ofLanes];
    if (!base) {
      Value offset = laneAddress(placement.lanes, rows, access.first.row);
      Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), offset);
      base = LLVM::GEPOp::create(b, loc, memory.pointer.getType(), memory.element, memory.pointer,
                                 ArrayRef<LLVM::GEPArg>{wide});
    }
    body(access, offsetBy(base, memory.element, (row & ~ofLanes) * memory.stride + access.first.column));
  }
}

SmallVector<Access> WarpTiles::groupReads(const Place &from, const Placement &placement) {
  constexpr int64_t kWidest = 128; // bits
  return groupAccesses(placement, from.getRows(), from.alignment,
                       kWidest / from.memory.element.getIntOrFloatBitWidth());
}

SmallVector<Value> WarpTiles::read(const Place &from, const Placement &placement) {
  if (from.isShared) {
    settle();
  }
  const Memory &memory = from.memory;
  int64_t bytes = memory.element.getIntOrFloatBitWidth() / 8;
  SmallVector<Value> words;
  forEachAccess(from, placement, groupReads(from, placement), [&](const Access &access, Value pointer) {
    int64_t width = access.registers.size();
    bool pairs = memory.element.isBF16() && width > 1; // are words, whose halves they are
    int64_t count = pairs ? width / 2 : width;
    Type element = pairs ? b.getI32Type() : memory.element;
    Type type = count == 1 ? element : Type(VectorType::get({count}, element));
    words.push_back(LLVM::LoadOp::create(b, loc, type, pointer, width * bytes));
  });
  return words;
}

SmallVector<Value> WarpTiles::unpack(const Place &from, const Placement &placement, ArrayRef<Value> words,
                                     Type compute) {
  const Memory &memory = from.memory;
  SmallVector<Value> values(placement.registers.size());
  Type i32 = b.getI32Type();
  for (auto [access, word] : llvm::zip_equal(groupReads(from, placement), words)) {
    int64_t width = access.registers.size(), count = word.getType() == i32 ? width / 2 : width;
    if (auto vector = dyn_cast<VectorType>(word.getType())) {
      count = vector.getDimSize(0);
    }
    for (int64_t i = 0; i < std::max<int64_t>(count, 1); ++i) {
      Value part = word;
      if (isa<VectorType>(word.getType())) {
        part = LLVM::ExtractElementOp::create(b, loc, word, arith::ConstantIntOp::create(b, loc, i32, i));
      }
      if (part.getType() == memory.element) {
        values[access.registers[i]] = programs::convertLoaded(b, loc, part, 0, compute);
        continue;
      }
      Value low = arith::ShLIOp::create(b, loc, part, arith::ConstantIntOp::create(b, loc, i32, 16));
      Value high = arith::AndIOp::create(b, loc, part, arith::ConstantIntOp::create(b, loc, i32, -65536));
      values[access.registers[2 * i]] = arith::BitcastOp::create(b, loc, b.getF32Type(), low);
      values[access.registers[2 * i + 1]] = arith::BitcastOp::create(b, loc, b.getF32Type(), high);
    }
  }
  for (auto [i, value] : llvm::enumerate(values)) { // copies within a lane
    if (!value) {
      value = values[llvm::find(placement.registers, placement.registers[i]) - placement.registers.begin()];
    }
  }
  return values;
}

void WarpTiles::store(const Place &to, const Placement &placement, ArrayRef<Value> values) {
  int64_t copies = 0; // bits of the lane's number that make no difference: one lane of each is enough
  for (auto [bit, c] : llvm::enumerate(placement.lanes)) {
    copies |= c == Coord{0, 0} ? int64_t(1) << bit : 0;
  }
  unsettled |= to.isShared;
  if (copies == 0) {
    return storeAll(to, placement, values);
  }
  Value bits = arith::AndIOp::create(b, loc, lane, index(copies));
  Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, bits, index(0));
  auto branch = scf::IfOp::create(b, loc, isFirst, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  storeAll(to, placement, values);
}

void WarpTiles::storeAll(const Place &to, const Placement &placement, ArrayRef<Value> values) {
  const Memory &memory = to.memory;
  int64_t bytes = std::max<int64_t>(1, memory.element.getIntOrFloatBitWidth() / 8);
  SmallVector<Access> accesses = groupAccesses(placement, to.getRows(), to.alignment, 16 / bytes);
  forEachAccess(to, placement, accesses, [&](const Access &access, Value pointer) {
    int64_t width = access.registers.size();
    auto converted = [&](unsigned number) -> Value {
      return lanes::convertStored(b, loc, hooks, values[number], memory.element);
    };
    if (width == 1) {
      LLVM::StoreOp::create(b, loc, converted(access.registers[0]), pointer, bytes);
      return;
    }
    Type type = VectorType::get({width}, memory.element);
    Value all = LLVM::UndefOp::create(b, loc, type);
    for (auto [i, number] : llvm::enumerate(access.registers)) {
      Value at = arith::ConstantIntOp::create(b, loc, b.getI32Type(), i);
      all = LLVM::InsertElementOp::create(b, loc, all, converted(number), at);
    }
    LLVM::StoreOp::create(b, loc, all, pointer, width * bytes);
  });
}

/// How many elements are copied at once.
int64_t WarpTiles::getPiece(const Place &from, const Place &to, Extent shape) {
  int64_t bytes = from.memory.element.getIntOrFloatBitWidth() / 8, width = 1;
  for (int64_t next = 2; next * bytes <= 16; next *= 2) {
    bool fits =
        llvm::all_of(std::array{from.alignment, to.alignment, from.memory.stride, to.memory.stride, shape.columns},
                     [&](int64_t size) { return size % next == 0; });
    width = fits ? next : width;
  }
  return width;
}

/// The row and the column of each piece of this lane; lanes that have no last one are given another's, and told so by
/// a condition, which is null where all have one.
void WarpTiles::forEachPiece(int64_t width, Extent shape, function_ref<void(Value, Value, Value)> body) {
  int64_t pieces = shape.columns / width, all = pieces * shape.rows;
  for (int64_t first = 0; first < all; first += warp()) {
    Value number = addIndex(b, loc, lane, first), isMine;
    if (first + warp() > all) {
      isMine = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, number, index(all));
      number = arith::MinUIOp::create(b, loc, number, index(all - 1));
    }
    Value row = arith::DivUIOp::create(b, loc, number, index(pieces));
    Value column = arith::MulIOp::create(b, loc, arith::RemUIOp::create(b, loc, number, index(pieces)), index(width));
    body(row, column, isMine);
  }
}

SmallVector<Value> WarpTiles::readRows(const Place &from, const Place &to, Extent shape) {
  if (from.isShared) {
    settle();
  }
  int64_t width = getPiece(from, to, shape), bytes = width * (from.memory.element.getIntOrFloatBitWidth() / 8);
  Type type = bytes < 4 ? Type(b.getIntegerType(8 * bytes)) : VectorType::get({bytes / 4}, b.getI32Type());
  SmallVector<Value> loaded;
  forEachPiece(width, shape, [&](Value row, Value column, Value) {
    loaded.push_back(LLVM::LoadOp::create(b, loc, type, emitAddress(b, loc, from.memory, row, column), bytes));
  });
  return loaded;
}

void WarpTiles::writeRows(const Place &from, const Place &to, Extent shape, ArrayRef<Value> pieces) {
  int64_t width = getPiece(from, to, shape), bytes = width * (from.memory.element.getIntOrFloatBitWidth() / 8);
  forEachPiece(width, shape, [&](Value row, Value column, Value isMine) {
    Value address = emitAddress(b, loc, to.memory, row, column);
    OpBuilder::InsertionGuard guard(b);
    if (isMine) {
      auto branch = scf::IfOp::create(b, loc, isMine, /*withElseRegion=*/false);
      b.setInsertionPoint(branch.thenBlock()->getTerminator());
    }
    LLVM::StoreOp::create(b, loc, pieces.front(), address, bytes);
    pieces = pieces.drop_front();
  });
  unsettled |= to.isShared;
}
