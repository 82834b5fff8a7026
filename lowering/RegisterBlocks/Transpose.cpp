// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Transposes through registers. n vectors are n times as many numbers in a row; to take every n-th number of that row
// n times is to take every second one twice, as often as n can be halved, and each of these is a shuffle of two
// vectors. A block of rows is such a row of numbers, and so are whole narrow rows that lie side by side.
#include "lowering/RegisterBlocks/Nest.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <numeric>

using namespace mlir;
using namespace rwkv;
using namespace rwkv::blocks;
using namespace rwkv::programs;

namespace {

class TransposeEmitter {
public:
  TransposeEmitter(OpBuilder &b, Location loc, const Matrix &from, const Memory &to, int64_t lanes)
      : b(b), loc(loc), from(from), to(to), lanes(lanes) {}

  void run() {
    constexpr int64_t kFewest = 4;
    int64_t width = powerIn(std::gcd(lanes, std::gcd(from.rows, from.columns)));
    if (isNarrow(from.columns, from.rows) && from.memory.stride == from.columns) {
      emitNarrowRows();
    } else if (isNarrow(from.rows, from.columns) && to.stride == from.rows) {
      emitNarrowColumns();
    } else if (width >= kFewest) {
      emitSquares(width);
    } else {
      emitElements();
    }
  }

private:
  static int64_t powerIn(int64_t n) { return n & -n; }

  /// Whether vectors along the long axis and a power of two of them make up a block.
  bool isNarrow(int64_t size, int64_t other) const {
    return size > 1 && size < lanes && powerIn(size) == size && other % lanes == 0;
  }

  /// [R, n] with nothing between its rows.
  void emitNarrowRows() {
    int64_t n = from.columns;
    forEach(b, loc, from.rows, lanes, [&](Value row) {
      SmallVector<Value> values;
      for (int64_t i = 0; i < n; ++i) {
        values.push_back(emitLoad(b, loc, from.memory, row, index(i * lanes), lanes, from.compute));
      }
      values = separate(values);
      for (auto [i, value] : llvm::enumerate(values)) {
        emitStore(b, loc, to, index(i), row, value);
      }
    });
  }

  /// [n, R] to rows with nothing between them.
  void emitNarrowColumns() {
    int64_t n = from.rows;
    forEach(b, loc, from.columns, lanes, [&](Value column) {
      SmallVector<Value> values;
      for (int64_t i = 0; i < n; ++i) {
        values.push_back(emitLoad(b, loc, from.memory, index(i), column, lanes, from.compute));
      }
      values = interleave(values);
      for (auto [i, value] : llvm::enumerate(values)) {
        emitStore(b, loc, to, column, index(i * lanes), value);
      }
    });
  }

  void emitSquares(int64_t width) {
    forEach(b, loc, from.columns, width, [&](Value column) {
      forEach(b, loc, from.rows, width, [&](Value row) {
        SmallVector<Value> values;
        for (int64_t i = 0; i < width; ++i) {
          values.push_back(emitLoad(b, loc, from.memory, addIndex(b, loc, row, i), column, width, from.compute));
        }
        values = separate(values);
        for (auto [i, value] : llvm::enumerate(values)) {
          emitStore(b, loc, to, addIndex(b, loc, column, i), row, value);
        }
      });
    });
  }

  void emitElements() {
    forEach(b, loc, from.columns, 1, [&](Value column) {
      forEach(b, loc, from.rows, 1, [&](Value row) {
        emitStore(b, loc, to, column, row, emitLoad(b, loc, from.memory, row, column, 0, from.compute));
      });
    });
  }

  Value shuffle(Value x, Value y, function_ref<int64_t(int64_t)> source) {
    int64_t width = cast<VectorType>(x.getType()).getNumElements();
    return vector::ShuffleOp::create(b, loc, x, y, llvm::map_to_vector(llvm::seq<int64_t>(0, width), source));
  }

  /// Every n-th number of n vectors in a row, from each of the first n on.
  SmallVector<Value> separate(SmallVector<Value> values) {
    for (size_t left = values.size(); left > 1; left /= 2) {
      SmallVector<Value> even, odd;
      for (size_t i = 0; i < values.size(); i += 2) {
        even.push_back(shuffle(values[i], values[i + 1], [](int64_t l) { return 2 * l; }));
        odd.push_back(shuffle(values[i], values[i + 1], [](int64_t l) { return 2 * l + 1; }));
      }
      values = even;
      values.append(odd);
    }
    return values;
  }

  /// The other way round.
  SmallVector<Value> interleave(SmallVector<Value> values) {
    int64_t width = cast<VectorType>(values.front().getType()).getNumElements();
    for (size_t left = values.size(); left > 1; left /= 2) {
      SmallVector<Value> mixed;
      for (size_t i = 0, half = values.size() / 2; i < half; ++i) {
        for (int64_t first : {int64_t(0), width / 2}) {
          mixed.push_back(
              shuffle(values[i], values[half + i], [&](int64_t l) { return first + l / 2 + (l % 2) * width; }));
        }
      }
      values = mixed;
    }
    return values;
  }

  Value index(int64_t value) { return constantIndex(b, loc, value); }

  OpBuilder &b;
  Location loc;
  const Matrix &from;
  const Memory &to;
  int64_t lanes;
};

} // namespace

void blocks::emitTranspose(OpBuilder &b, Location loc, const Machine &machine, const Matrix &from, const Memory &to) {
  TransposeEmitter(b, loc, from, to, machine.lanes(from.compute)).run();
}
