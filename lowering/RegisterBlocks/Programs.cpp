// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ops with loops of their own over tiles in memory, but for the matrix product: running sums, scans, triangular solves,
// transposes, inserts. Rows follow one another, vectors run along the columns.
#include "lowering/RegisterBlocks/Nest.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::blocks;
using namespace rwkv::programs;

SmallVector<Slot> blocks::splitRow(int64_t size, int64_t lanes) {
  SmallVector<Slot> slots;
  for (int64_t offset = 0; offset < size;) {
    while (lanes > size - offset) {
      lanes /= 2;
    }
    slots.push_back({offset, lanes});
    offset += lanes;
  }
  return slots;
}

namespace {

class ProgramEmitter {
public:
  ProgramEmitter(OpBuilder &b, Location loc, const Machine &machine, Context &context, Memory target)
      : b(b), loc(loc), machine(machine), context(context), target(target) {}

  void emit(tile::CumsumOp op) {
    Matrix x = getMatrix(context, op.getX());
    int64_t block = op.getBlocks();
    Memory out = x.withStride(target);
    forEachColumns(x, [&](ArrayRef<Slot> slots, Value column) {
      forEach(b, loc, x.rows / block, 1, [&](Value number) {
        Value first = arith::MulIOp::create(b, loc, number, index(block));
        SmallVector<Value> zeros = llvm::map_to_vector(slots, [&](const Slot &slot) { return zero(x, slot); });
        carry(block, zeros, [&](Value i, ValueRange sums) {
          Value row = arith::AddIOp::create(b, loc, first, i);
          SmallVector<Value> next;
          for (auto [slot, sum] : llvm::zip_equal(slots, sums)) {
            next.push_back(arith::AddFOp::create(b, loc, sum, load(x, row, column, slot)));
            store(op.getExclusive() ? Value(sum) : next.back(), out, x, row, column, slot);
          }
          return next;
        });
      });
    });
  }

  void emit(tile::ScanOp op) {
    Matrix a = getMatrix(context, op.getA()), c = getMatrix(context, op.getB()),
           init = getMatrix(context, op.getInit());
    init.memory.stride = 0; // one row
    bool maxplus = op.getKind() == tile::ScanKind::maxplus;
    forEachColumns(a, [&](ArrayRef<Slot> slots, Value column) {
      SmallVector<Value> first;
      for (const Slot &slot : slots) {
        Value address = addIndex(b, loc, column, slot.offset);
        first.push_back(emitLoad(b, loc, init.memory, Value(), address, width(a, slot), a.compute));
        store(first.back(), target, a, index(0), column, slot);
      }
      carry(a.rows, first, [&](Value row, ValueRange before) {
        Value after = addIndex(b, loc, row, 1);
        SmallVector<Value> next;
        for (auto [slot, x] : llvm::zip_equal(slots, before)) {
          Value factor = load(a, row, column, slot), added = load(c, row, column, slot);
          Value value = maxplus ? arith::MaximumFOp::create(b, loc, arith::AddFOp::create(b, loc, factor, x), added)
                                : math::FmaOp::create(b, loc, factor, x, added).getResult();
          store(value, target, a, after, column, slot);
          next.push_back(value);
        }
        return next;
      });
    });
  }

  void emit(tile::SolveUnitLowerOp op) {
    Matrix lower = getMatrix(context, op.getLower()), rhs = getMatrix(context, op.getRhs());
    int64_t groups = op.getInterleave(), count = rhs.rows / groups;
    auto rowOf = [&](int64_t group, Value t) { return addIndex(b, loc, t, group * count); };
    forEachColumns(rhs, [&](ArrayRef<Slot> slots, Value column) {
      /// values -= L[row, other] * X[other]
      auto eliminate = [&](SmallVector<Value> &values, Value row, Value other) {
        Value factor = emitLoad(b, loc, lower.memory, row, other, 0, lower.compute);
        Value negative = arith::NegFOp::create(b, loc, factor);
        for (auto [value, slot] : llvm::zip_equal(values, slots)) {
          Value x =
              emitLoad(b, loc, target, other, addIndex(b, loc, column, slot.offset), width(rhs, slot), rhs.compute);
          Value repeated = negative;
          if (isa<VectorType>(x.getType())) {
            repeated = vector::BroadcastOp::create(b, loc, x.getType(), negative);
          }
          value = math::FmaOp::create(b, loc, repeated, x, value);
        }
      };
      forEach(b, loc, count, 1, [&](Value t) {
        for (int64_t group = 0; group < groups; ++group) {
          Value row = rowOf(group, t);
          SmallVector<Value> values =
              llvm::map_to_vector(slots, [&](const Slot &slot) { return load(rhs, row, column, slot); });
          auto loop = scf::ForOp::create(b, loc, index(0), t, index(1), values);
          {
            OpBuilder::InsertionGuard guard(b);
            b.setInsertionPointToEnd(loop.getBody());
            SmallVector<Value> next(loop.getRegionIterArgs());
            for (int64_t other = 0; other < groups; ++other) {
              eliminate(next, row, rowOf(other, loop.getInductionVar()));
            }
            scf::YieldOp::create(b, loc, next);
          }
          values.assign(loop.getResults().begin(), loop.getResults().end());
          for (int64_t other = 0; other < group; ++other) {
            eliminate(values, row, rowOf(other, t));
          }
          for (auto [value, slot] : llvm::zip_equal(values, slots)) {
            store(value, target, rhs, row, column, slot);
          }
        }
      });
    });
  }

  void emit(tile::TransposeOp op) { emitTranspose(b, loc, machine, getMatrix(context, op.getX()), target); }

  void emit(tile::InsertOp op) {
    if (!isTile(op.getPart())) {
      emitStore(b, loc, target, Value(), Value(), context.getScalar(op.getPart()));
      return;
    }
    ArrayRef<int64_t> shape = tile::getTileShape(op.getPart().getType());
    copy(context.getMemory(op.getPart()), shape.size() == 2 ? shape[0] : 1, shape.back(),
         getElementTypeOrSelf(op.getType()));
  }

  void copy(const Memory &from, int64_t rows, int64_t columns, Type compute) {
    Matrix x{from, rows, columns, compute, false};
    forEachColumns(x, [&](ArrayRef<Slot> slots, Value column) {
      forEach(b, loc, rows, 1, [&](Value row) {
        for (const Slot &slot : slots) {
          store(load(x, row, column, slot), target, x, row, column, slot);
        }
      });
    });
  }

private:
  Value index(int64_t value) { return constantIndex(b, loc, value); }

  /// Vectors of one element are scalars.
  static int64_t width(const Matrix &, const Slot &slot) { return slot.width == 1 ? 0 : slot.width; }

  Value zero(const Matrix &x, const Slot &slot) {
    TypedAttr attr = FloatAttr::get(x.compute, 0.0);
    if (width(x, slot)) {
      attr = DenseElementsAttr::get(VectorType::get({slot.width}, x.compute), Attribute(attr));
    }
    return arith::ConstantOp::create(b, loc, attr);
  }

  Value load(const Matrix &x, Value row, Value column, const Slot &slot) {
    return emitLoad(b, loc, x.memory, row, addIndex(b, loc, column, slot.offset), width(x, slot), x.compute);
  }

  void store(Value value, const Memory &memory, const Matrix &, Value row, Value column, const Slot &slot) {
    emitStore(b, loc, memory, row, addIndex(b, loc, column, slot.offset), value);
  }

  /// Calls `body` with groups of at most four vectors side by side and the column that they are counted from.
  void forEachColumns(const Matrix &x, function_ref<void(ArrayRef<Slot>, Value)> body) {
    constexpr int64_t kVectors = 4;
    int64_t lanes = machine.lanes(x.compute), group = kVectors * lanes, looped = x.columns / group * group;
    if (looped) {
      SmallVector<Slot> slots;
      for (int64_t i = 0; i < kVectors; ++i) {
        slots.push_back({i * lanes, lanes});
      }
      forEach(b, loc, looped / group, 1, [&](Value i) { body(slots, arith::MulIOp::create(b, loc, i, index(group))); });
    }
    if (looped < x.columns) {
      body(splitRow(x.columns - looped, lanes), index(looped));
    }
  }

  void carry(int64_t size, ValueRange init, function_ref<SmallVector<Value>(Value, ValueRange)> body) {
    auto loop = scf::ForOp::create(b, loc, index(0), index(size), index(1), init);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loop.getBody());
    SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
    scf::YieldOp::create(b, loc, next);
  }

  OpBuilder &b;
  Location loc;
  const Machine &machine;
  Context &context;
  Memory target;
};

} // namespace

void blocks::emitProgram(OpBuilder &b, Location loc, const Machine &machine, Operation *op, Context &context,
                         Memory target) {
  ProgramEmitter emitter(b, loc, machine, context, target);
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](tile::DotOp dot) { emitDot(b, loc, machine, dot, context, target); })
      .Case<tile::CumsumOp, tile::ScanOp, tile::SolveUnitLowerOp, tile::TransposeOp, tile::InsertOp>(
          [&](auto program) { emitter.emit(program); });
}

namespace {
/// For copies, which ask nothing.
struct NoContext : Context {
  Value getScalar(Value) override { llvm_unreachable("copies have no scalars"); }
  Memory getMemory(Value) override { llvm_unreachable("copies are given their memory"); }
  bool isWritten(Value) override { return true; }
  Memory getTarget(const Root &) override { llvm_unreachable("copies are given their target"); }
  void setScalar(Value, Value) override {}
};
} // namespace

void blocks::emitCopy(OpBuilder &b, Location loc, const Machine &machine, const Memory &from, const Memory &to,
                      int64_t rows, int64_t columns, Type compute) {
  NoContext context;
  ProgramEmitter(b, loc, machine, context, to).copy(from, rows, columns, compute);
}
