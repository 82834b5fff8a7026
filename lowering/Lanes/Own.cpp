// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which tiles that a loop carries stay in registers: state that is only read and written point by point, as it is token
// by token, need not go through memory that lanes share.
#include "lowering/Lanes/Lanes.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

/// Points of a lane: registers, and code that is written out for them.
static constexpr int64_t kMostPoints = 32;

bool lanes::canBeOfLanes(scf::ForOp loop, unsigned carried, int64_t lanes) {
  Value arg = loop.getRegionIterArgs()[carried];
  auto type = dyn_cast<RankedTensorType>(arg.getType());
  if (!type || type.getRank() != 2) {
    return false;
  }
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  bool even = llvm::isPowerOf2_64(columns) && columns <= lanes && rows % (lanes / columns) == 0;
  if (!even || rows * columns / lanes > kMostPoints) {
    return false;
  }
  // A nest that sums over columns deals points out in another way, to all of its tiles.
  WalkResult sums = loop.walk([&](tile::ReduceOp reduce) {
    bool others = reduce.getAxis() == 1 && tile::getTileShape(reduce.getX().getType()) == type.getShape();
    return others ? WalkResult::interrupt() : WalkResult::advance();
  });
  if (sums.wasInterrupted()) {
    return false;
  }
  SmallVector<Value> points{arg, loop.getResult(carried)};
  llvm::SmallPtrSet<Operation *, 16> seen;
  while (!points.empty()) {
    for (Operation *user : points.pop_back_val().getUsers()) {
      if (isElementwise(user)) {
        if (seen.insert(user).second) {
          points.push_back(user->getResult(0));
        }
      } else if (!isa<tile::ReduceOp, tile::StoreOp, scf::YieldOp, scf::ForOp>(user)) {
        return false;
      }
    }
  }
  return true;
}
