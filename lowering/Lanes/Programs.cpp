// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ops with loops of their own over tiles in memory, but for the matrix product.
#include "lowering/Lanes/Lanes.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;

namespace {

class ProgramEmitter {
public:
  ProgramEmitter(Emitter &e, Context &context, const Memory &target)
      : e(e), b(e.b), loc(e.loc), context(context), target(target) {}

  // Every lane runs along the rows of a column, so rows follow one another.

  void emit(tile::CumsumOp op) {
    Matrix x = getMatrix(context, op.getX());
    Memory out = x.withStride(target);
    int64_t block = op.getBlocks();
    e.forEachPoint(x.rows / block, x.columns, [&](Value number, Value column) {
      Value first = e.mul(number, block);
      Value zero = arith::ConstantOp::create(b, loc, FloatAttr::get(x.compute, 0.0));
      int64_t unroll = Emitter::getUnroll(block, 16);
      e.carry(e.index(0), unroll, block, zero, [&](Value from, ValueRange sum) {
        SmallVector<Value> rows, values;
        for (int64_t i = 0; i < unroll; ++i) {
          rows.push_back(e.add(first, addIndex(b, loc, from, i)));
          values.push_back(load(x, rows.back(), column));
        }
        Value total = sum[0];
        for (auto [row, value] : llvm::zip_equal(rows, values)) {
          Value before = total;
          total = arith::AddFOp::create(b, loc, total, value);
          value = op.getExclusive() ? before : total;
        }
        for (auto [row, value] : llvm::zip_equal(rows, values)) {
          emitStore(b, loc, out, row, column, value);
        }
        return SmallVector<Value>{total};
      });
    });
  }

  void emit(tile::ScanOp op) {
    Matrix a = getMatrix(context, op.getA()), c = getMatrix(context, op.getB()),
           init = getMatrix(context, op.getInit());
    bool maxplus = op.getKind() == tile::ScanKind::maxplus;
    e.forEach(e.lane, e.lanes, a.columns, [&](Value column) {
      Value first = load(init, column, Value());
      emitStore(b, loc, target, e.index(0), column, first);
      e.carry(e.index(0), 1, a.rows, first, [&](Value row, ValueRange before) {
        Value factor = load(a, row, column), added = load(c, row, column);
        Value next = maxplus
                         ? arith::MaximumFOp::create(b, loc, arith::AddFOp::create(b, loc, factor, before[0]), added)
                         : math::FmaOp::create(b, loc, factor, before[0], added).getResult();
        emitStore(b, loc, target, e.add(row, e.index(1)), column, next);
        return SmallVector<Value>{next};
      });
    });
  }

  // A lane solves for a column: a few unknowns at a time in registers, what the ones before them give taken off first.
  void emit(tile::SolveUnitLowerOp op) {
    Matrix lower = getMatrix(context, op.getLower()), rhs = getMatrix(context, op.getRhs());
    constexpr int64_t kBlock = 16;
    int64_t groups = op.getInterleave(), count = rhs.rows / groups, full = rhs.rows / kBlock * kBlock;
    /// The row of the k-th unknown.
    auto rowOf = [&](Value k) -> Value {
      if (groups == 1) {
        return k;
      }
      Value group = arith::RemUIOp::create(b, loc, k, e.index(groups));
      return e.add(e.mul(group, count), arith::DivUIOp::create(b, loc, k, e.index(groups)));
    };
    /// value - L[row, other] * x
    auto eliminate = [&](Value value, Value row, Value other, Value x) -> Value {
      Value factor = arith::NegFOp::create(b, loc, load(lower, row, other));
      return math::FmaOp::create(b, loc, factor, x, value);
    };
    auto solveBlock = [&](Value column, Value first, int64_t size) {
      SmallVector<Value> rows, values;
      for (int64_t i = 0; i < size; ++i) {
        rows.push_back(rowOf(addIndex(b, loc, first, i)));
        values.push_back(load(rhs, rows.back(), column));
      }
      auto loop = scf::ForOp::create(b, loc, e.index(0), first, e.index(1), values);
      {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(loop.getBody());
        Value other = rowOf(loop.getInductionVar());
        Value x = emitLoad(b, loc, target, other, column, 0, rhs.compute);
        SmallVector<Value> next;
        for (auto [row, value] : llvm::zip_equal(rows, loop.getRegionIterArgs())) {
          next.push_back(eliminate(value, row, other, x));
        }
        scf::YieldOp::create(b, loc, next);
      }
      values.assign(loop.getResults().begin(), loop.getResults().end());
      for (int64_t i = 0; i < size; ++i) {
        for (int64_t j = 0; j < i; ++j) {
          values[i] = eliminate(values[i], rows[i], rows[j], values[j]);
        }
      }
      for (auto [row, value] : llvm::zip_equal(rows, values)) {
        emitStore(b, loc, target, row, column, value);
      }
    };
    e.forEach(e.lane, e.lanes, rhs.columns, [&](Value column) {
      if (full) {
        e.forEach(e.index(0), kBlock, full, [&](Value first) { solveBlock(column, first, kBlock); });
      }
      if (full < rhs.rows) {
        solveBlock(column, e.index(full), rhs.rows - full);
      }
    });
  }

  void emit(tile::TransposeOp op) {
    Matrix x = getMatrix(context, op.getX());
    SmallVector<Emitter::Store> later;
    e.copyPoints(
        x.rows, x.columns, [&](Value row, Value column) { return load(x, row, column); },
        [&](Value row, Value column, Value value) { emitStore(b, loc, target, column, row, value); }, later);
    llvm::for_each(later, [](Emitter::Store &store) { store(); });
  }

  void emit(tile::InsertOp op) {
    if (!isTile(op.getPart())) {
      Value part = context.getScalar(op.getPart());
      e.ifFirst([&] { emitStore(b, loc, target, Value(), Value(), part); });
      return;
    }
    ArrayRef<int64_t> shape = tile::getTileShape(op.getPart().getType());
    emitCopy(e, context.getMemory(op.getPart()), target, shape.size() == 2 ? shape[0] : 1, shape.back(),
             getElementTypeOrSelf(op.getType()));
  }

private:
  Value load(const Matrix &x, Value row, Value column) { return emitLoad(b, loc, x.memory, row, column, 0, x.compute); }

  Emitter &e;
  OpBuilder &b;
  Location loc;
  Context &context;
  Memory target;
};

} // namespace

void lanes::emitProgram(Emitter &e, Operation *op, Context &context, const Memory &target) {
  ProgramEmitter emitter(e, context, target);
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](tile::DotOp dot) { emitDot(e, dot, context, target); })
      .Case<tile::CumsumOp, tile::ScanOp, tile::SolveUnitLowerOp, tile::TransposeOp, tile::InsertOp>(
          [&](auto program) { emitter.emit(program); });
}

void lanes::emitCopy(Emitter &e, const Memory &from, const Memory &to, int64_t rows, int64_t columns, Type compute,
                     SmallVectorImpl<Emitter::Store> &later) {
  e.copyPoints(
      rows, columns, [&](Value row, Value column) { return emitLoad(e.b, e.loc, from, row, column, 0, compute); },
      [&e, to](Value row, Value column, Value value) { emitStore(e.b, e.loc, to, row, column, value); }, later);
}

/// Between memory of lanes and other memory, or the other way round.
static void emitOwnCopy(Emitter &e, const Memory &from, const Memory &to, int64_t rows, int64_t columns, Type compute) {
  Emitter::Deal dealt = e.deal(rows, columns, e.lanes);
  if (rows < dealt.rows) { // a vector, of which several lanes have each element
    return e.ifTrue(arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::ult, e.lane, e.index(columns)), [&] {
      Value value = emitLoad(e.b, e.loc, from, Value(), from.ofLane ? Value() : e.lane, 0, compute);
      emitStore(e.b, e.loc, to, Value(), to.ofLane ? Value() : e.lane, value);
    });
  }
  for (int64_t i = 0; i < rows / dealt.rows; ++i) {
    Value row = e.ownRow(dealt, rows, i);
    auto at = [&](const Memory &memory) {
      return memory.ofLane ? std::pair(Value(), e.index(i)) : std::pair(row, dealt.column);
    };
    Value value = emitLoad(e.b, e.loc, from, at(from).first, at(from).second, 0, compute);
    emitStore(e.b, e.loc, to, at(to).first, at(to).second, value);
  }
}

void lanes::emitCopy(Emitter &e, const Memory &from, const Memory &to, int64_t rows, int64_t columns, Type compute) {
  if (from.ofLane || to.ofLane) {
    return emitOwnCopy(e, from, to, rows, columns, compute);
  }
  SmallVector<Emitter::Store> later;
  emitCopy(e, from, to, rows, columns, compute, later);
  llvm::for_each(later, [](Emitter::Store &store) { store(); });
}
