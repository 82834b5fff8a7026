// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Systems that are prepared, but solved for what is carried: their inverses, which can be prepared.
#include "lowering/TilePrograms/Roles.h"

#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <map>

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

namespace {

/// Rows and columns of a tile from an offset on.
struct Window {
  int64_t row, column, rows, columns;
};

std::optional<Window> windowOf(Type part, ValueRange offsets) {
  ArrayRef<int64_t> shape = tile::getTileShape(part);
  APInt row, column;
  if (shape.size() != 2 || offsets.size() != 2 || !matchPattern(offsets[0], m_ConstantInt(&row)) ||
      !matchPattern(offsets[1], m_ConstantInt(&column))) {
    return std::nullopt;
  }
  return Window{row.getSExtValue(), column.getSExtValue(), shape[0], shape[1]};
}

bool overlaps(const Window &x, const Window &y) {
  return x.row < y.row + y.rows && y.row < x.row + x.rows && x.column < y.column + y.columns &&
         y.column < x.column + x.columns;
}

bool isEqual(const Window &x, const Window &y) {
  return x.row == y.row && x.column == y.column && x.rows == y.rows && x.columns == y.columns;
}

/// A matrix as square blocks.
using Blocks = SmallVector<SmallVector<Value>>;

class Inverter {
public:
  Inverter(tile::SolveUnitLowerOp solve, tile::Precision precision)
      : solve(solve), b(solve), loc(solve.getLoc()), precision(precision),
        element(cast<RankedTensorType>(solve.getLower().getType()).getElementType()), groups(solve.getInterleave()),
        size(tile::getTileShape(solve.getLower().getType())[0] / groups) {}

  /// Replaces the solution by products with the inverse, which is made if there is none yet.
  void run(Blocks &inverse) {
    if (inverse.empty()) {
      inverse = invert();
    }
    int64_t columns = tile::getTileShape(solve.getRhs().getType())[1];
    SmallVector<Value> parts, solutions;
    for (int64_t j = 0; j < groups; ++j) {
      parts.push_back(part(solve.getRhs(), {j * size, 0, size, columns}));
    }
    for (int64_t i = 0; i < groups; ++i) {
      Value sum;
      for (int64_t j = 0; j < groups; ++j) {
        sum = multiply(inverse[i][j], parts[j], sum);
      }
      solutions.push_back(sum);
    }
    replace(solutions);
  }

private:
  /// The groups of a system are triangular systems, and so is what is left of one when others have been eliminated: of
  /// a unit lower triangular matrix, every principal minor is one. So groups are eliminated one after the other, each
  /// as a whole.
  Blocks invert() {
    Blocks m(groups, SmallVector<Value>(groups));
    for (int64_t i = 0; i < groups; ++i) {
      for (int64_t j = 0; j < groups; ++j) {
        m[i][j] = part(solve.getLower(), {i * size, j * size, size, size});
        if (i != j) { // what is not of the system may be anything
          m[i][j] = arith::SelectOp::create(b, loc, compare(i < j), m[i][j], splat(0));
        }
      }
    }
    for (int64_t p = 0; p < groups; ++p) {
      Value inverse = tile::SolveUnitLowerOp::create(b, loc, type(size), m[p][p], identity());
      for (int64_t j = 0; j < groups; ++j) {
        m[p][j] = j == p ? inverse : multiply(inverse, m[p][j], Value());
      }
      for (int64_t i = 0; i < groups; ++i) {
        if (i == p) {
          continue;
        }
        Value factor = arith::NegFOp::create(b, loc, m[i][p]);
        for (int64_t j = 0; j < groups; ++j) {
          m[i][j] = multiply(factor, m[p][j], j == p ? Value() : m[i][j]);
        }
      }
    }
    return m;
  }

  Value multiply(Value lhs, Value rhs, Value acc) {
    Type result = type(tile::getTileShape(rhs.getType())[1]);
    return tile::DotOp::create(b, loc, result, lhs, rhs, acc, UnitAttr(), IntegerAttr(),
                               tile::PrecisionAttr::get(b.getContext(), precision));
  }

  /// What was inserted there, or a slice.
  Value part(Value tile, Window wanted) {
    while (auto insert = tile.getDefiningOp<tile::InsertOp>()) {
      std::optional<Window> window = windowOf(insert.getPart().getType(), insert.getOffsets());
      if (window && isEqual(*window, wanted)) {
        return insert.getPart();
      }
      if (!window || overlaps(*window, wanted)) {
        break;
      }
      tile = insert.getX();
    }
    Type result = RankedTensorType::get({wanted.rows, wanted.columns}, element);
    if (result == tile.getType()) {
      return tile;
    }
    SmallVector<Value> offsets;
    for (int64_t offset : {wanted.row, wanted.column}) {
      offsets.push_back(arith::ConstantIndexOp::create(b, loc, offset));
    }
    return tile::SliceOp::create(b, loc, result, tile, offsets);
  }

  void replace(ArrayRef<Value> solutions) {
    for (Operation *user : llvm::make_early_inc_range(solve->getUsers())) {
      auto slice = dyn_cast<tile::SliceOp>(user);
      std::optional<Window> window =
          slice ? windowOf(slice.getResult().getType(), slice.getOffsets()) : std::optional<Window>();
      if (window && window->row % size == 0 && slice.getResult().getType() == solutions.front().getType()) {
        slice.getResult().replaceAllUsesWith(solutions[window->row / size]);
        slice.erase();
      }
    }
    if (!solve->use_empty()) {
      auto whole = cast<RankedTensorType>(solve.getResult().getType());
      Value all = groups == 1 ? solutions.front()
                              : arith::ConstantOp::create(b, loc, DenseElementsAttr::get(whole, zero())).getResult();
      for (int64_t i = 0; i < groups && groups > 1; ++i) {
        Value offsets[] = {arith::ConstantIndexOp::create(b, loc, i * size), arith::ConstantIndexOp::create(b, loc, 0)};
        all = tile::InsertOp::create(b, loc, all.getType(), solutions[i], all, ValueRange(offsets));
      }
      solve.getResult().replaceAllUsesWith(all);
    }
    eraseIfDead(solve);
  }

  static void eraseIfDead(Operation *op) {
    if (!op || !isOpTriviallyDead(op)) {
      return;
    }
    SmallVector<Value> operands(op->getOperands());
    op->erase();
    for (Value operand : operands) {
      eraseIfDead(operand.getDefiningOp());
    }
  }

  /// Whether the column is less than the row, or not greater.
  Value compare(bool isStrict) {
    auto predicate = isStrict ? arith::CmpIPredicate::slt : arith::CmpIPredicate::sle;
    return arith::CmpIOp::create(b, loc, predicate, iota(1), iota(0));
  }
  Value identity() {
    Value diagonal = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, iota(0), iota(1));
    return arith::SelectOp::create(b, loc, diagonal, splat(1), splat(0));
  }
  Value iota(int64_t axis) {
    return tile::IotaOp::create(b, loc, RankedTensorType::get({size, size}, b.getI32Type()), axis);
  }
  Value splat(double value) {
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type(size), FloatAttr::get(element, value)));
  }
  Attribute zero() { return FloatAttr::get(element, 0); }
  RankedTensorType type(int64_t columns) { return RankedTensorType::get({size, columns}, element); }

  tile::SolveUnitLowerOp solve;
  OpBuilder b;
  Location loc;
  tile::Precision precision;
  Type element;
  int64_t groups, size; // unknowns of a group
};

} // namespace

void programs::invertPrepared(scf::ForOp loop, const Roles &roles) {
  // That of the products which the solutions go into.
  auto precision = tile::Precision::f32;
  loop.getBody()->walk([&](tile::DotOp dot) { precision = dot.getPrecision(); });
  SmallVector<tile::SolveUnitLowerOp> solves; // other ops go when nobody needs them any more
  for (Operation *op : roles.apply) {
    auto solve = dyn_cast<tile::SolveUnitLowerOp>(op);
    if (solve && !roles.split.contains(solve.getLower())) {
      solves.push_back(solve);
    }
  }
  std::map<std::pair<void *, int64_t>, Blocks> inverses; // of one system solved for several things
  for (tile::SolveUnitLowerOp solve : solves) {
    Inverter(solve, precision).run(inverses[{solve.getLower().getAsOpaquePointer(), solve.getInterleave()}]);
  }
}
