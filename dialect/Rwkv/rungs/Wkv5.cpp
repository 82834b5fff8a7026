// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialect/Rwkv/RwkvDialect.h"

using namespace mlir;
using namespace rwkv;

void Wkv5Op::buildStep(OpBuilder &builder, Location loc, ValueRange over, ValueRange consts, ValueRange states) {
  Value r = over[0], k = over[1], v = over[2], w = consts[0], u = consts[1], s = states[0];
  // The bonus is a peek: a write that is read and not yielded.
  Value peek = WriteOp::create(builder, loc, s, arith::MulFOp::create(builder, loc, u, k).getResult(), v);
  Value o = ReadOp::create(builder, loc, peek, r);
  s = DecayOp::create(builder, loc, s, w, "key0");
  s = WriteOp::create(builder, loc, s, k, v);
  YieldOp::create(builder, loc, ValueRange{o, s});
}
