// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Masks that compare the number of an element's row with that of its column, as those of scores do. What a lane has of
// both numbers is the same for all of its registers: of most fragments it is known for all lanes how they compare, and
// the others ask few questions.
#include "lowering/WarpTiles/WarpTiles.h"

#include "lowering/TilePrograms/Plan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::warps;
using namespace rwkv::programs;

static int64_t partOf(tile::IotaOp iota, Coord c) { return iota.getAxis() == 0 ? c.row : c.column; }

/// Whether two numbers compare like this, given their difference.
static bool compare(arith::CmpIPredicate predicate, int64_t difference) {
  return arith::applyCmpPredicate(predicate, APInt(64, difference, true), APInt(64, 0));
}

std::optional<SmallVector<Value>> WarpTiles::computeMask(Operation *comparison, const Placement &placement) {
  auto op = cast<arith::CmpIOp>(comparison);
  auto left = op.getLhs().getDefiningOp<tile::IotaOp>(), right = op.getRhs().getDefiningOp<tile::IotaOp>();
  using P = arith::CmpIPredicate;
  const bool isSigned = llvm::is_contained({P::eq, P::ne, P::slt, P::sle, P::sgt, P::sge}, op.getPredicate());
  if (!left || !right || getRank(op.getResult()) != 2 || left.getAxis() == right.getAxis() || !isSigned) {
    return std::nullopt;
  }
  // The difference is that of what the lane has, of which the range is known, and that of what the register has.
  SmallVector<int64_t> bases;
  int64_t least = 0, most = 0;
  for (Coord c : placement.lanes) {
    bases.push_back(partOf(left, c) - partOf(right, c));
    (bases.back() < 0 ? least : most) += bases.back();
  }
  // In words: comparisons of longer numbers take two instructions.
  Value ofLane = combineBits(arith::IndexCastOp::create(entry, loc, b.getI32Type(), lane), bases);
  return llvm::map_to_vector(placement.registers, [&](Coord c) -> Value {
    const int64_t ofRegister = partOf(left, c) - partOf(right, c);
    auto isSo = [&](int64_t lane) { return compare(op.getPredicate(), lane + ofRegister); };
    const bool first = isSo(least);
    bool isKnown = true;
    for (int64_t lane = least; lane <= most; ++lane) {
      isKnown &= isSo(lane) == first;
    }
    if (isKnown) {
      return arith::ConstantIntOp::create(b, loc, b.getI1Type(), first);
    }
    Value limit = arith::ConstantIntOp::create(b, loc, b.getI32Type(), -ofRegister);
    return arith::CmpIOp::create(b, loc, op.getPredicate(), ofLane, limit);
  });
}
