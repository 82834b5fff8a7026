// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Read, write, decay, transform, set: the one typing rule (the state type gives every other type) and what it leaves.
#include "dialect/Rwkv/RwkvAsm.h"

using namespace mlir;
using namespace rwkv;

StateType rwkv::parseStateType(OpAsmParser &parser, Type &type) {
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseType(type)) {
    return {};
  }
  auto state = dyn_cast<StateType>(type);
  if (!state) {
    parser.emitError(loc, "expected a !rwkv.state type, but got ") << type;
  }
  return state;
}

ParseResult rwkv::parseState(OpAsmParser &parser, Type &state) { return failure(!parseStateType(parser, state)); }

void rwkv::printState(OpAsmPrinter &printer, Operation *, Type state) { printer << state; }

ParseResult rwkv::deriveKeyTypes(OpAsmParser &parser, StringRef op, StateType state, const AsmOperands &keys,
                                 AsmTypes &keyTypes) {
  if (keys.size() != state.getKeys().size()) {
    return parser.emitError(parser.getNameLoc(), "'")
           << op << "' expected " << state.getKeys().size() << " key(s) for the key axes of " << state << ", but got "
           << keys.size();
  }
  for (unsigned axis = 0; axis < keys.size(); ++axis) {
    keyTypes.push_back(state.getKeyType(axis));
  }
  return success();
}

ParseResult rwkv::parseReadTypes(OpAsmParser &parser, Type &stateType, const AsmOperands &keys,
                                 SmallVectorImpl<Type> &keyTypes, Type &valueType) {
  StateType state = parseStateType(parser, stateType);
  if (!state || deriveKeyTypes(parser, "rwkv.read", state, keys, keyTypes)) {
    return failure();
  }
  valueType = state.getValueType();
  return success();
}

void rwkv::printReadTypes(OpAsmPrinter &printer, Operation *, Type state, OperandRange, TypeRange, Type) {
  printer << state;
}

ParseResult rwkv::parseWriteTypes(OpAsmParser &parser, Type &stateType, const AsmOperands &keys,
                                  SmallVectorImpl<Type> &keyTypes, Type &valueType,
                                  const std::optional<AsmOperand> &scale, Type &scaleType) {
  StateType state = parseStateType(parser, stateType);
  if (!state || deriveKeyTypes(parser, "rwkv.write", state, keys, keyTypes)) {
    return failure();
  }
  valueType = state.getValueType();
  if (scale) {
    scaleType = state.getElementType();
  }
  return success();
}

void rwkv::printWriteTypes(OpAsmPrinter &printer, Operation *, Type state, OperandRange, TypeRange, Type, Value, Type) {
  printer << state;
}

/// The type of a decay's operand for this axis, or null if the state has no such axis.
static Type getDecayType(StateType state, StringRef axis) {
  if (axis == "all") {
    return state.getElementType();
  }
  if (axis == "value") {
    return state.getValueType();
  }
  if (axis == "each") {
    return state.getTensorType();
  }
  unsigned key = 0;
  if (axis.consume_front("key") && !axis.getAsInteger(10, key) && key < state.getKeys().size()) {
    return state.getKeyType(key);
  }
  return {};
}

ParseResult rwkv::parseDecayTypes(OpAsmParser &parser, Type &stateType, StringAttr axis, Type &logType) {
  StateType state = parseStateType(parser, stateType);
  if (!state) {
    return failure();
  }
  logType = getDecayType(state, axis.getValue());
  if (!logType) {
    return parser.emitError(parser.getNameLoc(), "expected axis key0..keyN, value, all or each, but got '")
           << axis.getValue() << "' for " << state;
  }
  return success();
}

void rwkv::printDecayTypes(OpAsmPrinter &printer, Operation *, Type state, StringAttr, Type) { printer << state; }

ParseResult rwkv::parseSetTypes(OpAsmParser &parser, Type &stateType, Type &valueType) {
  StateType state = parseStateType(parser, stateType);
  if (!state) {
    return failure();
  }
  valueType = state.getTensorType();
  return success();
}

void rwkv::printSetTypes(OpAsmPrinter &printer, Operation *, Type state, Type) { printer << state; }

ParseResult rwkv::parseMaximumTypes(OpAsmParser &parser, Type &stateType, Type &addedType, Type &valueType) {
  addedType = {};
  ParseResult result = parseSetTypes(parser, stateType, valueType);
  addedType = valueType;
  return result;
}

void rwkv::printMaximumTypes(OpAsmPrinter &printer, Operation *, Type state, Type, Type) { printer << state; }

ParseResult rwkv::parseHoldTypes(OpAsmParser &parser, Type &stateType, Type &sourceType, Type &counterType) {
  StateType state = parseStateType(parser, stateType);
  if (!state) {
    return failure();
  }
  sourceType = state;
  counterType = state.getCounterType();
  return success();
}

void rwkv::printHoldTypes(OpAsmPrinter &printer, Operation *, Type state, Type, Type) { printer << state; }

// The generic form can say anything: the rules once more as verifiers.

LogicalResult rwkv::verifyType(Operation *op, StringRef what, Type expected, Type found) {
  if (expected != found) {
    return op->emitOpError("expected ") << what << " of type " << expected << ", but got " << found;
  }
  return success();
}

LogicalResult rwkv::verifyKeys(Operation *op, StateType state, OperandRange keys) {
  if (keys.size() != state.getKeys().size()) {
    return op->emitOpError("expected ") << state.getKeys().size() << " key(s) for the key axes of " << state
                                        << ", but got " << keys.size();
  }
  for (auto [axis, key] : llvm::enumerate(keys)) {
    if (failed(verifyType(op, "key " + std::to_string(axis), state.getKeyType(axis), key.getType()))) {
      return failure();
    }
  }
  return success();
}

void ReadOp::build(OpBuilder &builder, OperationState &result, Value state, ValueRange keys) {
  build(builder, result, cast<StateType>(state.getType()).getValueType(), state, keys);
}

LogicalResult ReadOp::verify() {
  StateType state = getState().getType();
  if (failed(verifyKeys(*this, state, getKeys()))) {
    return failure();
  }
  return verifyType(*this, "result", state.getValueType(), getValue().getType());
}

void WriteOp::build(OpBuilder &builder, OperationState &result, Value state, ValueRange keys, Value value,
                    Value scale) {
  build(builder, result, state.getType(), state, keys, value, scale);
}

LogicalResult WriteOp::verify() {
  StateType state = getState().getType();
  if (failed(verifyKeys(*this, state, getKeys())) ||
      failed(verifyType(*this, "value", state.getValueType(), getValue().getType()))) {
    return failure();
  }
  return getScale() ? verifyType(*this, "scale", state.getElementType(), getScale().getType()) : success();
}

void DecayOp::build(OpBuilder &builder, OperationState &result, Value state, Value log, StringRef axis) {
  build(builder, result, state.getType(), state, log, builder.getStringAttr(axis), ArrayAttr(), UnitAttr());
}

LogicalResult DecayOp::verify() {
  StateType state = getState().getType();
  Type expected = getDecayType(state, getAxis());
  if (!expected) { // decay_c1
    return emitOpError("expected axis key0..keyN, value, all or each, but got '") << getAxis() << "' for " << state;
  }
  if (failed(verifyType(*this, "decay", expected, getLog().getType()))) {
    return failure();
  }
  if (getCertified() && !getBound()) { // decay_c3
    return emitOpError("expected a bound that is certified, but got none");
  }
  if (auto bound = getBound()) { // decay_c2
    if (bound->size() != 2) {
      return emitOpError("expected a bound of two numbers [lo, hi], but got ") << bound->size();
    }
    APFloat lo = cast<FloatAttr>((*bound)[0]).getValue(), hi = cast<FloatAttr>((*bound)[1]).getValue();
    if (!(lo <= hi)) {
      return emitOpError("expected a bound [lo, hi] with lo <= hi, but got ") << *bound;
    }
  }
  return success();
}

LogicalResult TransformOp::verify() {
  StateType state = getState().getType();
  StringRef axis = getAxis();
  unsigned key = 0;
  if (!axis.consume_front("key") || axis.getAsInteger(10, key) || key >= state.getKeys().size()) { // transform_c1
    return emitOpError("expected axis key0..keyN, but got '") << getAxis() << "' for " << state;
  }
  auto matrix = cast<RankedTensorType>(getMatrix().getType());
  int64_t size = state.getKeys()[key];
  if (matrix.getRank() != 3 || matrix.getDimSize(1) != matrix.getDimSize(2) ||
      matrix.getElementType() != state.getElementType()) { // transform_c2
    return emitOpError("expected square blocks tensor<")
           << "n x p x p x " << state.getElementType() << ">, but got " << matrix;
  }
  int64_t block = matrix.getDimSize(1);
  if (!ShapedType::isDynamic(size) && !ShapedType::isDynamic(block) && (block == 0 || size % block != 0)) {
    return emitOpError("expected blocks that cover the ")
           << size << " rows of " << getAxis() << ", but got blocks of " << block;
  }
  if (!ShapedType::isDynamic(size) && matrix.hasStaticShape() && matrix.getDimSize(0) * matrix.getDimSize(1) != size) {
    return emitOpError("expected blocks that cover the ") << size << " rows of " << getAxis() << ", but got "
                                                          << matrix.getDimSize(0) << " of " << matrix.getDimSize(1);
  }
  return success();
}

LogicalResult SetOp::verify() {
  return verifyType(*this, "value", getState().getType().getTensorType(), getValue().getType());
}

LogicalResult MaximumOp::verify() {
  Type expected = getState().getType().getTensorType();
  return failure(failed(verifyType(*this, "added value", expected, getAdded().getType())) ||
                 failed(verifyType(*this, "value", expected, getValue().getType())));
}

LogicalResult CountOp::verify() {
  StateType state = getState().getType();
  if (state != state.getCounterType()) { // count_c1
    return emitOpError("expected a state of one number, ") << state.getCounterType() << ", but got " << state;
  }
  constexpr int64_t kLongest = 1 << 24;
  auto every = static_cast<int64_t>(getEvery());
  if (every < 1 || every > kLongest) { // count_c2
    return emitOpError("expected a period of 1 to ") << kLongest << " tokens, but got " << every;
  }
  return success();
}

LogicalResult HoldOp::verify() {
  StateType state = getState().getType();
  return failure(failed(verifyType(*this, "source", state, getSource().getType())) ||
                 failed(verifyType(*this, "counter", state.getCounterType(), getCounter().getType())));
}

// ---- what they do, for analyses and expansions

static StateStep makeStep(StateStep::Kind kind, Operation *op) {
  StateStep step;
  step.kind = kind;
  step.op = op;
  step.state = op->getOperand(0);
  step.result = op->getResult(0);
  return step;
}

StateStep ReadOp::getStep() {
  StateStep step = makeStep(StateStep::Kind::read, *this);
  step.keys.assign(getKeys().begin(), getKeys().end());
  return step;
}

StateStep WriteOp::getStep() {
  StateStep step = makeStep(StateStep::Kind::write, *this);
  step.keys.assign(getKeys().begin(), getKeys().end());
  step.value = getValue();
  step.scale = getScale();
  return step;
}

/// "key<x>" sets the axis and its number.
static void setStepAxis(StateStep &step, StringRef axis) {
  if (axis.consume_front("key")) {
    step.axis = StateStep::Axis::key;
    (void)axis.getAsInteger(10, step.key);
  } else {
    step.axis = axis == "value"  ? StateStep::Axis::value
                : axis == "each" ? StateStep::Axis::each
                                 : StateStep::Axis::all;
  }
}

StateStep DecayOp::getStep() {
  StateStep step = makeStep(StateStep::Kind::decay, *this);
  step.factor = getLog();
  setStepAxis(step, getAxis());
  if (auto bound = getBound()) {
    step.bound = {cast<FloatAttr>((*bound)[0]).getValueAsDouble(), cast<FloatAttr>((*bound)[1]).getValueAsDouble()};
    step.isCertified = getCertified();
  }
  return step;
}

StateStep TransformOp::getStep() {
  StateStep step = makeStep(StateStep::Kind::transform, *this);
  step.factor = getMatrix();
  setStepAxis(step, getAxis());
  step.isIsometric = getOrthogonal();
  return step;
}

StateStep MaximumOp::getStep() {
  StateStep step = makeStep(StateStep::Kind::maximum, *this);
  step.factor = getAdded();
  step.value = getValue();
  return step;
}

StateStep SetOp::getStep() {
  StateStep step = makeStep(StateStep::Kind::overwrite, *this);
  step.value = getValue();
  return step;
}

StateStep CountOp::getStep() {
  StateStep step = makeStep(StateStep::Kind::count, *this);
  step.period = getEvery();
  return step;
}

StateStep HoldOp::getStep() {
  StateStep step = makeStep(StateStep::Kind::hold, *this);
  step.source = getSource();
  step.counter = getCounter();
  return step;
}
