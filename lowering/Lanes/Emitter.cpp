// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Lanes/Lanes.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;

Value Emitter::mul(Value x, int64_t y) { return arith::MulIOp::create(b, loc, x, index(y)); }

Value Emitter::laneModulo(int64_t size) {
  return size == lanes ? lane : arith::AndIOp::create(b, loc, lane, index(size - 1)).getResult();
}

Value Emitter::laneDivided(int64_t size) {
  return size == lanes ? index(0) : arith::ShRUIOp::create(b, loc, lane, index(llvm::Log2_64(size))).getResult();
}

Value Emitter::hidden(Value index) {
  Value number = arith::IndexCastOp::create(b, loc, b.getI32Type(), index);
  return arith::IndexCastOp::create(b, loc, index.getType(), hooks.emitHidden(b, loc, number));
}

void Emitter::barrier() {
  hooks.emitBarrier(b, loc);
  barriers.push_back(&*std::prev(b.getInsertionPoint()));
}

Value lanes::convertStored(OpBuilder &b, Location loc, const Hooks &hooks, Value value, Type element) {
  bool rounds = element.isBF16() && value.getType().isF32() && hooks.roundsToBF16();
  return rounds ? arith::TruncFOp::create(b, loc, element, value).getResult()
                : programs::convertStored(b, loc, value, element);
}

void Emitter::store(const Memory &memory, Value row, Value column, Value value) {
  programs::emitStore(b, loc, memory, row, column, convertStored(b, loc, hooks, value, memory.element));
}

SmallVector<Value> Emitter::carry(Value first, int64_t step, int64_t size, ValueRange init, CarryBody body) {
  if (step >= size) {
    if (step == size) { // every lane has one
      return body(first, init);
    }
    Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, first, index(size));
    auto branch = scf::IfOp::create(b, loc, init.getTypes(), inside, /*withElseRegion=*/!init.empty());
    OpBuilder::InsertionGuard guard(b);
    auto fill = [&](Block &block, function_ref<SmallVector<Value>()> make) {
      if (!block.empty()) {
        block.back().erase();
      }
      b.setInsertionPointToEnd(&block);
      scf::YieldOp::create(b, loc, make());
    };
    fill(branch.getThenRegion().front(), [&] { return body(first, init); });
    if (!init.empty()) {
      fill(branch.getElseRegion().front(), [&] { return SmallVector<Value>(init); });
    }
    return SmallVector<Value>(branch.getResults());
  }
  // A constant number of iterations where there is one: such loops can be unrolled.
  bool even = size % step == 0;
  auto loop = scf::ForOp::create(b, loc, even ? index(0) : first, index(size), index(step), init);
  OpBuilder::InsertionGuard guard(b);
  if (!loop.getBody()->empty()) {
    loop.getBody()->back().erase();
  }
  b.setInsertionPointToEnd(loop.getBody());
  Value i = loop.getInductionVar();
  SmallVector<Value> next = body(even ? add(i, first) : i, loop.getRegionIterArgs());
  scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(loop.getResults());
}

void Emitter::forEach(Value first, int64_t step, int64_t size, Body body) {
  carry(first, step, size, {}, [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

void Emitter::ifTrue(Value condition, function_ref<void()> body) {
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  body();
}

void Emitter::ifFirst(function_ref<void()> body) {
  ifTrue(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, lane, index(0)), body);
}

Emitter::Deal Emitter::deal(int64_t rows, int64_t columns, int64_t most) {
  Deal result;
  result.columns = std::min<int64_t>(llvm::PowerOf2Ceil(columns), most);
  result.rows = lanes / result.columns;
  result.column = laneModulo(result.columns);
  result.row = laneDivided(result.columns);
  return result;
}

Value Emitter::ownRow(const Deal &dealt, int64_t rows, int64_t i) {
  constexpr int64_t kFewColumns = 8; // 32 bytes of f32
  if (dealt.columns < kFewColumns) {
    return programs::addIndex(b, loc, dealt.row, i * dealt.rows);
  }
  return programs::addIndex(b, loc, mul(dealt.row, rows / dealt.rows), i);
}

void Emitter::forEachPoint(int64_t rows, int64_t columns, function_ref<void(Value, Value)> body) {
  Deal dealt = deal(rows, columns, lanes);
  forEach(dealt.column, dealt.columns, columns,
          [&](Value column) { forEach(dealt.row, dealt.rows, rows, [&](Value row) { body(row, column); }); });
}

int64_t Emitter::getUnroll(int64_t count, int64_t most) {
  int64_t unroll = std::min(count, most);
  while (count % unroll != 0) {
    --unroll;
  }
  return unroll;
}

void Emitter::copyPoints(int64_t rows, int64_t columns, Load load, std::function<void(Value, Value, Value)> store,
                         SmallVectorImpl<Store> &later) {
  Deal dealt = deal(rows, columns, lanes);
  bool straight = columns == dealt.columns && rows % dealt.rows == 0;
  int64_t count = straight ? rows / dealt.rows : 0, unroll = straight ? getUnroll(count) : 1;
  if (straight && unroll == count) { // no loop: others may be loaded before this is stored
    for (int64_t i = 0; i < count; ++i) {
      Value row = programs::addIndex(b, loc, dealt.row, i * dealt.rows), column = dealt.column;
      Value value = load(row, column);
      later.push_back([=] { store(row, column, value); });
    }
    return;
  }
  forEach(dealt.column, dealt.columns, columns, [&](Value column) {
    forEach(dealt.row, dealt.rows * unroll, rows, [&](Value first) {
      SmallVector<std::pair<Value, Value>> loaded;
      for (int64_t i = 0; i < unroll; ++i) {
        Value row = programs::addIndex(b, loc, first, i * dealt.rows);
        loaded.push_back({row, load(row, column)});
      }
      for (auto [row, value] : loaded) {
        store(row, column, value);
      }
    });
  });
}
