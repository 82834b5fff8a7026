// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/RegisterBlocks/Nest.h"
#include "lowering/TilePrograms/Points.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::blocks;
using namespace rwkv::programs;

/// A loop of constant bounds and what it carries; one iteration needs none.
static SmallVector<Value> emitLoop(OpBuilder &b, Location loc, int64_t size, int64_t step, ValueRange init,
                                   function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  if (size <= step) {
    return body(constantIndex(b, loc, 0), init);
  }
  auto loop = scf::ForOp::create(b, loc, constantIndex(b, loc, 0), constantIndex(b, loc, size),
                                 constantIndex(b, loc, step), init);
  OpBuilder::InsertionGuard guard(b);
  // scf.for without results comes with a terminator.
  if (!loop.getBody()->empty()) {
    loop.getBody()->back().erase();
  }
  b.setInsertionPointToEnd(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(loop.getResults());
}

void blocks::forEach(OpBuilder &b, Location loc, int64_t size, int64_t step, function_ref<void(Value)> body) {
  emitLoop(b, loc, size, step, {}, [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

namespace {

class NestEmitter : NestPoints {
public:
  NestEmitter(OpBuilder &builder, Location loc, const Machine &machine, const Plan &plan, const Nest &nest,
              unsigned nestIndex, Context &context)
      : NestPoints(builder, loc, plan, nest, nestIndex, context), machine(machine) {}

  void run() {
    lanes = machine.vectorBits / 32;
    for (unsigned root : nest.roots) { // masks have as many lanes as the numbers that they are about
      if (getElementTypeOrSelf(plan.roots[root].value.getType()).isF64()) {
        lanes = machine.vectorBits / 64;
      }
    }
    for (unsigned root : nest.roots) {
      prepare(plan.roots[root].value);
      targets[root] = isScalarReduction(plan.roots[root]) ? Memory() : context.getTarget(plan.roots[root]);
    }
    if (nest.order == Order::columnsOutside) {
      emitColumnsOutside();
    } else {
      emitRowsOutside();
    }
  }

private:
  SmallVector<unsigned> reductions() {
    SmallVector<unsigned> result;
    for (unsigned root : nest.roots) {
      if (plan.roots[root].kind == Root::Kind::reduce) {
        result.push_back(root);
      }
    }
    return result;
  }

  /// The elements of a vector combined into one.
  Value horizontal(unsigned root, Value vector) {
    bool isMax = reduceOf(root).getKind() == tile::ReduceKind::max;
    auto reassociate = arith::FastMathFlags::reassoc;
    return vector::ReductionOp::create(b, loc, isMax ? vector::CombiningKind::MAXIMUMF : vector::CombiningKind::ADD,
                                       vector, isMax ? arith::FastMathFlags::none : reassociate);
  }

  // ---- roots at a point

  /// Evaluates all roots, then writes: a tile may be read and written at the same point.
  void emitPoint(const Point &point, function_ref<void(unsigned, Value)> accumulate) {
    SmallVector<std::pair<unsigned, Value>> stores;
    for (unsigned root : nest.roots) {
      const Root &r = plan.roots[root];
      if (r.kind == Root::Kind::tile && !r.stored) {
        continue;
      }
      Value value = toVector(evaluate(r.value, domainAxes(), point), point.width);
      if (r.kind == Root::Kind::reduce) {
        accumulate(root, value);
      } else {
        stores.push_back({root, value});
      }
    }
    for (auto [root, value] : stores) {
      emitStore(b, loc, targets[root], hasRows ? point.row : Value(), point.column, value);
    }
  }

  // Rows outside, or no rows: reductions run along the columns.
  void emitRowsOutside() {
    auto saved = memo;
    hoist(0, Point());
    forEach(b, loc, hasRows ? rows : 1, 1, [&](Value row) {
      auto outer = memo;
      Point point;
      point.row = hasRows ? row : Value();
      if (hasRows) {
        hoist(kRowBit, point);
      }
      emitColumns(point);
      memo = outer;
    });
    memo = saved;
  }

  /// One row: full vectors, several at a time in a loop if there are many, then what is left.
  void emitColumns(Point point) {
    SmallVector<unsigned> sums = reductions();
    SmallVector<Slot> slots = splitRow(columns, lanes);
    int64_t full = columns / lanes;
    // Several accumulators hide the latency of a sum.
    int64_t unroll = sums.empty() ? 2 : 4;
    int64_t looped = full > 2 * unroll ? full / unroll * unroll : 0;

    SmallVector<SmallVector<Value>> partial(sums.size()); // vectors of any width, to be combined at the end
    if (looped) {
      SmallVector<Value> init;
      for (unsigned root : sums) {
        for (int64_t i = 0; i < unroll; ++i) {
          init.push_back(neutral(root, lanes));
        }
      }
      SmallVector<Value> results =
          emitLoop(b, loc, looped * lanes, unroll * lanes, init, [&](Value start, ValueRange accumulators) {
            SmallVector<Value> next(accumulators);
            for (int64_t i = 0; i < unroll; ++i) {
              auto outer = memo;
              point.column = addIndex(b, loc, start, i * lanes);
              point.width = lanes;
              emitPoint(point, [&](unsigned root, Value value) {
                Value &accumulator = next[(llvm::find(sums, root) - sums.begin()) * unroll + i];
                accumulator = combine(root, accumulator, value);
              });
              memo = outer;
            }
            return next;
          });
      for (size_t k = 0; k < sums.size(); ++k) {
        llvm::append_range(partial[k], ArrayRef(results).slice(k * unroll, unroll));
      }
    }
    for (const Slot &slot : ArrayRef(slots).drop_front(looped)) {
      auto outer = memo;
      point.column = constantIndex(b, loc, slot.offset);
      point.width = slot.width;
      emitPoint(point,
                [&](unsigned root, Value value) { partial[llvm::find(sums, root) - sums.begin()].push_back(value); });
      memo = outer;
    }
    for (auto [k, root] : llvm::enumerate(sums)) {
      finishRow(root, partial[k], point);
    }
  }

  void finishRow(unsigned root, SmallVectorImpl<Value> &partial, const Point &point) {
    // Vectors of one width are added first, pairwise; the rest as scalars.
    Value total;
    for (size_t i = 0; i < partial.size();) {
      size_t end = i;
      while (end < partial.size() && partial[end].getType() == partial[i].getType()) {
        ++end;
      }
      SmallVector<Value> same(ArrayRef<Value>(partial).slice(i, end - i));
      while (same.size() > 1) {
        for (size_t j = 0; j < same.size() / 2; ++j) {
          same[j] = combine(root, same[j], same[same.size() - 1 - j]);
        }
        same.resize((same.size() + 1) / 2);
      }
      Value part = horizontal(root, same.front());
      total = total ? combine(root, total, part) : part;
      i = end;
    }
    if (isScalarReduction(plan.roots[root])) {
      context.setScalar(reduceOf(root).getResult(), total);
    } else {
      emitStore(b, loc, targets[root], Value(), point.row, total);
    }
  }

  // Columns outside: reductions run along the rows, a block of columns stays in registers.
  void emitColumnsOutside() {
    SmallVector<unsigned> sums = reductions();
    SmallVector<Slot> slots = splitRow(columns, lanes);
    int64_t block = chooseBlock(sums.size(), slots.size());
    auto saved = memo;
    hoist(0, Point());
    int64_t full = columns / lanes, looped = full > 2 * block ? full / block * block : 0;
    if (looped) {
      forEach(b, loc, looped * lanes, block * lanes, [&](Value start) {
        SmallVector<Point> points;
        for (int64_t i = 0; i < block; ++i) {
          points.push_back({Value(), addIndex(b, loc, start, i * lanes), lanes});
        }
        emitColumnBlock(points, sums);
      });
    }
    for (size_t i = looped; i < slots.size(); i += block) {
      SmallVector<Point> points;
      for (size_t j = i; j < std::min<size_t>(slots.size(), i + block); ++j) {
        points.push_back({Value(), constantIndex(b, loc, slots[j].offset), slots[j].width});
      }
      emitColumnBlock(points, sums);
    }
    memo = saved;
  }

  /// Vectors per row that stay in registers: accumulators, what does not change from row to row, two temporaries each,
  /// and a few registers for what is repeated along the row. Blocks of equal size rather than a full and a nearly empty
  /// one.
  int64_t chooseBlock(int64_t sums, int64_t vectors) {
    llvm::SmallDenseSet<std::pair<Value, unsigned>> invariant, seen;
    for (unsigned root : nest.roots) {
      countInvariants(plan.roots[root].value, domainAxes(), invariant, seen);
    }
    constexpr int64_t kTemporaries = 2, kRepeated = 4;
    int64_t each = sums + static_cast<int64_t>(invariant.size()) + kTemporaries;
    int64_t limit = std::max<int64_t>(1, (machine.registers - kRepeated) / each);
    int64_t blocks = (vectors + limit - 1) / limit;
    return (vectors + blocks - 1) / blocks;
  }

  /// Vectors along the columns that are loaded or computed once per block.
  void countInvariants(Value v, unsigned axes, llvm::SmallDenseSet<std::pair<Value, unsigned>> &invariant,
                       llvm::SmallDenseSet<std::pair<Value, unsigned>> &seen) {
    if (!isTile(v) || !seen.insert({v, axes}).second) {
      return;
    }
    if (dependence(v, axes) == kColumnBit) {
      invariant.insert({v, axes});
      return;
    }
    if (isMemory(v)) {
      return;
    }
    Operation *op = v.getDefiningOp();
    auto broadcast = dyn_cast<tile::BroadcastOp>(op);
    for (Value operand : op->getOperands()) {
      countInvariants(operand, broadcast ? broadcastAxes(broadcast, axes, tile::getTileShape(v.getType())) : axes,
                      invariant, seen);
    }
  }

  void emitColumnBlock(ArrayRef<Point> points, ArrayRef<unsigned> sums) {
    auto outer = memo;
    SmallVector<decltype(memo)> perPoint;
    for (const Point &point : points) {
      memo = outer;
      hoist(kColumnBit, point);
      perPoint.push_back(memo);
    }
    // Few columns: more rows at a time, with sums of their own, keep the units busy.
    int64_t unroll = points.size() * sums.size() >= 4 || rows % 4 ? 1 : (points.size() * sums.size() >= 2 ? 2 : 4);
    SmallVector<Value> init;
    for (unsigned root : sums) {
      for (const Point &point : points) {
        for (int64_t u = 0; u < unroll; ++u) {
          init.push_back(neutral(root, point.width));
        }
      }
    }
    SmallVector<Value> results = emitLoop(b, loc, rows, unroll, init, [&](Value firstRow, ValueRange accumulators) {
      SmallVector<Value> next(accumulators);
      for (int64_t u = 0; u < unroll; ++u) {
        Point rowPoint;
        rowPoint.row = addIndex(b, loc, firstRow, u);
        memo = outer;
        hoist(kRowBit, rowPoint);
        auto rowMemo = memo;
        for (auto [i, point] : llvm::enumerate(points)) {
          memo = perPoint[i];
          for (auto &entry : rowMemo) {
            memo.insert(entry);
          }
          Point full = point;
          full.row = rowPoint.row;
          size_t position = i;
          emitPoint(full, [&](unsigned root, Value value) {
            size_t k = llvm::find(sums, root) - sums.begin();
            Value &accumulator = next[(k * points.size() + position) * unroll + u];
            accumulator = combine(root, accumulator, value);
          });
        }
      }
      return next;
    });
    memo = outer;
    for (auto [k, root] : llvm::enumerate(sums)) {
      for (auto [i, point] : llvm::enumerate(points)) {
        size_t first = (k * points.size() + i) * unroll;
        Value total = results[first];
        for (int64_t u = 1; u < unroll; ++u) {
          total = combine(root, total, results[first + u]);
        }
        emitStore(b, loc, targets[root], Value(), point.column, total);
      }
    }
  }

  const Machine &machine;
  int64_t lanes = 1;
  llvm::DenseMap<unsigned, Memory> targets;
};

} // namespace

void blocks::emitNest(OpBuilder &builder, Location loc, const Machine &machine, const Plan &plan, const Nest &nest,
                      unsigned nestIndex, Context &context) {
  NestEmitter(builder, loc, machine, plan, nest, nestIndex, context).run();
}
