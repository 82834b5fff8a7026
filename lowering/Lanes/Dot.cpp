// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix products: every lane makes a few rows and columns of the result, in registers.
#include "lowering/Lanes/Lanes.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;

namespace {

class DotEmitter {
public:
  DotEmitter(Emitter &e, tile::DotOp dot, Context &context, const Memory &target)
      : e(e), b(e.b), loc(e.loc), target(target) {
    ArrayRef<int64_t> result = tile::getTileShape(dot.getResult().getType());
    rows = result[0];
    columns = result[1];
    depth = tile::getTileShape(dot.getLhs().getType())[1];
    lhsRows = tile::getTileShape(dot.getLhs().getType())[0];
    blocks = dot.getBlocks().value_or(0);
    transposed = dot.getTransposed();
    compute = getElementTypeOrSelf(dot.getResult().getType());
    lhs = context.getMemory(dot.getLhs());
    rhs = context.getMemory(dot.getRhs());
    if (dot.getAcc()) {
      acc = context.getMemory(dot.getAcc());
    }
  }

  void run() {
    // As many results per lane as there are lanes for, at most 4 x 4. A lane's columns are `step` apart, so that lanes
    // side by side read elements side by side; its rows follow one another.
    int64_t share = std::max<int64_t>(1, rows * columns / e.lanes);
    int64_t height = 1, width = 1;
    while (height * width < share && (height < 4 || width < 4)) {
      int64_t &grown = height <= width && height < 4 ? height : width;
      if (grown >= 4) {
        break;
      }
      grown *= 2;
    }
    // The blocks of one lane are of one block of the left operand.
    while (rows % height != 0 || (blocks && blocks % height != 0)) {
      height /= 2;
    }
    while (columns % width != 0) {
      width /= 2;
    }
    int64_t step = columns / width;
    e.forEachPoint(rows / height, step, [&](Value group, Value column) {
      Value row = e.mul(group, height);
      emitBlock(row, column, height, width, step);
    });
  }

private:
  Value load(const Memory &memory, Value row, Value column) {
    return emitLoad(b, loc, memory, row, column, 0, compute);
  }

  void emitBlock(Value row, Value column, int64_t height, int64_t width, int64_t step) {
    Value lhsRow = row, rhsFirst; // with blocks: the rows of the right operand that belong to this block
    if (blocks) {
      Value size = e.index(blocks);
      rhsFirst = arith::SubIOp::create(b, loc, row, arith::RemUIOp::create(b, loc, row, size));
      if (lhsRows < rows) {
        lhsRow = arith::RemUIOp::create(b, loc, row, e.index(lhsRows));
      }
    }
    auto columnAt = [&](int64_t j) { return addIndex(b, loc, column, j * step); };
    SmallVector<Value> init;
    for (int64_t i = 0; i < height; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        init.push_back(acc.pointer ? load(acc, addIndex(b, loc, row, i), columnAt(j))
                                   : arith::ConstantOp::create(b, loc, FloatAttr::get(compute, 0.0)).getResult());
      }
    }
    SmallVector<Value> sums = e.carry(e.index(0), 1, depth, init, [&](Value k, ValueRange before) {
      SmallVector<Value> next(before), x, y;
      for (int64_t i = 0; i < height; ++i) {
        x.push_back(load(lhs, addIndex(b, loc, lhsRow, i), k));
      }
      for (int64_t j = 0; j < width; ++j) {
        Value rhsRow = rhsFirst ? e.add(rhsFirst, k) : k;
        y.push_back(transposed ? load(rhs, columnAt(j), k) : load(rhs, rhsRow, columnAt(j)));
      }
      for (int64_t i = 0; i < height; ++i) {
        for (int64_t j = 0; j < width; ++j) {
          Value &sum = next[i * width + j];
          sum = math::FmaOp::create(b, loc, x[i], y[j], sum);
        }
      }
      return next;
    });
    for (int64_t i = 0; i < height; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        emitStore(b, loc, target, addIndex(b, loc, row, i), columnAt(j), sums[i * width + j]);
      }
    }
  }

  Emitter &e;
  OpBuilder &b;
  Location loc;
  Memory target, lhs, rhs, acc = {};
  int64_t rows, columns, depth, lhsRows, blocks;
  bool transposed;
  Type compute;
};

} // namespace

void lanes::emitDot(Emitter &e, tile::DotOp dot, Context &context, const Memory &target) {
  DotEmitter(e, dot, context, target).run();
}
