// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/ExpandMath/Expansion.h"

using namespace mlir;
using namespace rwkv;

Expansion::Expansion(OpBuilder &builder, Location loc, Type type, const FloatNumbers &numbers)
    : builder(builder), loc(loc), type(type), numbers(numbers) {
  const Type element = builder.getIntegerType(getElementTypeOrSelf(type).getIntOrFloatBitWidth());
  auto shaped = dyn_cast<ShapedType>(type);
  intType = shaped ? shaped.clone(element) : element;
}

Value Expansion::splat(TypedAttr value, Type type) {
  if (auto shaped = dyn_cast<ShapedType>(type)) {
    value = SplatElementsAttr::get(shaped, Attribute(value));
  }
  return arith::ConstantOp::create(builder, loc, value);
}

Value Expansion::number(double value) { return splat(builder.getFloatAttr(getElementTypeOrSelf(type), value), type); }

Value Expansion::integer(int64_t value) {
  return splat(builder.getIntegerAttr(getElementTypeOrSelf(intType), value), intType);
}

Value Expansion::atMost(Value x, double bound) {
  const Value limit = number(bound);
  return select(compare(Predicate::OGT, x, limit), limit, x);
}

Value Expansion::atLeast(Value x, double bound) {
  const Value limit = number(bound);
  return select(compare(Predicate::OLT, x, limit), limit, x);
}

Value Expansion::horner(ArrayRef<double> coefficients, Value x) {
  Value sum = number(coefficients.back());
  for (double coefficient : llvm::reverse(coefficients.drop_back())) {
    sum = fma(sum, x, number(coefficient));
  }
  return sum;
}
