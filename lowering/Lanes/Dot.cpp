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
      : e(e), b(e.b), loc(e.loc), context(context), target(target) {
    ArrayRef<int64_t> result = tile::getTileShape(dot.getResult().getType());
    rows = result[0];
    columns = result[1];
    blocks = dot.getBlocks().value_or(0);
    compute = getElementTypeOrSelf(dot.getResult().getType());
    instruction = e.hooks.findProduct(dot.getPrecision());
    addProduct(dot);
  }

  void run() { instruction &&usesFragments(e.hooks, dot()) ? emitFragments() : emitBlocks(); }

private:
  /// One product of a sum of several.
  struct Product {
    tile::DotOp op;
    Memory lhs, rhs;
    int64_t depth;
    bool transposed;
  };

  /// A product behind those that it adds to, if they are made with it.
  void addProduct(tile::DotOp dot) {
    auto before = dot.getAcc() ? dot.getAcc().getDefiningOp<tile::DotOp>() : tile::DotOp();
    if (before && e.joined.contains(before)) {
      addProduct(before);
    } else if (dot.getAcc()) {
      acc = context.getMemory(dot.getAcc());
    }
    products.push_back({dot, context.getMemory(dot.getLhs()), context.getMemory(dot.getRhs()),
                        tile::getTileShape(dot.getLhs().getType())[1], dot.getTransposed()});
  }

  tile::DotOp dot() { return products.back().op; }

  // ---- warps make fragments of the result

  /// The row and the column that this lane has in register 0 of a fragment; the others are `offsets` away.
  struct Fragment {
    Value row, column;
    SmallVector<Coord> offsets;
  };

  Fragment fragmentOf(const FragmentBases &bases, int64_t registers) {
    Fragment result{e.index(0), e.index(0), {}};
    for (auto [i, base] : llvm::enumerate(bases.lane)) {
      Value bit = arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, e.lane, e.index(i)), e.index(1));
      result.row = base.row ? e.add(result.row, e.mul(bit, base.row)) : result.row;
      result.column = base.column ? e.add(result.column, e.mul(bit, base.column)) : result.column;
    }
    for (int64_t r = 0; r < registers; ++r) {
      Coord offset{0, 0};
      for (auto [i, base] : llvm::enumerate(bases.reg)) {
        offset.row += r >> i & 1 ? base.row : 0;
        offset.column += r >> i & 1 ? base.column : 0;
      }
      result.offsets.push_back(offset);
    }
    return result;
  }

  /// The registers of a fragment that starts at (row, column).
  SmallVector<Value> loadFragment(const Memory &memory, const Fragment &fragment, Value row, Value column,
                                  bool turned) {
    Value atRow = e.add(row, fragment.row), atColumn = e.add(column, fragment.column);
    return llvm::map_to_vector(fragment.offsets, [&](Coord offset) {
      Value r = addIndex(b, loc, atRow, offset.row), c = addIndex(b, loc, atColumn, offset.column);
      return turned ? load(memory, c, r) : load(memory, r, c);
    });
  }

  SmallVector<Value> rounded(SmallVector<Value> values) {
    for (Value &value : values) {
      value = e.hooks.emitRounded(b, loc, value, /*isLast=*/false);
    }
    return values;
  }

  void emitFragments() {
    int64_t m = instruction->m, n = instruction->n, k = instruction->k, warp = e.hooks.getWarp();
    auto registers = [&](int64_t size) { return size / warp; };
    Fragment x = fragmentOf(instruction->a, registers(m * k)), y = fragmentOf(instruction->b, registers(k * n)),
             z = fragmentOf(instruction->c, registers(m * n));
    // Warps lie along the rows first; each has every so many rows of fragments, and a few columns side by side.
    int64_t warps = e.lanes / warp, down = 1, tall = rows / m, wide = columns / n;
    while (down * 2 <= warps && tall % (down * 2) == 0) {
      down *= 2;
    }
    int64_t across = warps / down, each = 1;
    while (each < 4 && wide % (each * 2) == 0 && across * each * 2 <= std::max(wide, across)) {
      each *= 2;
    }
    Value number = e.laneDivided(warp);
    if (int64_t used = down * std::min(across, wide / each); used < warps) {
      number = arith::AndIOp::create(b, loc, e.add(number, e.index(warps - e.nextWarp)), e.index(warps - 1));
      e.nextWarp = (e.nextWarp + used) % warps;
    }
    Value firstDown = down == 1 ? e.index(0) : arith::AndIOp::create(b, loc, number, e.index(down - 1)).getResult();
    Value firstAcross = arith::ShRUIOp::create(b, loc, number, e.index(llvm::Log2_64(down)));
    e.forEach(firstDown, down, tall, [&](Value i) {
      Value row = e.mul(i, m);
      e.forEach(firstAcross, across, wide / each, [&](Value j) {
        SmallVector<Value> starts;
        SmallVector<SmallVector<Value>> sums;
        for (int64_t part = 0; part < each; ++part) {
          starts.push_back(addIndex(b, loc, e.mul(j, n * each), part * n));
          sums.push_back(acc.pointer ? loadFragment(acc, z, row, starts.back(), false)
                                     : SmallVector<Value>(z.offsets.size(), zero()));
        }
        for (const Product &product : products) {
          emitDepth(product, row, starts, x, y, sums);
        }
        for (auto [start, values] : llvm::zip_equal(starts, sums)) {
          for (auto [offset, value] : llvm::zip_equal(z.offsets, values)) {
            emitStore(b, loc, target, addIndex(b, loc, e.add(row, z.row), offset.row),
                      addIndex(b, loc, e.add(start, z.column), offset.column), value);
          }
        }
      });
    });
  }

  Value zero() { return arith::ConstantOp::create(b, loc, FloatAttr::get(compute, 0.0)); }

  /// Adds a product to fragments of the result that start at these columns.
  void emitDepth(const Product &product, Value row, ArrayRef<Value> starts, const Fragment &x, const Fragment &y,
                 SmallVector<SmallVector<Value>> &sums) {
    int64_t k = instruction->k, depth = product.depth, unroll = Emitter::getUnroll(depth / k);
    SmallVector<Value> init;
    for (auto &values : sums) {
      llvm::append_range(init, values);
    }
    SmallVector<Value> totals = e.carry(e.index(0), k * unroll, depth, init, [&](Value first, ValueRange before) {
      SmallVector<Value> next(before);
      size_t size = before.size() / starts.size();
      for (int64_t i = 0; i < unroll; ++i) {
        Value at = addIndex(b, loc, first, i * k);
        SmallVector<Value> left = rounded(loadFragment(product.lhs, x, row, at, false));
        for (auto [part, start] : llvm::enumerate(starts)) {
          SmallVector<Value> right = rounded(loadFragment(product.rhs, y, at, start, product.transposed));
          auto sum = MutableArrayRef(next).slice(part * size, size);
          llvm::copy(e.hooks.emitProduct(b, loc, *instruction, left, right, SmallVector<Value>(sum)), sum.begin());
        }
      }
      return next;
    });
    size_t size = init.size() / starts.size();
    for (auto [part, values] : llvm::enumerate(sums)) {
      values.assign(totals.begin() + part * size, totals.begin() + (part + 1) * size);
    }
  }

  // ---- lanes make blocks of the result

  void emitBlocks() {
    const Product &product = products.back();
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
      emitBlock(product, row, column, height, width, step);
    });
  }

  Value load(const Memory &memory, Value row, Value column) {
    return emitLoad(b, loc, memory, row, column, 0, compute);
  }

  void emitBlock(const Product &product, Value row, Value column, int64_t height, int64_t width, int64_t step) {
    Value lhsRow = row, rhsFirst; // with blocks: the rows of the right operand that belong to this block
    if (blocks) {
      Value size = e.index(blocks);
      int64_t lhsRows = tile::getTileShape(dot().getLhs().getType())[0];
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
    SmallVector<Value> sums = e.carry(e.index(0), 1, product.depth, init, [&](Value k, ValueRange before) {
      SmallVector<Value> next(before), x, y;
      for (int64_t i = 0; i < height; ++i) {
        x.push_back(load(product.lhs, addIndex(b, loc, lhsRow, i), k));
      }
      for (int64_t j = 0; j < width; ++j) {
        Value rhsRow = rhsFirst ? e.add(rhsFirst, k) : k;
        y.push_back(product.transposed ? load(product.rhs, columnAt(j), k) : load(product.rhs, rhsRow, columnAt(j)));
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
  Context &context;
  Memory target, acc = {};
  SmallVector<Product> products;
  int64_t rows, columns, blocks;
  const MatrixInstruction *instruction;
  Type compute;
};

} // namespace

bool lanes::usesFragments(const Hooks &hooks, tile::DotOp dot) {
  const MatrixInstruction *instruction = hooks.findProduct(dot.getPrecision());
  ArrayRef<int64_t> lhs = tile::getTileShape(dot.getLhs().getType());
  return instruction && !dot.getBlocks() && lhs[0] % instruction->m == 0 && lhs[1] % instruction->k == 0 &&
         tile::getTileShape(dot.getResult().getType())[1] % instruction->n == 0;
}

void lanes::emitDot(Emitter &e, tile::DotOp dot, Context &context, const Memory &target) {
  DotEmitter(e, dot, context, target).run();
}
