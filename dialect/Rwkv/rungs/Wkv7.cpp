// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialect/Rwkv/RwkvDialect.h"

using namespace mlir;
using namespace rwkv;

void Wkv7Op::buildStep(OpBuilder &builder, Location loc, ValueRange over, ValueRange consts, ValueRange states) {
  Value r = over[0], w = over[1], k = over[2], v = over[3], a = over[4], b = over[5], s = states[0];
  Value y = ReadOp::create(builder, loc, s, a);
  s = DecayOp::create(builder, loc, s, w, "key0");
  s = WriteOp::create(builder, loc, s, b, y);
  s = WriteOp::create(builder, loc, s, k, v);
  Value o = ReadOp::create(builder, loc, s, r);
  YieldOp::create(builder, loc, ValueRange{o, s});
}
