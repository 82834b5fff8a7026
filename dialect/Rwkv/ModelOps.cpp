// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialect/Rwkv/RwkvDialect.h"

using namespace mlir;
using namespace rwkv;

// ---- conditions on the layer index

std::optional<LayerCondition> LayerCondition::parse(StringRef text, std::string &error) {
  StringRef rest = text.trim();
  auto fail = [&]() {
    error = "expected a condition 'l <op> <integer>' with one of == != < <= > >=, but got '" + text.str() + "'";
    return std::nullopt;
  };
  if (!rest.consume_front("l")) {
    return fail();
  }
  rest = rest.ltrim();
  static constexpr std::pair<StringLiteral, Compare> kCompares[] = {
      {"==", Compare::eq}, {"!=", Compare::ne}, {"<=", Compare::le},
      {">=", Compare::ge}, {"<", Compare::lt},  {">", Compare::gt}};
  for (auto [spelling, compare] : kCompares) {
    if (rest.consume_front(spelling)) {
      LayerCondition condition{compare, 0};
      if (rest.trim().getAsInteger(10, condition.value)) {
        return fail();
      }
      return condition;
    }
  }
  return fail();
}

bool LayerCondition::holds(int64_t layer) const {
  switch (compare) {
  case Compare::eq:
    return layer == value;
  case Compare::ne:
    return layer != value;
  case Compare::lt:
    return layer < value;
  case Compare::le:
    return layer <= value;
  case Compare::gt:
    return layer > value;
  case Compare::ge:
    return layer >= value;
  }
  llvm_unreachable("all comparisons are handled");
}

// ---- declarations

RankedTensorType WeightOp::getStoredType() {
  auto type = dyn_cast<TypeAttr>(getShape());
  return type ? dyn_cast<RankedTensorType>(type.getValue()) : RankedTensorType();
}

LogicalResult WeightOp::verify() {
  auto dims = dyn_cast<DimsAttr>(getShape());
  RankedTensorType stored = getStoredType();
  if (!dims && (!stored || !stored.hasStaticShape())) { // weight_c1
    return emitOpError("expected a shape #rwkv.dims<..> or a static tensor type, but got ") << getShape();
  }
  int64_t rank = dims ? dims.getNames().size() : stored.getRank();
  if (getTransposed() && rank != 2) { // weight_c2
    return emitOpError("expected two axes of a 'transposed' weight, but got ") << rank;
  }
  if (auto when = getWhen()) { // weight_c3
    std::string error;
    if (!LayerCondition::parse(*when, error)) {
      return emitOpError() << error;
    }
    if (!isPerLayer()) {
      return emitOpError("expected a key with {l} for a weight with 'when', but got \"") << getKey() << "\"";
    }
  }
  return success();
}

// ---- ops that use weights

static FailureOr<WeightOp> lookupWeight(Operation *op, FlatSymbolRefAttr name, SymbolTableCollection &tables) {
  auto weight = tables.lookupNearestSymbolFrom<WeightOp>(op, name);
  if (!weight) {
    return op->emitOpError("expected the name of a 'rwkv.weight', but got ") << name;
  }
  return weight;
}

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &tables) {
  return lookupWeight(*this, getWeightAttr(), tables);
}
LogicalResult EmbedOp::verifySymbolUses(SymbolTableCollection &tables) {
  return lookupWeight(*this, getWeightAttr(), tables);
}
LogicalResult LinearOp::verifySymbolUses(SymbolTableCollection &tables) {
  return lookupWeight(*this, getWeightAttr(), tables);
}
LogicalResult LerpOp::verifySymbolUses(SymbolTableCollection &tables) {
  return lookupWeight(*this, getWeightAttr(), tables);
}
LogicalResult NormOp::verifySymbolUses(SymbolTableCollection &tables) {
  if (failed(lookupWeight(*this, getScaleAttr(), tables)) || failed(lookupWeight(*this, getBiasAttr(), tables))) {
    return failure();
  }
  if (!tables.lookupNearestSymbolFrom<ParamOp>(*this, getEpsAttr())) {
    return emitOpError("expected the name of a 'rwkv.param' as eps, but got ") << getEpsAttr();
  }
  return success();
}

LogicalResult NormOp::verify() { return resolveAxis(*this, getAxis(), getX().getType()); }
LogicalResult L2NormOp::verify() { return resolveAxis(*this, getAxis(), getX().getType()); }

/// Checks that `last` is `x` without its axis 1 and, with a reset, with S in place of B.
static LogicalResult verifyPerSequence(Operation *op, StringRef what, Type xType, Type lastType, bool packed) {
  auto x = cast<RankedTensorType>(xType), last = cast<RankedTensorType>(lastType);
  auto mismatch = [&]() {
    return op->emitOpError("expected ") << what << " to be " << xType << " without its time axis"
                                        << (packed ? ", with S in place of B" : "") << ", but got " << lastType;
  };
  if (x.getRank() < 2 || last.getRank() != x.getRank() - 1 ||
      last.getShape().drop_front() != x.getShape().drop_front(2) || last.getElementType() != x.getElementType()) {
    return mismatch();
  }
  ArrayRef<StringAttr> xNames = getAxisNames(x), lastNames = getAxisNames(last);
  if (xNames.empty() != lastNames.empty()) {
    return mismatch();
  }
  if (!xNames.empty() && (lastNames.drop_front() != xNames.drop_front(2) ||
                          lastNames[0].getValue() != (packed ? StringRef("S") : xNames[0].getValue()))) {
    return mismatch();
  }
  return success();
}

LogicalResult TokenShiftOp::verify() { // token_shift_c1
  return verifyPerSequence(*this, "'last'", getX().getType(), getLast().getType(), bool(getReset()));
}

LogicalResult LastOp::verify() {
  return verifyPerSequence(*this, "the result", getX().getType(), getResult().getType(), bool(getReset()));
}

LogicalResult ReshapeOp::verify() {
  auto from = cast<RankedTensorType>(getX().getType()), to = cast<RankedTensorType>(getResult().getType());
  auto mismatch = [&]() {
    return emitOpError("expected equal numbers of elements per token, but got ") << from << " and " << to;
  };
  if (from.getElementType() != to.getElementType()) {
    return mismatch();
  }
  if (!getAxisNames(from).empty() || !getAxisNames(to).empty()) {
    return success(); // sizes are compared once the names are solved
  }
  auto features = [](RankedTensorType type) {
    int64_t product = 1;
    for (int64_t size : type.getShape()) {
      product *= ShapedType::isDynamic(size) ? 1 : size;
    }
    return product;
  };
  if (from.getNumDynamicDims() != to.getNumDynamicDims() || features(from) != features(to)) {
    return mismatch();
  }
  return success();
}

LogicalResult WhenOp::verify() {
  std::string error;
  if (!LayerCondition::parse(getCondition(), error)) {
    return emitOpError() << error;
  }
  for (Region *region : getRegions()) {
    auto yield = dyn_cast_or_null<YieldOp>(region->front().empty() ? nullptr : &region->front().back());
    if (!yield || yield.getOperandTypes() != getResultTypes()) { // when_c1
      return emitOpError("expected both regions to end with 'rwkv.yield' of the result types");
    }
  }
  return success();
}
