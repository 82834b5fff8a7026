// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialect/Rwkv/RwkvDialect.h"

using namespace mlir;
using namespace rwkv;

void Wkv4Op::buildStep(OpBuilder &builder, Location loc, ValueRange over, ValueRange consts, ValueRange states) {
  Value k = over[0], v = over[1], w = consts[0], u = consts[1];
  Value num = states[0], den = states[1], m = states[2];
  auto add = [&](Value x, Value y) -> Value { return arith::AddFOp::create(builder, loc, x, y); };
  auto sub = [&](Value x, Value y) -> Value { return arith::SubFOp::create(builder, loc, x, y); };
  auto mul = [&](Value x, Value y) -> Value { return arith::MulFOp::create(builder, loc, x, y); };
  auto exp = [&](Value x) -> Value { return math::ExpOp::create(builder, loc, x); };
  auto read = [&](Value state) -> Value { return ReadOp::create(builder, loc, state, ValueRange()); };
  // What was, and this token with its bonus, relative to the larger exponent of the two.
  Value before = read(m), bonus = add(u, k);
  Value largest = arith::MaximumFOp::create(builder, loc, before, bonus);
  Value past = exp(sub(before, largest)), now = exp(sub(bonus, largest));
  Value o = arith::DivFOp::create(builder, loc, add(mul(past, read(num)), mul(now, v)), add(mul(past, read(den)), now));
  // On to the next token, relative to its exponent.
  m = MaximumOp::create(builder, loc, m.getType(), m, w, k);
  Value after = read(m), log = sub(add(before, w), after), weight = exp(sub(k, after));
  num = WriteOp::create(builder, loc, DecayOp::create(builder, loc, num, log, "value"), ValueRange(), mul(weight, v));
  den = WriteOp::create(builder, loc, DecayOp::create(builder, loc, den, log, "value"), ValueRange(), weight);
  YieldOp::create(builder, loc, ValueRange{o, num, den, m});
}
