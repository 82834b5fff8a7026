// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ops that are short for several others: what they are short for.
#include "dialect/Rwkv/RwkvAsm.h"

using namespace mlir;
using namespace rwkv;

// ---- delta

ParseResult rwkv::parseDeltaTypes(OpAsmParser &parser, Type &stateType, const AsmOperands &keys, AsmTypes &keyTypes,
                                  Type &valueType, const std::optional<AsmOperand> &scale, Type &scaleType,
                                  const AsmOperands &readKeys, AsmTypes &readKeyTypes) {
  StateType state = parseStateType(parser, stateType);
  if (!state || deriveKeyTypes(parser, "rwkv.delta", state, keys, keyTypes)) {
    return failure();
  }
  if (!readKeys.empty() && deriveKeyTypes(parser, "rwkv.delta", state, readKeys, readKeyTypes)) {
    return failure();
  }
  valueType = state.getValueType();
  if (scale) {
    scaleType = state.getElementType();
  }
  return success();
}

void rwkv::printDeltaTypes(OpAsmPrinter &printer, Operation *, Type state, OperandRange, TypeRange, Type, Value, Type,
                           OperandRange, TypeRange) {
  printer << state;
}

LogicalResult DeltaOp::verify() {
  StateType state = getState().getType();
  if (failed(verifyKeys(*this, state, getKeys())) ||
      failed(verifyType(*this, "value", state.getValueType(), getValue().getType())) ||
      (!getReadKeys().empty() && failed(verifyKeys(*this, state, getReadKeys())))) {
    return failure();
  }
  return getScale() ? verifyType(*this, "scale", state.getElementType(), getScale().getType()) : success();
}

SmallVector<Value> DeltaOp::expand(OpBuilder &builder) {
  Value read = ReadOp::create(builder, getLoc(), getState(), getReadKeys().empty() ? getKeys() : getReadKeys());
  Value error = arith::SubFOp::create(builder, getLoc(), getValue(), read);
  return {WriteOp::create(builder, getLoc(), getState(), getKeys(), error, getScale())};
}

// ---- normalizer

ParseResult rwkv::parseNormalizerTypes(OpAsmParser &parser, Type &stateType, Type &weightsType, const AsmOperands &keys,
                                       AsmTypes &keyTypes, const std::optional<AsmOperand> &floor, Type &floorType,
                                       Type &valueType) {
  StateType state = parseStateType(parser, stateType);
  if (!state || deriveKeyTypes(parser, "rwkv.normalizer", state, keys, keyTypes)) {
    return failure();
  }
  weightsType = state.getWeightsType();
  valueType = state.getValueType();
  if (floor) {
    floorType = state.getElementType();
  }
  return success();
}

void rwkv::printNormalizerTypes(OpAsmPrinter &printer, Operation *, Type state, Type, OperandRange, TypeRange, Value,
                                Type, Type) {
  printer << state;
}

LogicalResult NormalizerOp::verify() {
  StateType state = getState().getType();
  if (failed(verifyType(*this, "weights", state.getWeightsType(), getWeights().getType())) || // normalizer_c1
      failed(verifyKeys(*this, state, getKeys())) ||
      failed(verifyType(*this, "result", state.getValueType(), getValue().getType()))) {
    return failure();
  }
  return getFloor() ? verifyType(*this, "floor", state.getElementType(), getFloor().getType()) : success();
}

SmallVector<Value> NormalizerOp::expand(OpBuilder &builder) {
  Location loc = getLoc();
  StateType state = getState().getType();
  Value sum = ReadOp::create(builder, loc, getState(), getKeys());
  Value weights = ReadOp::create(builder, loc, getWeights(), getKeys());
  Value weight = SumOp::create(builder, loc, state.getElementType(), weights, builder.getI64IntegerAttr(0));
  if (getFloor()) {
    weight = arith::MaximumFOp::create(builder, loc, math::AbsFOp::create(builder, loc, weight), getFloor());
  }
  Value all = BroadcastOp::create(builder, loc, state.getValueType(), weight, DenseI64ArrayAttr());
  return {arith::DivFOp::create(builder, loc, sum, all)};
}

// ---- slots

/// base + sum of x * e_i e_j^T over (x, i, j), as the one block of a transform of `slots` slots.
static Value buildSlotMatrix(OpBuilder &builder, Location loc, Type element, int64_t slots, ArrayRef<double> diagonal,
                             ArrayRef<std::tuple<Value, int64_t, int64_t>> entries) {
  auto type = RankedTensorType::get({1, slots, slots}, element);
  auto constant = [&](function_ref<double(int64_t, int64_t)> at) -> Value {
    SmallVector<Attribute> values;
    for (int64_t i = 0; i < slots * slots; ++i) {
      values.push_back(FloatAttr::get(element, at(i / slots, i % slots)));
    }
    return arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(type, values));
  };
  Value matrix = constant([&](int64_t i, int64_t j) { return i == j ? diagonal[i] : 0.0; });
  for (const auto &entry : entries) {
    auto [x, row, column] = entry;
    int64_t place = row * slots + column;
    Value unit = constant([&](int64_t i, int64_t j) { return i * slots + j == place ? 1.0 : 0.0; });
    Value all = BroadcastOp::create(builder, loc, type, x, DenseI64ArrayAttr());
    matrix = arith::AddFOp::create(builder, loc, matrix, arith::MulFOp::create(builder, loc, all, unit));
  }
  return matrix;
}

ParseResult rwkv::parseSlotTypes(OpAsmParser &parser, Type &stateType, Type &xType) {
  StateType state = parseStateType(parser, stateType);
  if (!state) {
    return failure();
  }
  xType = state.getElementType();
  return success();
}

void rwkv::printSlotTypes(OpAsmPrinter &printer, Operation *, Type state, Type) { printer << state; }

LogicalResult MixOp::verify() {
  StateType state = getState().getType();
  int64_t slots = state.getKeys().empty() ? 0 : state.getKeys()[0];
  auto from = static_cast<int64_t>(getFrom()), to = static_cast<int64_t>(getTo());
  auto isSlot = [&](int64_t i) { return i >= 0 && i < slots; };
  if (!isSlot(from) || !isSlot(to) || from == to) { // mix_c1
    return emitOpError("expected two different slots of the first key axis of ")
           << state << ", but got from " << from << " to " << to;
  }
  return verifyType(*this, "x", state.getElementType(), getX().getType());
}

SmallVector<Value> MixOp::expand(OpBuilder &builder) {
  StateType state = getState().getType();
  SmallVector<double> ones(state.getKeys()[0], 1.0);
  Value matrix = buildSlotMatrix(builder, getLoc(), state.getElementType(), state.getKeys()[0], ones,
                                 {{getX(), static_cast<int64_t>(getTo()), static_cast<int64_t>(getFrom())}});
  return {TransformOp::create(builder, getLoc(), state, getState(), matrix, "key0")};
}

ParseResult rwkv::parseMomentumTypes(OpAsmParser &parser, Type &stateType, const AsmOperands &keys, AsmTypes &keyTypes,
                                     Type &valueType, const std::optional<AsmOperand> &scale, Type &scaleType,
                                     Type &etaType, Type &alphaType) {
  StateType state = parseStateType(parser, stateType);
  if (!state) {
    return failure();
  }
  if (keys.size() + 1 != state.getKeys().size()) {
    return parser.emitError(parser.getNameLoc(), "'rwkv.momentum' expected one key for each key axis of ")
           << state << " behind that of the slots, but got " << keys.size();
  }
  for (unsigned axis = 1; axis <= keys.size(); ++axis) {
    keyTypes.push_back(state.getKeyType(axis));
  }
  valueType = state.getValueType();
  etaType = alphaType = state.getElementType();
  if (scale) {
    scaleType = state.getElementType();
  }
  return success();
}

void rwkv::printMomentumTypes(OpAsmPrinter &printer, Operation *, Type state, OperandRange, TypeRange, Type, Value,
                              Type, Type, Type) {
  printer << state;
}

LogicalResult MomentumOp::verify() {
  StateType state = getState().getType();
  if (state.getKeys().empty() || state.getKeys()[0] != 2) { // momentum_c1
    return emitOpError("expected a state with two slots on its first key axis, but got ") << state;
  }
  if (getKeys().size() + 1 != state.getKeys().size()) {
    return emitOpError("expected one key for each key axis of ")
           << state << " behind that of the slots, but got " << getKeys().size();
  }
  for (auto [i, key] : llvm::enumerate(getKeys())) {
    if (failed(verifyType(*this, "key " + std::to_string(i), state.getKeyType(i + 1), key.getType()))) {
      return failure();
    }
  }
  if (failed(verifyType(*this, "value", state.getValueType(), getValue().getType()))) {
    return failure();
  }
  for (Value number : {getScale(), getEta(), getAlpha()}) {
    if (number && failed(verifyType(*this, "a scalar", state.getElementType(), number.getType()))) {
      return failure();
    }
  }
  return success();
}

SmallVector<Value> MomentumOp::expand(OpBuilder &builder) {
  Location loc = getLoc();
  StateType state = getState().getType();
  Type element = state.getElementType();
  auto transform = [&](Value x, ArrayRef<double> diagonal, ArrayRef<std::tuple<Value, int64_t, int64_t>> entries) {
    Value matrix = buildSlotMatrix(builder, loc, element, 2, diagonal, entries);
    return TransformOp::create(builder, loc, state, x, matrix, "key0").getResult();
  };
  auto slot = RankedTensorType::get({2}, element);
  SmallVector<Attribute> second = {FloatAttr::get(element, 0.0), FloatAttr::get(element, 1.0)};
  SmallVector<Value> keys = {arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(slot, second))};
  llvm::append_range(keys, getKeys());
  Value kept = transform(getState(), {1.0, 0.0}, {{getEta(), 1, 1}});
  Value pushed = WriteOp::create(builder, loc, kept, keys, getValue(), getScale());
  Value one = arith::ConstantOp::create(builder, loc, FloatAttr::get(element, 1.0));
  Value forget = arith::SubFOp::create(builder, loc, one, getAlpha());
  return {transform(pushed, {0.0, 1.0}, {{forget, 0, 0}, {one, 0, 1}})};
}
