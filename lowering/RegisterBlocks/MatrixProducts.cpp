// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/RegisterBlocks/MatrixProducts.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

#include <utility>

using namespace mlir;
using namespace rwkv;
using namespace rwkv::blocks;
using namespace rwkv::programs;

namespace {
constexpr int64_t kBytes = 2; // of a bf16
constexpr int64_t kSide = 2;  // blocks of the result side by side, and one above the other, in registers

int64_t roundUp(int64_t size, int64_t step) { return llvm::divideCeil(size, step) * step; }
} // namespace

class MatrixProducts::Emitter {
public:
  Emitter(MatrixProducts &all, OpBuilder &b, Location loc, const Machine &machine, Context &context)
      : all(all), numbers(all.unit->numbers), b(b), loc(loc), machine(machine), context(context) {}

  // ---- operands

  /// `tile` as the left or the right operand; packed here unless that has been done where it can be used.
  const Packed &getOperand(Value tile, bool isRight) {
    llvm::DenseMap<Value, Packed> &packed = all.packed[isRight][isRounded];
    auto it = packed.find(tile);
    if (it != packed.end() && isInside(b.getInsertionBlock(), it->second.block)) {
      return it->second;
    }
    return packed[tile] = isRight ? packRight(tile) : packLeft(tile);
  }

  void emit(tile::DotOp dot, const Memory &result) {
    isRounded = dot.getPrecision() == tile::Precision::bf16;
    Packed x = getOperand(dot.getLhs(), false), y = getOperand(dot.getRhs(), true);
    target = result;
    acc = dot.getAcc() ? context.getMemory(dot.getAcc()) : Memory();
    ArrayRef<int64_t> shape = tile::getTileShape(dot.getResult().getType());
    rows = shape[0];
    columns = shape[1];
    depth = roundUp(tile::getTileShape(dot.getLhs().getType())[1], numbers.depth);
    int64_t down = llvm::divideCeil(rows, numbers.rows), across = llvm::divideCeil(columns, numbers.columns);
    int64_t wholeDown = rows / numbers.rows / kSide * kSide, wholeAcross = columns / numbers.columns / kSide * kSide;
    // Blocks that are whole in a loop, those at the edges as they are.
    if (wholeDown && wholeAcross) {
      forEach(b, loc, wholeDown * numbers.rows, kSide * numbers.rows, [&](Value row) {
        forEach(b, loc, wholeAcross * numbers.columns, kSide * numbers.columns,
                [&](Value column) { emitBlocks(x, y, row, column, kSide, kSide, nullptr); });
      });
    }
    for (int64_t i = 0; i < down; i += kSide) {
      for (int64_t j = 0; j < across; j += kSide) {
        if (i < wholeDown && j < wholeAcross) {
          continue;
        }
        int64_t place[] = {i * numbers.rows, j * numbers.columns};
        emitBlocks(x, y, index(place[0]), index(place[1]), std::min(kSide, down - i), std::min(kSide, across - j),
                   place);
      }
    }
  }

private:
  static bool isInside(Block *block, Block *outer) {
    while (block && block != outer) {
      Operation *parent = block->getParentOp();
      block = parent ? parent->getBlock() : nullptr;
    }
    return block;
  }

  Value index(int64_t value) { return constantIndex(b, loc, value); }

  // ---- packing

  static bool isExact(const Memory &memory) { return memory.element.isBF16(); }

  /// Planes of `height` rows of `width` bf16 each.
  Packed allocatePlanes(bool exact, int64_t height, int64_t width, bool isPadded) {
    Packed result{{}, width * kBytes, b.getInsertionBlock()};
    for (int64_t i = 0; i < (exact || isRounded ? 1 : 2); ++i) {
      result.planes.push_back(all.allocate(height * width * kBytes));
      if (isPadded) { // what is never written has to be zero
        Value zero = arith::ConstantIntOp::create(all.entry, loc, b.getI8Type(), 0);
        Value size = arith::ConstantIntOp::create(all.entry, loc, b.getI64Type(), height * width * kBytes);
        LLVM::MemsetOp::create(all.entry, loc, result.planes.back(), zero, size, /*isVolatile=*/false);
      }
    }
    return result;
  }

  Memory planeOf(const Packed &packed, size_t plane, Type element) {
    return {packed.planes[plane], element, packed.stride / (element.getIntOrFloatBitWidth() / 8)};
  }

  Value splat(VectorType type, int64_t bits) {
    auto element = cast<IntegerType>(type.getElementType());
    return arith::ConstantOp::create(
        b, loc, DenseElementsAttr::get(type, APInt(element.getWidth(), static_cast<uint64_t>(bits))));
  }

  /// A vector as the sum of two whose numbers have the upper half of their bits alone; as integers. What is left over
  /// is cut: a NaN stays one there, whatever its bits are. Where operands are rounded nothing is left over, so the
  /// nearest keeps it; its lower half is not cleared.
  struct Halves {
    Value nearest, rest;
  };
  Halves split(Value x) {
    auto floats = cast<VectorType>(x.getType());
    auto bits = VectorType::get(floats.getShape(), b.getI32Type());
    Value all = arith::BitcastOp::create(b, loc, bits, x);
    Value up = arith::AddIOp::create(b, loc, all, splat(bits, 0x8000));
    if (isRounded) {
      Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
      Value quiet = arith::OrIOp::create(b, loc, all, splat(bits, 0x400000));
      return {arith::SelectOp::create(b, loc, isNaN, quiet, up), Value()};
    }
    Value nearest = arith::AndIOp::create(b, loc, up, splat(bits, 0xffff0000));
    Value rest = arith::SubFOp::create(b, loc, x, arith::BitcastOp::create(b, loc, floats, nearest));
    return {nearest, arith::BitcastOp::create(b, loc, bits, rest)};
  }

  /// The upper halves of a vector of i32.
  Value upper(Value x) {
    auto type = cast<VectorType>(x.getType());
    int64_t width = type.getDimSize(0);
    Value parts = vector::BitCastOp::create(b, loc, VectorType::get({2 * width}, b.getI16Type()), x);
    SmallVector<int64_t> odd;
    for (int64_t i = 0; i < width; ++i) {
      odd.push_back(2 * i + 1);
    }
    return vector::ShuffleOp::create(b, loc, parts, parts, odd);
  }

  /// Rows as they are.
  Packed packLeft(Value tile) {
    ArrayRef<int64_t> shape = tile::getTileShape(tile.getType());
    int64_t height = roundUp(shape[0], numbers.rows), width = roundUp(shape[1], numbers.depth);
    Memory from = context.getMemory(tile);
    bool exact = isExact(from);
    if (exact && shape[0] == height && shape[1] == width) {
      return {{from.pointer}, from.stride * kBytes, b.getInsertionBlock()};
    }
    Packed result = allocatePlanes(exact, height, width, shape[1] != width);
    Type i16 = b.getI16Type(), f32 = b.getF32Type();
    bool isSplit = result.planes.size() > 1;
    Memory first = planeOf(result, 0, i16), second = isSplit ? planeOf(result, 1, i16) : Memory();
    forEach(b, loc, shape[0], 1, [&](Value row) {
      for (const Slot &slot : splitRow(shape[1], 2 * machine.lanes(f32))) {
        Value column = index(slot.offset);
        if (exact) {
          emitStore(b, loc, first, row, column, emitLoad(b, loc, bitsOf(from), row, column, slot.width, i16));
          continue;
        }
        Halves halves = split(emitLoad(b, loc, from, row, column, slot.width, f32));
        emitStore(b, loc, first, row, column, upper(halves.nearest));
        if (isSplit) {
          emitStore(b, loc, second, row, column, upper(halves.rest));
        }
      }
    });
    return result;
  }

  Memory bitsOf(Memory memory) {
    memory.element = b.getI16Type();
    return memory;
  }

  /// Two rows as one: the elements of a column side by side.
  Packed packRight(Value tile) {
    ArrayRef<int64_t> shape = tile::getTileShape(tile.getType());
    assert(numbers.pack == 2 && "elements of 16 bits, in vectors of 32-bit integers");
    int64_t height = roundUp(shape[0], numbers.depth) / numbers.pack, width = roundUp(shape[1], numbers.columns);
    Memory from = context.getMemory(tile);
    bool exact = isExact(from);
    Packed result = allocatePlanes(exact, height, numbers.pack * width, 2 * height != shape[0]);
    bool isSplit = result.planes.size() > 1;
    Memory first = planeOf(result, 0, b.getI32Type()), second = isSplit ? planeOf(result, 1, b.getI32Type()) : Memory();
    auto emitPair = [&](Value pair, bool isWhole) {
      Value row = arith::MulIOp::create(b, loc, pair, index(2));
      for (const Slot &slot : splitRow(shape[1], machine.lanes(b.getF32Type()))) {
        Value column = index(slot.offset), next = addIndex(b, loc, row, 1);
        auto bits = VectorType::get({slot.width}, b.getI32Type());
        auto join = [&](Value low, Value high) {
          return high ? arith::OrIOp::create(b, loc, low, high).getResult() : low;
        };
        if (exact) {
          auto load = [&](Value at) -> Value {
            Value x = emitLoad(b, loc, bitsOf(from), at, column, slot.width, b.getI16Type());
            return arith::ExtUIOp::create(b, loc, bits, x);
          };
          Value high = isWhole ? arith::ShLIOp::create(b, loc, load(next), splat(bits, 16)).getResult() : Value();
          emitStore(b, loc, first, pair, column, join(load(row), high));
          continue;
        }
        auto load = [&](Value at) { return split(emitLoad(b, loc, from, at, column, slot.width, b.getF32Type())); };
        Halves x = load(row), y = isWhole ? load(next) : Halves();
        auto low = [&](Value half) { return arith::ShRUIOp::create(b, loc, half, splat(bits, 16)); };
        auto high = [&](Value half) {
          return half ? arith::AndIOp::create(b, loc, half, splat(bits, 0xffff0000)).getResult() : Value();
        };
        emitStore(b, loc, first, pair, column, join(low(x.nearest), isSplit ? y.nearest : high(y.nearest)));
        if (isSplit) {
          emitStore(b, loc, second, pair, column, join(low(x.rest), high(y.rest)));
        }
      }
    };
    if (int64_t pairs = shape[0] / 2) {
      forEach(b, loc, pairs, 1, [&](Value pair) { emitPair(pair, true); });
    }
    if (shape[0] % 2) {
      emitPair(index(shape[0] / 2), false);
    }
    return result;
  }

  // ---- products

  Value at(Value pointer, Value row, int64_t stride, Value bytes) {
    Value offset = arith::AddIOp::create(b, loc, arith::MulIOp::create(b, loc, row, index(stride)), bytes);
    Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), offset);
    return LLVM::GEPOp::create(b, loc, pointer.getType(), b.getI8Type(), pointer, ArrayRef<LLVM::GEPArg>{wide});
  }

  Value times(Value value, int64_t factor) { return arith::MulIOp::create(b, loc, value, index(factor)); }

  bool isWhole(const int64_t *place, int64_t i, int64_t j) {
    return !place || (place[0] + (i + 1) * numbers.rows <= rows && place[1] + (j + 1) * numbers.columns <= columns);
  }

  static int64_t sum(int64_t i, int64_t j) { return i * kSide + j; }

  /// The products of one depth. Small ones first; operands are loaded one by one, in front of the first product that
  /// takes them, so that loads run beside products.
  void emitDepth(const Packed &x, const Packed &y, Value row, Value column, int64_t height, int64_t width, Value k) {
    Value leftBytes = times(k, kBytes), rightRow = arith::DivUIOp::create(b, loc, k, index(numbers.pack));
    SmallVector<int64_t> left(height, -1), right(width, -1); // the planes that the registers hold
    auto multiply = [&](int64_t i, int64_t j, int64_t leftPlane, int64_t rightPlane) {
      int64_t leftReg = kSide * kSide + i, rightReg = kSide * kSide + kSide + j;
      if (std::exchange(right[j], rightPlane) != rightPlane) {
        Value bytes = times(addIndex(b, loc, column, j * numbers.columns), numbers.pack * kBytes);
        all.unit->emitLoad(b, loc, rightReg, at(y.planes[rightPlane], rightRow, y.stride, bytes), y.stride);
      }
      if (std::exchange(left[i], leftPlane) != leftPlane) {
        Value first = addIndex(b, loc, row, i * numbers.rows);
        all.unit->emitLoad(b, loc, leftReg, at(x.planes[leftPlane], first, x.stride, leftBytes), x.stride);
      }
      all.unit->emitProduct(b, loc, sum(i, j), leftReg, rightReg);
    };
    auto alongRows = [&](int64_t leftPlane, int64_t rightPlane) {
      for (int64_t i = 0; i < height; ++i) {
        for (int64_t j = 0; j < width; ++j) { // back and forth
          multiply(i, i % 2 ? width - 1 - j : j, leftPlane, rightPlane);
        }
      }
    };
    auto alongColumns = [&](int64_t leftPlane, int64_t rightPlane) {
      for (int64_t j = 0; j < width; ++j) {
        for (int64_t i = 0; i < height; ++i) {
          multiply(j % 2 ? height - 1 - i : i, j, leftPlane, rightPlane);
        }
      }
    };
    if (x.planes.size() > 1) {
      alongRows(1, 0);
    }
    alongRows(0, 0);
    if (y.planes.size() > 1) {
      alongColumns(0, 1);
    }
  }

  /// Blocks of the result from (row, column) on, `height` below each other and `width` side by side. `place` says where
  /// that is if they may stick out.
  void emitBlocks(const Packed &x, const Packed &y, Value row, Value column, int64_t height, int64_t width,
                  const int64_t *place) {
    Type f32 = b.getF32Type();
    auto forAll = [&](function_ref<void(int64_t, int64_t)> body) {
      for (int64_t i = 0; i < height; ++i) {
        for (int64_t j = 0; j < width; ++j) {
          body(i, j);
        }
      }
    };
    auto addressOf = [&](const Memory &memory, int64_t i, int64_t j) {
      return emitAddress(b, loc, memory, addIndex(b, loc, row, i * numbers.rows),
                         addIndex(b, loc, column, j * numbers.columns));
    };
    forAll([&](int64_t i, int64_t j) {
      bool loads = acc.pointer && acc.element == f32 && isWhole(place, i, j);
      loads ? all.unit->emitLoad(b, loc, sum(i, j), addressOf(acc, i, j), acc.stride * 4)
            : all.unit->emitZero(b, loc, sum(i, j));
    });
    forEach(b, loc, depth, numbers.depth, [&](Value k) { emitDepth(x, y, row, column, height, width, k); });
    forAll([&](int64_t i, int64_t j) {
      if (isWhole(place, i, j)) {
        all.unit->emitStore(b, loc, sum(i, j), addressOf(target, i, j), target.stride * 4);
      } else {
        emitEdge(place, i, j, sum(i, j));
      }
    });
  }

  /// A block that sticks out: what is inside is copied.
  void emitEdge(const int64_t *place, int64_t i, int64_t j, int64_t reg) {
    Type f32 = b.getF32Type();
    if (!all.edge) {
      all.edge = all.allocate(numbers.rows * numbers.columns * 4);
    }
    Memory from{all.edge, f32, numbers.columns};
    all.unit->emitStore(b, loc, reg, from.pointer, from.stride * 4);
    int64_t firstRow = place[0] + i * numbers.rows, firstColumn = place[1] + j * numbers.columns;
    forEach(b, loc, std::min(numbers.rows, rows - firstRow), 1, [&](Value row) {
      Value to = addIndex(b, loc, row, firstRow);
      for (const Slot &slot : splitRow(std::min(numbers.columns, columns - firstColumn), machine.lanes(f32))) {
        Value column = index(firstColumn + slot.offset);
        Value value = emitLoad(b, loc, from, row, index(slot.offset), slot.width, f32);
        if (acc.pointer) {
          value = arith::AddFOp::create(b, loc, value, emitLoad(b, loc, acc, to, column, slot.width, f32));
        }
        emitStore(b, loc, target, to, column, value);
      }
    });
  }

  MatrixProducts &all;
  const MatrixNumbers &numbers;
  OpBuilder &b;
  Location loc;
  const Machine &machine;
  Context &context;
  Memory target, acc;
  int64_t rows, columns, depth;
  bool isRounded = false; // operands that are not exact, to bf16
};

bool MatrixProducts::takes(tile::DotOp dot) const {
  if (!unit || dot.getPrecision() == tile::Precision::f32 || dot.getTransposed() || dot.getBlocks() ||
      !getElementTypeOrSelf(dot.getResult().getType()).isF32()) {
    return false;
  }
  // Where most of a block would be padding, vectors are faster.
  const MatrixNumbers &n = unit->numbers;
  ArrayRef<int64_t> shape = tile::getTileShape(dot.getResult().getType());
  int64_t depth = tile::getTileShape(dot.getLhs().getType())[1];
  return 2 * shape[0] >= n.rows && 2 * shape[1] >= n.columns && 2 * depth >= n.depth;
}

void MatrixProducts::emit(OpBuilder &b, Location loc, const Machine &machine, tile::DotOp dot, Context &context,
                          const Memory &target) {
  if (!setup) {
    setup = allocate(MatrixUnit::kSetup);
    unit->emitBegin(entry, loc, setup);
  }
  Emitter(*this, b, loc, machine, context).emit(dot, target);
}

void MatrixProducts::finish(Operation *end) {
  if (setup) {
    OpBuilder b(end);
    unit->emitEnd(b, end->getLoc());
  }
}
