// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix products of register blocks. With [N, K] weights vectors run along K: every accumulator is a dot product of
// one row of each operand, several rows of the weight are streamed side by side. With [K, N] weights vectors run along
// N.
#include "lowering/RegisterBlocks/Nest.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::blocks;
using namespace rwkv::programs;

namespace {

class DotEmitter {
public:
  DotEmitter(OpBuilder &b, Location loc, const Machine &machine, tile::DotOp dot, Context &context, Memory target)
      : b(b), loc(loc), machine(machine), target(target) {
    ArrayRef<int64_t> result = tile::getTileShape(dot.getResult().getType());
    int64_t rows = dot.getBlocks().value_or(result[0]);
    m = divisor(rows, kRows);
    groups = result[0] / rows;
    groupRows = rows;
    lhsRows = tile::getTileShape(dot.getLhs().getType())[0];
    n = result[1];
    k = tile::getTileShape(dot.getLhs().getType())[1];
    compute = getElementTypeOrSelf(dot.getResult().getType());
    lanes = machine.lanes(compute);
    lhs = context.getMemory(dot.getLhs());
    rhs = context.getMemory(dot.getRhs());
    if (dot.getAcc()) {
      acc = context.getMemory(dot.getAcc());
    }
  }

  /// Rows of the left operand that are computed together.
  static constexpr int64_t kRows = 4;

  /// Calls `body` for every `m` rows of the result, with the operands that they need moved to row 0.
  void forEachRows(function_ref<void()> body) {
    Memory allLhs = lhs, allRhs = rhs, allAcc = acc, allTarget = target;
    forEach(b, loc, groups, 1, [&](Value group) {
      forEach(b, loc, groupRows, m, [&](Value row) {
        Value first = arith::AddIOp::create(b, loc, scaled(group, groupRows), row);
        Value lhsRow = first;
        if (lhsRows < groups * groupRows) {
          lhsRow = arith::RemUIOp::create(b, loc, first, index(lhsRows));
        }
        lhs = moveTo(allLhs, lhsRow);
        rhs = groups == 1 ? allRhs : moveTo(allRhs, scaled(group, groupRows));
        target = moveTo(allTarget, first);
        acc = allAcc.pointer ? moveTo(allAcc, first) : allAcc;
        body();
      });
    });
  }

  Value scaled(Value value, int64_t factor) { return arith::MulIOp::create(b, loc, value, index(factor)); }

  Memory moveTo(Memory memory, Value row) {
    memory.pointer = emitAddress(b, loc, memory, row, Value());
    return memory;
  }

  /// The largest divisor of `size` up to `limit`.
  static int64_t divisor(int64_t size, int64_t limit) {
    int64_t best = 1;
    for (int64_t candidate = 1; candidate <= std::min(size, limit); ++candidate) {
      best = size % candidate == 0 ? candidate : best;
    }
    return best;
  }

  Value index(int64_t value) { return constantIndex(b, loc, value); }

  Value zero(int64_t width) {
    TypedAttr attr = FloatAttr::get(compute, 0.0);
    return arith::ConstantOp::create(b, loc,
                                     DenseElementsAttr::get(VectorType::get({width}, compute), Attribute(attr)));
  }

  Value multiplyAdd(Value x, Value y, Value sum) { return math::FmaOp::create(b, loc, x, y, sum); }

  Value horizontal(Value vector) {
    return vector::ReductionOp::create(b, loc, vector::CombiningKind::ADD, vector, arith::FastMathFlags::reassoc);
  }

  // ---- [M, K] x [N, K]

  void emitAlongDepth() {
    // m * un accumulators, un rows of the weight and m of the input at a time.
    int64_t block = divisor(n, std::min<int64_t>(8, (machine.registers - 2 - m) / (m + 1)));
    forEach(b, loc, n, block, [&](Value first) { emitDotBlock(first, block); });
  }

  /// Adds the products of `width` elements from `depth` on to the accumulators.
  void accumulate(Value first, int64_t block, Value depth, int64_t width, MutableArrayRef<Value> sums) {
    SmallVector<Value> x;
    for (int64_t i = 0; i < m; ++i) {
      x.push_back(emitLoad(b, loc, lhs, index(i), depth, width, compute));
    }
    for (int64_t j = 0; j < block; ++j) {
      Value w = emitLoad(b, loc, rhs, addIndex(b, loc, first, j), depth, width, compute);
      for (int64_t i = 0; i < m; ++i) {
        Value &sum = sums[i * block + j];
        sum = sum ? multiplyAdd(x[i], w, sum) : arith::MulFOp::create(b, loc, x[i], w).getResult();
      }
    }
  }

  void emitDotBlock(Value first, int64_t block) {
    SmallVector<Value> totals(m * block);
    int64_t full = k / lanes * lanes;
    if (full > lanes) {
      SmallVector<Value> init(m * block, zero(lanes));
      auto loop = scf::ForOp::create(b, loc, index(0), index(full), index(lanes), init);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(loop.getBody());
      SmallVector<Value> sums(loop.getRegionIterArgs());
      accumulate(first, block, loop.getInductionVar(), lanes, sums);
      scf::YieldOp::create(b, loc, sums);
      b.setInsertionPointAfter(loop);
      for (auto [total, sum] : llvm::zip_equal(totals, loop.getResults())) {
        total = horizontal(sum);
      }
    }
    for (const Slot &slot : splitRow(k, lanes)) {
      if (full > lanes && slot.offset < full) {
        continue;
      }
      SmallVector<Value> sums(m * block);
      accumulate(first, block, index(slot.offset), slot.width, sums);
      for (auto [total, sum] : llvm::zip_equal(totals, sums)) {
        Value part = horizontal(sum);
        total = total ? arith::AddFOp::create(b, loc, total, part).getResult() : part;
      }
    }
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < block; ++j) {
        Value column = addIndex(b, loc, first, j), total = totals[i * block + j];
        if (acc.pointer) {
          total = arith::AddFOp::create(b, loc, total, emitLoad(b, loc, acc, index(i), column, 0, compute));
        }
        emitStore(b, loc, target, index(i), column, total);
      }
    }
  }

  // ---- [M, K] x [K, N]

  void emitAlongColumns() {
    SmallVector<Slot> slots = splitRow(n, lanes);
    int64_t block = std::max<int64_t>(1, std::min<int64_t>(8, (machine.registers - 3) / (m + 1)));
    for (size_t i = 0; i < slots.size(); i += block) {
      emitColumnBlock(ArrayRef(slots).slice(i, std::min<size_t>(block, slots.size() - i)));
    }
  }

  void emitColumnBlock(ArrayRef<Slot> slots) {
    SmallVector<Value> init;
    for (int64_t i = 0; i < m; ++i) {
      for (const Slot &slot : slots) {
        init.push_back(acc.pointer ? emitLoad(b, loc, acc, index(i), index(slot.offset), slot.width, compute)
                                   : zero(slot.width));
      }
    }
    auto loop = scf::ForOp::create(b, loc, index(0), index(k), index(1), init);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(loop.getBody());
      Value depth = loop.getInductionVar();
      SmallVector<Value> sums(loop.getRegionIterArgs()), w;
      for (const Slot &slot : slots) {
        w.push_back(emitLoad(b, loc, rhs, depth, index(slot.offset), slot.width, compute));
      }
      for (int64_t i = 0; i < m; ++i) {
        Value x = emitLoad(b, loc, lhs, index(i), depth, 0, compute);
        for (size_t j = 0; j < slots.size(); ++j) {
          Value repeated = vector::BroadcastOp::create(b, loc, w[j].getType(), x);
          Value &sum = sums[i * slots.size() + j];
          sum = multiplyAdd(repeated, w[j], sum);
        }
      }
      scf::YieldOp::create(b, loc, sums);
    }
    for (int64_t i = 0; i < m; ++i) {
      for (size_t j = 0; j < slots.size(); ++j) {
        emitStore(b, loc, target, index(i), index(slots[j].offset), loop.getResult(i * slots.size() + j));
      }
    }
  }

private:
  OpBuilder &b;
  Location loc;
  const Machine &machine;
  Memory target, lhs, rhs, acc = {};
  int64_t m, n, k, lanes, groups, groupRows, lhsRows;
  Type compute;
};

} // namespace

void blocks::emitDot(OpBuilder &builder, Location loc, const Machine &machine, tile::DotOp dot, Context &context,
                     Memory target) {
  DotEmitter emitter(builder, loc, machine, dot, context, target);
  emitter.forEachRows([&] { dot.getTransposed() ? emitter.emitAlongDepth() : emitter.emitAlongColumns(); });
}
