// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/WarpTiles/WarpTiles.h"

#include "lowering/TilePrograms/Plan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::warps;
using namespace rwkv::programs;

Value warps::combineAll(ArrayRef<Value> values, function_ref<Value(Value, Value)> combine, size_t together) {
  SmallVector<Value> list(values);
  while (list.size() > 1) {
    SmallVector<Value> next;
    for (auto [i, value] : llvm::enumerate(list)) {
      if (i % together == 0) {
        next.push_back(value);
      } else {
        next.back() = combine(next.back(), value);
      }
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
  to.isPairs ? writePairs(tile, to, placement, values) : store(to, placement, values);
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
  if (auto mask = isa<arith::CmpIOp>(op) ? computeMask(op, placement) : std::nullopt) {
    return *mask;
  }
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
