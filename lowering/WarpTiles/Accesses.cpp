// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads and stores of what a lane has of a tile: their addresses, and as few of them as there can be.
#include "lowering/WarpTiles/WarpTiles.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::warps;
using namespace rwkv::programs;

/// The sum of the bases of the bits of the lane's number, or their xor.
Value WarpTiles::laneOffset(ArrayRef<int64_t> bases, bool isXor) {
  Value &known = laneOffsets[{bases.vec(), isXor}];
  return known = known ? known : combineBits(lane, bases, isXor);
}

/// The sum, or xor, of those of `bases` whose bit of the number is set.
Value WarpTiles::combineBits(Value number, ArrayRef<int64_t> bases, bool isXor) {
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(entry, loc, entry.getIntegerAttr(number.getType(), value));
  };
  Value sum = constant(0);
  for (size_t i = 0; i < bases.size();) {
    // Bits that follow one another with doubling bases are one field; those that are xored if they have one bit each.
    size_t end = i + 1;
    const bool isField = isXor ? llvm::isPowerOf2_64(bases[i]) : bases[i] != 0;
    while (end < bases.size() && isField && bases[end] == 2 * bases[end - 1]) {
      ++end;
    }
    if (bases[i] != 0) {
      Value field = arith::ShRUIOp::create(entry, loc, number, constant(i));
      field = arith::AndIOp::create(entry, loc, field, constant((int64_t(1) << (end - i)) - 1));
      field = arith::MulIOp::create(entry, loc, field, constant(bases[i]));
      sum = isXor ? arith::XOrIOp::create(entry, loc, sum, field).getResult()
                  : arith::AddIOp::create(entry, loc, sum, field).getResult();
    }
    i = end;
  }
  return sum;
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

/// An element of memory. Where this starts at an element of a buffer, both offsets are added first: that is the same
/// for all buffers, and no address is kept that is a part of the sum.
Value WarpTiles::addOffset(const Memory &memory, Value offset) {
  Value start = memory.pointer;
  const bool isGlobal = cast<LLVM::LLVMPointerType>(start.getType()).getAddressSpace() == hooks.getGlobalSpace();
  if (auto part = start.getDefiningOp<LLVM::GEPOp>();
      part && isGlobal && part.getElemType() == memory.element && part.getDynamicIndices().size() == 1) {
    start = part.getBase();
    offset = arith::AddIOp::create(b, loc, part.getDynamicIndices().front(), offset);
  }
  return LLVM::GEPOp::create(b, loc, start.getType(), memory.element, start, ArrayRef<LLVM::GEPArg>{offset});
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
      base = addOffset(memory, wide);
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

SmallVector<Value> WarpTiles::splitWords(Value read) {
  auto vector = dyn_cast<VectorType>(read.getType());
  if (!vector) {
    return {read};
  }
  return llvm::map_to_vector(llvm::seq(vector.getDimSize(0)), [&](int64_t i) -> Value {
    return LLVM::ExtractElementOp::create(b, loc, read, arith::ConstantIntOp::create(b, loc, b.getI32Type(), i));
  });
}

SmallVector<Value> WarpTiles::unpack(const Place &from, const Placement &placement, ArrayRef<Value> words,
                                     Type compute) {
  const Memory &memory = from.memory;
  SmallVector<Value> values(placement.registers.size());
  for (auto [access, read] : llvm::zip_equal(groupReads(from, placement), words)) {
    for (auto [i, part] : llvm::enumerate(splitWords(read))) {
      if (part.getType() == memory.element) {
        values[access.registers[i]] = programs::convertLoaded(b, loc, part, 0, compute);
        continue;
      }
      SmallVector<Value> pair = unpackPairs(part);
      values[access.registers[2 * i]] = pair[0];
      values[access.registers[2 * i + 1]] = pair[1];
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
  if (storeBlocks(to, placement, values)) {
    return;
  }
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
