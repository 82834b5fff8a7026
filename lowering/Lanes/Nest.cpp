// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One nest: points are dealt out to lanes, sums stay in registers and are combined between lanes.
#include "lowering/Lanes/Lanes.h"
#include "lowering/TilePrograms/Points.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;

namespace {

class NestEmitter : NestPoints {
public:
  NestEmitter(Emitter &e, const Plan &plan, const Nest &nest, unsigned nestIndex, Context &context,
              function_ref<Memory(int64_t, Type)> allocate, function_ref<void()> ready)
      : NestPoints(e.b, e.loc, plan, nest, nestIndex, context), e(e), allocate(allocate), ready(ready) {}

  void run() {
    for (unsigned root : nest.roots) {
      const Root &r = plan.roots[root];
      prepare(r.value);
      targets[root] = isScalarReduction(r) ? Memory() : context.getTarget(r);
      if (r.kind == Root::Kind::reduce) {
        sums.push_back(root);
      }
    }
    ready();
    if (sums.empty()) {
      emitWithoutSums();
    } else if (nest.order == Order::columnsOutside) {
      emitColumnSums();
    } else if (hasRows) {
      emitRowSums();
    } else {
      emitTotal();
    }
  }

private:
  /// `body` with what it evaluates forgotten afterwards: other points need other values.
  template <typename Body> auto scoped(Body body) {
    auto saved = memo;
    auto result = body();
    memo = std::move(saved);
    return result;
  }

  // ---- sums

  SmallVector<Value> neutrals() {
    return llvm::map_to_vector(sums, [&](unsigned root) { return neutral(root, 0); });
  }

  /// Evaluates all roots at some points, then writes, if `mine` (null: always): a tile may be read and written at the
  /// same point, and no point waits for another.
  SmallVector<Value> emitPoints(ArrayRef<Point> points, ValueRange partial, Value mine = {}) {
    SmallVector<Value> next(partial);
    SmallVector<std::tuple<unsigned, Point, Value>> stores;
    for (const Point &point : points) {
      auto saved = memo;
      for (unsigned root : nest.roots) {
        const Root &r = plan.roots[root];
        if (r.kind == Root::Kind::tile && !r.stored) {
          continue;
        }
        Value value = evaluate(r.value, domainAxes(), point);
        if (r.kind == Root::Kind::reduce) {
          Value &sum = next[llvm::find(sums, root) - sums.begin()];
          sum = combine(root, sum, value);
        } else {
          stores.push_back({root, point, value});
        }
      }
      memo = std::move(saved);
    }
    if (mine && !hasRows && overwritesRead()) { // some lanes only read
      e.barrier();
    }
    auto store = [&](bool own) {
      for (auto &[root, point, value] : stores) {
        if (targets[root].ofLane == own) {
          Value column = own ? (hasRows ? point.own : Value()) : point.column;
          e.store(targets[root], hasRows && !own ? point.row : Value(), column, value);
        }
      }
    };
    store(/*own=*/true);
    bool isShared = llvm::any_of(stores, [&](auto &entry) { return !targets[std::get<0>(entry)].ofLane; });
    if (mine && isShared) {
      e.ifTrue(mine, [&] { store(/*own=*/false); });
    } else {
      store(/*own=*/false);
    }
    return next;
  }

  /// Whether the nest writes what it reads.
  bool overwritesRead() {
    return llvm::any_of(targets, [&](auto &entry) {
      return entry.second.pointer && !entry.second.ofLane && readsFrom(entry.second.pointer);
    });
  }

  /// Whether lanes keep what the nest makes, points of a vector.
  bool makesOwnVectors() {
    return !hasRows && llvm::any_of(nest.roots, [&](unsigned root) { return targets[root].ofLane; });
  }

  // ---- without sums, or sums along the rows: every lane keeps a column

  /// Sums over the rows that this lane has of one column.
  SmallVector<Value> emitColumn(const Emitter::Deal &dealt, Value column) {
    return scoped([&] {
      Point point{Value(), column};
      if (rows >= dealt.rows) { // else some lanes have no row: what they read, others may be writing
        hoist(kColumnBit, point);
      }
      int64_t count = rows / dealt.rows;
      bool own = hasRows && (readsOwn() || llvm::any_of(nest.roots, [&](unsigned root) {
                               return plan.roots[root].kind != Root::Kind::reduce && targets[root].ofLane;
                             }));
      int64_t unroll = rows % dealt.rows == 0 ? Emitter::getUnroll(count, own ? count : Emitter::kSideBySide) : 1;
      return e.carry(dealt.row, dealt.rows * unroll, rows, neutrals(), [&](Value first, ValueRange partial) {
        SmallVector<Point> points;
        for (int64_t i = 0; i < unroll; ++i) {
          if (own) { // all of them at once
            points.push_back({e.ownRow(dealt, rows, i), column, 0, e.index(i)});
          } else {
            points.push_back({addIndex(b, loc, first, i * dealt.rows), column});
          }
        }
        return emitPoints(points, partial);
      });
    });
  }

  void emitWithoutSums() {
    scoped([&] {
      hoist(0, Point());
      Emitter::Deal dealt = e.deal(rows, columns, e.lanes);
      if (dealt.rows > 1 && makesOwnVectors()) { // all lanes of a column have them, and one of them writes for all
        Value mine = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, dealt.row, e.index(0));
        emitPoints(Point{Value(), dealt.column}, {}, mine);
        return 0;
      }
      e.forEach(dealt.column, dealt.columns, columns, [&](Value column) { emitColumn(dealt, column); });
      return 0;
    });
  }

  void emitColumnSums() {
    scoped([&] {
      hoist(0, Point());
      Emitter::Deal dealt = e.deal(rows, columns, e.lanes);
      if (dealt.rows == 1) {
        e.forEach(dealt.column, dealt.columns, columns,
                  [&](Value column) { storeSums(column, emitColumn(dealt, column)); });
        return 0;
      }
      // Lanes of the same column add up what they have in a warp, then meet in shared memory.
      int64_t warp = std::min(e.lanes, e.hooks.getWarp());
      bool together = columns == dealt.columns && columns < warp;
      int64_t meeting = together ? e.lanes / warp : dealt.rows;
      SmallVector<Memory> partial;
      for (unsigned root : sums) {
        partial.push_back(allocate(meeting * columns, getElementTypeOrSelf(reduceOf(root).getX().getType())));
        partial.back().stride = columns;
      }
      auto meet = [&](Value row, Value column, ValueRange values) {
        for (auto [memory, value] : llvm::zip_equal(partial, values)) {
          emitStore(b, loc, memory, row, column, value);
        }
      };
      e.forEach(dealt.column, dealt.columns, columns, [&](Value column) {
        SmallVector<Value> values = emitColumn(dealt, column);
        if (!together) {
          meet(dealt.row, column, values);
          return;
        }
        for (auto [root, value] : llvm::zip_equal(sums, values)) {
          value = combineLanes(root, value, columns, warp);
        }
        Value inWarp = e.laneModulo(warp);
        Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, inWarp, e.index(columns));
        e.ifTrue(isFirst, [&] { meet(e.laneDivided(warp), column, values); });
      });
      e.barrier();
      auto storeTotals = [&](Value column, bool own) {
        for (auto [root, memory] : llvm::zip_equal(sums, partial)) {
          if (targets[root].ofLane != own) {
            continue;
          }
          Value total;
          for (int64_t i = 0; i < meeting; ++i) {
            Value part = emitLoad(b, loc, memory, e.index(i), column, 0, memory.element);
            total = total ? combine(root, total, part) : part;
          }
          storeSum(root, column, total);
        }
      };
      auto isOwn = [&](unsigned root) { return targets[root].ofLane; };
      if (llvm::any_of(sums, isOwn)) {
        storeTotals(dealt.column, /*own=*/true);
      }
      if (!llvm::all_of(sums, isOwn)) {
        e.forEach(e.lane, e.lanes, columns, [&](Value column) { storeTotals(column, /*own=*/false); });
      }
      return 0;
    });
  }

  void storeSums(Value position, ValueRange totals) {
    for (auto [root, total] : llvm::zip_equal(sums, totals)) {
      storeSum(root, position, total);
    }
  }

  void storeSum(unsigned root, Value position, Value total) {
    e.store(targets[root], Value(), targets[root].ofLane ? Value() : position, total);
  }

  // ---- sums along the columns: lanes of a warp share a row

  /// Of lanes whose numbers differ by multiples of `first`, `count` lanes being a whole.
  Value combineLanes(unsigned root, Value value, int64_t first, int64_t count) {
    for (int64_t mask = first; mask < count; mask *= 2) {
      value = combine(root, value, shuffle(value, mask));
    }
    return value;
  }

  Value shuffle(Value value, int64_t mask) {
    if (!value.getType().isF64()) {
      return e.hooks.emitShuffle(b, loc, value, mask);
    }
    Type i32 = b.getI32Type(), i64 = b.getI64Type();
    Value bits = arith::BitcastOp::create(b, loc, i64, value);
    Value high = arith::ShRUIOp::create(b, loc, bits, arith::ConstantIntOp::create(b, loc, i64, 32));
    Value halves[2] = {arith::TruncIOp::create(b, loc, i32, bits), arith::TruncIOp::create(b, loc, i32, high)};
    for (Value &half : halves) {
      half = arith::ExtUIOp::create(b, loc, i64, e.hooks.emitShuffle(b, loc, half, mask));
    }
    high = arith::ShLIOp::create(b, loc, halves[1], arith::ConstantIntOp::create(b, loc, i64, 32));
    return arith::BitcastOp::create(b, loc, value.getType(), arith::OrIOp::create(b, loc, halves[0], high));
  }

  void emitRowSums() {
    scoped([&] {
      hoist(0, Point());
      Emitter::Deal dealt = e.deal(rows, columns, std::min(e.lanes, e.hooks.getWarp()));
      int64_t rounds = llvm::divideCeil(rows, dealt.rows);
      // All lanes of a warp take part in every round: those without a row repeat the last one and store nothing.
      e.forEach(e.index(0), 1, rounds, [&](Value round) {
        Value row = e.add(e.mul(round, dealt.rows), dealt.row), mine;
        if (rows % dealt.rows != 0) {
          mine = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, row, e.index(rows));
          row = arith::MinUIOp::create(b, loc, row, e.index(rows - 1));
        }
        SmallVector<Value> partial = scoped([&] {
          hoist(kRowBit, {row, Value()});
          int64_t unroll = columns % dealt.columns == 0 ? Emitter::getUnroll(columns / dealt.columns) : 1;
          return e.carry(dealt.column, dealt.columns * unroll, columns, neutrals(),
                         [&](Value first, ValueRange before) {
                           SmallVector<Point> points;
                           for (int64_t i = 0; i < unroll; ++i) {
                             points.push_back({row, addIndex(b, loc, first, i * dealt.columns)});
                           }
                           return emitPoints(points, before, mine);
                         });
        });
        for (auto [root, value] : llvm::zip_equal(sums, partial)) {
          value = combineLanes(root, value, 1, dealt.columns);
        }
        Value first = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, dealt.column, e.index(0));
        first = mine ? arith::AndIOp::create(b, loc, first, mine).getResult() : first;
        e.ifTrue(first, [&] { storeSums(row, partial); });
      });
      return 0;
    });
  }

  // ---- one sum of everything

  void emitTotal() {
    scoped([&] {
      hoist(0, Point());
      int64_t warp = std::min(e.lanes, e.hooks.getWarp()), warps = e.lanes / warp;
      SmallVector<Value> partial;
      if (columns < e.lanes && makesOwnVectors()) { // all lanes of a column have them, one of them counts
        Value mine = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, e.lane, e.index(columns));
        SmallVector<Value> none = neutrals();
        partial = emitPoints(Point{Value(), e.laneModulo(columns)}, none, mine);
        for (auto [value, instead] : llvm::zip_equal(partial, none)) {
          value = arith::SelectOp::create(b, loc, mine, value, instead);
        }
      } else {
        partial = e.carry(e.lane, e.lanes, columns, neutrals(),
                          [&](Value column, ValueRange before) { return emitPoints(Point{Value(), column}, before); });
      }
      SmallVector<std::pair<unsigned, Value *>> whole; // a lane need not know what others flag
      for (auto [root, value] : llvm::zip_equal(sums, partial)) {
        if (!isOnlyFlagged(reduceOf(root))) {
          value = combineLanes(root, value, 1, warp);
          whole.push_back({root, &value});
        }
      }
      if (warps > 1 && !whole.empty()) {
        Value number = e.laneDivided(warp);
        SmallVector<Memory> memory;
        for (auto [root, value] : whole) {
          memory.push_back(allocate(warps, value->getType()));
          Value first = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, e.laneModulo(warp), e.index(0));
          e.ifTrue(first, [&, value = value] { emitStore(b, loc, memory.back(), Value(), number, *value); });
        }
        e.barrier();
        for (auto [k, sum] : llvm::enumerate(whole)) {
          Value total;
          for (int64_t i = 0; i < warps; ++i) {
            Value part = emitLoad(b, loc, memory[k], Value(), e.index(i), 0, memory[k].element);
            total = total ? combine(sum.first, total, part) : part;
          }
          *sum.second = total;
        }
      }
      for (auto [root, value] : llvm::zip_equal(sums, partial)) {
        context.setScalar(reduceOf(root).getResult(), value);
      }
      return 0;
    });
  }

  Emitter &e;
  function_ref<Memory(int64_t, Type)> allocate;
  function_ref<void()> ready;
  SmallVector<unsigned> sums;
  llvm::DenseMap<unsigned, Memory> targets;
};

} // namespace

void lanes::emitNest(Emitter &e, const Plan &plan, const Nest &nest, unsigned index, Context &context,
                     function_ref<Memory(int64_t, Type)> allocate, function_ref<void()> ready) {
  NestEmitter(e, plan, nest, index, context, allocate, ready).run();
}
