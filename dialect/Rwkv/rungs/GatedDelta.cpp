// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialect/Rwkv/RwkvDialect.h"

using namespace mlir;
using namespace rwkv;

void GatedDeltaOp::buildStep(OpBuilder &builder, Location loc, ValueRange over, ValueRange consts, ValueRange states) {
  Value q = over[0], k = over[1], v = over[2], g = over[3], beta = over[4], s = states[0];
  s = DecayOp::create(builder, loc, s, g, "all");
  Value y = ReadOp::create(builder, loc, s, k);
  Value e = arith::SubFOp::create(builder, loc, v, y);
  s = WriteOp::create(builder, loc, s, k, e, beta);
  Value o = ReadOp::create(builder, loc, s, q);
  YieldOp::create(builder, loc, ValueRange{o, s});
}
