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
  static constexpr std::pair<StringLiteral, Compare> kCompares[] = {{"==", Compare::eq}, {"!=", Compare::ne},
                                                                    {"<=", Compare::le}, {">=", Compare::ge},
                                                                    {"<", Compare::lt},  {">", Compare::gt}};
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
  SmallVector<StringRef> keys; // weight_c4
  getKey().split(keys, '|');
  if (llvm::any_of(keys, [&](StringRef key) { return key.contains("{l}") != isPerLayer(); })) {
    return emitOpError("expected {l} in all keys or in none, but got \"") << getKey() << "\"";
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

static int64_t getRank(WeightOp weight) {
  auto dims = dyn_cast<DimsAttr>(weight.getShape());
  return dims ? dims.getNames().size() : weight.getStoredType().getRank();
}

static int64_t getRank(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &tables) {
  FailureOr<WeightOp> weight = lookupWeight(*this, getWeightAttr(), tables);
  if (failed(weight)) {
    return failure();
  }
  auto on = getOn();
  auto type = cast<RankedTensorType>(getType());
  RankedTensorType stored = weight->getStoredType();
  bool fits = !on || static_cast<int64_t>(on->size()) == getRank(*weight);
  for (size_t axis = 0; on && fits && axis < on->size(); ++axis) {
    int64_t position = (*on)[axis];
    fits = position >= 0 && position < type.getRank() && (axis == 0 || (*on)[axis - 1] < position) &&
           (!stored || type.isDynamicDim(position) || type.getDimSize(position) == stored.getDimSize(axis));
  }
  if (!fits) {
    return emitOpError("expected the axes of ")
           << getWeightAttr() << ", " << weight->getShape() << ", to be axes of " << type << " in the same order";
  }
  return success();
}

LogicalResult EmbedOp::verifySymbolUses(SymbolTableCollection &tables) {
  FailureOr<WeightOp> weight = lookupWeight(*this, getWeightAttr(), tables);
  if (failed(weight)) {
    return failure();
  }
  if (getRank(*weight) != 2) {
    return emitOpError("expected a weight of two axes, but got ") << getWeightAttr() << " " << weight->getShape();
  }
  if (getRank(getResult()) != getRank(getTokens()) + 1) {
    return emitOpError("expected a result of the axes of ")
           << getTokens().getType() << " and one more, but got " << getType();
  }
  return success();
}

LogicalResult LinearOp::verifySymbolUses(SymbolTableCollection &tables) {
  FailureOr<WeightOp> weight = lookupWeight(*this, getWeightAttr(), tables);
  if (failed(weight)) {
    return failure();
  }
  if (getRank(*weight) != 2) {
    return emitOpError("expected a weight of two axes, but got ") << getWeightAttr() << " " << weight->getShape();
  }
  if (getRank(getX()) < 1) {
    return emitOpError("expected an operand of rank >= 1, but got ") << getX().getType();
  }
  if (getRank(getResult()) != getRank(getX())) {
    return emitOpError("expected a result of the axes of ")
           << getX().getType() << " but the last, but got " << getType();
  }
  return success();
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
  auto differ = [](int64_t a, int64_t b) { return !ShapedType::isDynamic(a) && !ShapedType::isDynamic(b) && a != b; };
  if (x.getRank() < 2 || last.getRank() != x.getRank() - 1 ||
      (!packed && differ(x.getDimSize(0), last.getDimSize(0))) ||
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
    // Sizes are compared once the names are solved; batch, time and sequences stay.
    auto openAxes = [](RankedTensorType type) {
      ArrayRef<StringAttr> names = getAxisNames(type);
      return names.take_while(
          [](StringAttr name) { return name.getValue() == "B" || name.getValue() == "T" || name.getValue() == "S"; });
    };
    if (openAxes(from) != openAxes(to)) {
      return emitOpError("expected the same leading axes, but got ") << from << " and " << to;
    }
    return success();
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

LogicalResult ModelOp::verifyRegions() {
  for (Operation &op : getBody().front()) {
    if (!isa<WeightOp, ParamOp, DimOp, func::FuncOp>(op)) {
      return op.emitOpError("expected only rwkv.weight, rwkv.param, rwkv.dim and func.func in a 'rwkv.model'");
    }
  }
  return success();
}

LogicalResult FusedOp::verify() {
  auto yield = dyn_cast_or_null<YieldOp>(getBody().front().empty() ? nullptr : &getBody().front().back());
  if (!yield || yield.getOperandTypes() != getResultTypes()) {
    return emitOpError("expected the body to end with 'rwkv.yield' of the result types");
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
