// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Lanes/Fetch.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;

/// Values of a lane that one load may have on their way.
static constexpr int64_t kMostValues = 8;

std::optional<Fetch> lanes::planFetch(const Emitter &e, tile::LoadOp load, bool isOwn) {
  if (!isTile(load.getResult())) {
    return Fetch{load, /*isOwn=*/true, 1, 0, 1};
  }
  ArrayRef<int64_t> shape = tile::getTileShape(load.getType());
  Fetch fetch{load, isOwn, shape.size() == 2 ? shape[0] : 1, shape.back(), 1};
  if (isOwn) {
    fetch.count = shape.size() == 2 ? fetch.rows * fetch.columns / e.lanes : 1;
    fetch.isPart = !llvm::isPowerOf2_64(fetch.columns); // a lane has a column, or none
    return fetch;
  }
  int64_t points = fetch.rows * fetch.columns;
  bool isWhole = points % e.lanes == 0 && (shape.size() == 1 || e.lanes % fetch.columns == 0);
  fetch.count = isWhole ? points / e.lanes : 1;
  fetch.isPart = !isWhole;
  bool fits = isWhole ? fetch.count <= kMostValues : shape.size() == 1 && fetch.columns < e.lanes;
  return fits ? std::optional(fetch) : std::nullopt;
}

/// Where the i-th value of a lane is in the tile.
static std::pair<Value, Value> getPoint(Emitter &e, const Fetch &fetch, int64_t i) {
  bool isVector = getRank(fetch.load.getResult()) == 1;
  if (isVector) {
    Value column = fetch.isOwn && !fetch.isPart ? e.laneModulo(fetch.columns) : e.lane;
    return {Value(), addIndex(e.b, e.loc, column, i * e.lanes)};
  }
  Emitter::Deal dealt = e.deal(fetch.rows, fetch.columns, e.lanes);
  Value row = fetch.isOwn ? e.ownRow(dealt, fetch.rows, i) : addIndex(e.b, e.loc, dealt.row, i * dealt.rows);
  return {row, dealt.column};
}

static Value isReader(Emitter &e, int64_t columns) {
  return arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::ult, e.lane, e.index(columns));
}

/// Something of a type that is no constant: what would be computed of it is not computed where it is asked for, which
/// would be waiting for the loads beside it.
static Value emitAnything(Emitter &e, Type type) {
  Type bits = e.b.getIntegerType(type.getIntOrFloatBitWidth());
  Value number = arith::IndexCastOp::create(e.b, e.loc, bits, e.lane);
  return type == bits ? number : arith::BitcastOp::create(e.b, e.loc, type, number).getResult();
}

SmallVector<Value> lanes::emitFetches(Emitter &e, ArrayRef<Fetch> fetches, Value guard, ValueRange instead,
                                      function_ref<Memory(tile::LoadOp)> access) {
  // In the order of `fetches`, those of one condition in a branch.
  SmallVector<SmallVector<Value>> values(fetches.size());
  llvm::MapVector<int64_t, SmallVector<size_t>> groups; // by the number of lanes that read; 0: all
  SmallVector<size_t> first;
  size_t total = 0;
  for (auto [i, fetch] : llvm::enumerate(fetches)) {
    groups[fetch.isPart ? fetch.columns : 0].push_back(i);
    first.push_back(total);
    total += fetch.count;
  }
  for (auto &[readers, members] : groups) {
    Value condition = guard;
    if (readers) {
      condition = isReader(e, readers);
      condition = guard ? arith::AndIOp::create(e.b, e.loc, guard, condition).getResult() : condition;
    }
    auto load = [&, &members = members] {
      SmallVector<Value> loaded;
      for (size_t number : members) {
        const Fetch &fetch = fetches[number];
        Memory from = access(fetch.load);
        for (int64_t i = 0; i < fetch.count; ++i) {
          auto [row, column] = fetch.columns ? getPoint(e, fetch, i) : std::pair(Value(), Value());
          loaded.push_back(emitLoad(e.b, e.loc, from, row, column, 0, from.element));
        }
      }
      return loaded;
    };
    SmallVector<Value> results;
    if (condition) {
      SmallVector<Type> types;
      SmallVector<Value> others;
      for (size_t number : members) {
        Type element = cast<tile::BufferType>(fetches[number].load.getBuffer().getType()).getElementType();
        types.append(fetches[number].count, element);
        for (int64_t i = 0; i < fetches[number].count; ++i) {
          others.push_back(instead.empty() ? emitAnything(e, element) : instead[first[number] + i]);
        }
      }
      auto branch = scf::IfOp::create(e.b, e.loc, types, condition, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard inside(e.b);
      e.b.setInsertionPointToEnd(branch.thenBlock());
      scf::YieldOp::create(e.b, e.loc, load());
      e.b.setInsertionPointToEnd(branch.elseBlock());
      scf::YieldOp::create(e.b, e.loc, others);
      results.assign(branch.getResults().begin(), branch.getResults().end());
    } else {
      results = load();
    }
    ValueRange rest = results;
    for (size_t number : members) {
      values[number] = rest.take_front(fetches[number].count);
      rest = rest.drop_front(fetches[number].count);
    }
  }
  SmallVector<Value> all;
  for (const SmallVector<Value> &some : values) {
    llvm::append_range(all, some);
  }
  return all;
}

void lanes::storeFetched(Emitter &e, const Fetch &fetch, const Memory &to, ValueRange values) {
  Type compute = getElementTypeOrSelf(fetch.load.getType());
  auto store = [&] {
    for (auto [i, value] : llvm::enumerate(values)) {
      auto [row, column] = getPoint(e, fetch, i);
      if (to.ofLane) {
        row = Value();
        column = getRank(fetch.load.getResult()) == 2 ? e.index(i) : Value();
      }
      emitStore(e.b, e.loc, to, row, column, convertLoaded(e.b, e.loc, value, 0, compute));
    }
  };
  fetch.isPart ? e.ifTrue(isReader(e, fetch.columns), store) : store();
}
