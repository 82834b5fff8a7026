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
    Matrix x = matrixOf(op.getX());
    Memory out = withStride(target, x);
    int64_t block = op.getBlocks();
    e.forEachPoint(x.rows / block, x.columns, [&](Value number, Value column) {
      Value first = e.mul(number, block);
      Value zero = arith::ConstantOp::create(b, loc, FloatAttr::get(x.compute, 0.0));
      e.carry(e.index(0), 1, block, zero, [&](Value i, ValueRange sum) {
        Value row = e.add(first, i);
        Value next = arith::AddFOp::create(b, loc, sum[0], load(x, row, column));
        emitStore(b, loc, out, row, column, op.getExclusive() ? Value(sum[0]) : next);
        return SmallVector<Value>{next};
      });
    });
  }

  void emit(tile::ScanOp op) {
    Matrix a = matrixOf(op.getA()), c = matrixOf(op.getB()), init = matrixOf(op.getInit());
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

  void emit(tile::SolveUnitLowerOp op) {
    Matrix lower = matrixOf(op.getLower()), rhs = matrixOf(op.getRhs());
    int64_t groups = op.getInterleave(), count = rhs.rows / groups;
    auto rowOf = [&](int64_t group, Value t) { return e.add(t, e.index(group * count)); };
    e.forEach(e.lane, e.lanes, rhs.columns, [&](Value column) {
      /// value - L[row, other] * X[other]
      auto eliminate = [&](Value value, Value row, Value other) -> Value {
        Value factor = arith::NegFOp::create(b, loc, load(lower, row, other));
        return math::FmaOp::create(b, loc, factor, emitLoad(b, loc, target, other, column, 0, rhs.compute), value);
      };
      e.forEach(e.index(0), 1, count, [&](Value t) {
        for (int64_t group = 0; group < groups; ++group) {
          Value row = rowOf(group, t);
          auto loop = scf::ForOp::create(b, loc, e.index(0), t, e.index(1), load(rhs, row, column));
          {
            OpBuilder::InsertionGuard guard(b);
            b.setInsertionPointToEnd(loop.getBody());
            Value next = loop.getRegionIterArg(0);
            for (int64_t other = 0; other < groups; ++other) {
              next = eliminate(next, row, rowOf(other, loop.getInductionVar()));
            }
            scf::YieldOp::create(b, loc, next);
          }
          Value value = loop.getResult(0);
          for (int64_t other = 0; other < group; ++other) {
            value = eliminate(value, row, rowOf(other, t));
          }
          emitStore(b, loc, target, row, column, value);
        }
      });
    });
  }

  void emit(tile::TransposeOp op) {
    Matrix x = matrixOf(op.getX());
    e.forEachPoint(x.rows, x.columns,
                   [&](Value row, Value column) { emitStore(b, loc, target, column, row, load(x, row, column)); });
  }

  void emit(tile::InsertOp op) {
    if (!isTile(op.getPart())) {
      Value part = context.getScalar(op.getPart());
      Value first = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, e.lane, e.index(0));
      e.ifTrue(first, [&] { emitStore(b, loc, target, Value(), Value(), part); });
      return;
    }
    ArrayRef<int64_t> shape = tile::getTileShape(op.getPart().getType());
    emitCopy(e, context.getMemory(op.getPart()), target, shape.size() == 2 ? shape[0] : 1, shape.back(),
             getElementTypeOrSelf(op.getType()));
  }

private:
  /// A tile in memory; a vector is a column of single elements.
  struct Matrix {
    Memory memory;
    int64_t rows, columns;
    Type compute;
    bool isVector;
  };

  Matrix matrixOf(Value tile) {
    ArrayRef<int64_t> shape = tile::getTileShape(tile.getType());
    Matrix result{context.getMemory(tile), shape[0], shape.size() == 2 ? shape[1] : 1,
                  getElementTypeOrSelf(tile.getType()), shape.size() == 1};
    result.memory = withStride(result.memory, result);
    return result;
  }

  static Memory withStride(Memory memory, const Matrix &matrix) {
    memory.stride = matrix.isVector ? 1 : memory.stride;
    return memory;
  }

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

void lanes::emitCopy(Emitter &e, const Memory &from, const Memory &to, int64_t rows, int64_t columns, Type compute) {
  e.forEachPoint(rows, columns, [&](Value row, Value column) {
    emitStore(e.b, e.loc, to, row, column, emitLoad(e.b, e.loc, from, row, column, 0, compute));
  });
}
