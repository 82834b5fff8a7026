// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Keys that are mapped to features: every degree of them is a state of its own, whose key axes all get the same key.
#include "dialect/Rwkv/RwkvAsm.h"

using namespace mlir;
using namespace rwkv;

/// The states of a map, given the last one.
static SmallVector<Type> getStateTypes(StateType last, size_t count) {
  ArrayRef<int64_t> keys = last.getKeys();
  SmallVector<Type> types;
  for (size_t before = count; before-- > 0;) {
    size_t axes = keys.size() - std::min(before, keys.size());
    types.push_back(StateType::get(last.getContext(), keys.take_front(axes), last.getValue(), last.getElementType()));
  }
  return types;
}

static ParseResult parseFeatureTypes(OpAsmParser &parser, const AsmOperands &states, AsmTypes &stateTypes, Type &key,
                                     Type &value) {
  SMLoc loc = parser.getCurrentLocation();
  Type type;
  StateType last = parseStateType(parser, type);
  if (!last) {
    return failure();
  }
  if (states.empty() || last.getKeys().empty()) { // feature_c2
    return parser.emitError(loc, "expected a state with a key axis to be the last of one or more, but got ")
           << states.size() << " and " << last;
  }
  llvm::append_range(stateTypes, getStateTypes(last, states.size()));
  key = last.getKeyType(0);
  value = last.getValueType();
  return success();
}

ParseResult rwkv::parseFeatureReadTypes(OpAsmParser &parser, const AsmOperands &states, AsmTypes &stateTypes, Type &key,
                                        Type &value) {
  return parseFeatureTypes(parser, states, stateTypes, key, value);
}

void rwkv::printFeatureReadTypes(OpAsmPrinter &printer, Operation *, OperandRange, TypeRange states, Type, Type) {
  printer << states.back();
}

ParseResult rwkv::parseFeatureWriteTypes(OpAsmParser &parser, const AsmOperands &states, AsmTypes &stateTypes,
                                         Type &key, Type &value, const std::optional<AsmOperand> &scale,
                                         Type &scaleType, AsmTypes &results) {
  if (parseFeatureTypes(parser, states, stateTypes, key, value)) {
    return failure();
  }
  if (scale) {
    scaleType = cast<StateType>(stateTypes.back()).getElementType();
  }
  llvm::append_range(results, stateTypes);
  return success();
}

void rwkv::printFeatureWriteTypes(OpAsmPrinter &printer, Operation *, OperandRange, TypeRange states, Type, Type, Value,
                                  Type, TypeRange) {
  printer << states.back();
}

static LogicalResult verifyFeatures(Operation *op, FeatureMap map, TypeRange states, Value key, Value value) {
  if (states.empty()) {
    return op->emitOpError("expected at least one state, but got none");
  }
  auto last = cast<StateType>(states.back());
  if (last.getKeys().empty() || !llvm::all_equal(last.getKeys())) { // feature_c1
    return op->emitOpError("expected a last state with key axes of one size, but got ") << last;
  }
  size_t expected = map == FeatureMap::power ? 1 : last.getKeys().size() + 1;
  if (states.size() != expected) { // feature_c2
    return op->emitOpError("expected ") << expected << " state(s) of the map '" << stringifyFeatureMap(map)
                                        << "' up to " << last << ", but got " << states.size();
  }
  for (auto [i, type] : llvm::enumerate(getStateTypes(last, states.size()))) {
    if (failed(verifyType(op, "state " + std::to_string(i), type, states[i]))) { // feature_c2
      return failure();
    }
  }
  return failure(failed(verifyType(op, "key", last.getKeyType(0), key.getType())) ||
                 failed(verifyType(op, "value", last.getValueType(), value.getType())));
}

// ---- write

LogicalResult FeatureWriteOp::verify() {
  if (failed(verifyFeatures(*this, getMap(), getStates().getTypes(), getKey(), getValue()))) {
    return failure();
  }
  if (getResultTypes() != getStates().getTypes()) {
    return emitOpError("expected results of the types of the states, ")
           << getStates().getTypes() << ", but got " << getResultTypes();
  }
  Type element = cast<StateType>(getStates().back().getType()).getElementType();
  return getScale() ? verifyType(*this, "scale", element, getScale().getType()) : success();
}

SmallVector<Value> FeatureWriteOp::expand(OpBuilder &builder) {
  return llvm::map_to_vector(getStates(), [&](Value state) -> Value {
    SmallVector<Value> keys = getKeysOf(cast<StateType>(state.getType()));
    return WriteOp::create(builder, getLoc(), state, keys, getValue(), getScale());
  });
}

// ---- read

LogicalResult FeatureReadOp::verify() {
  return verifyFeatures(*this, getMap(), getStates().getTypes(), getKey(), getValue());
}

SmallVector<Value> FeatureReadOp::expand(OpBuilder &builder) {
  Value sum;
  double factorial = 1.0;
  for (auto [degree, state] : llvm::enumerate(getStates())) {
    Value read = ReadOp::create(builder, getLoc(), state, getKeysOf(cast<StateType>(state.getType())));
    factorial *= std::max<double>(1.0, static_cast<double>(degree));
    if (factorial > 1.0) {
      Value factor = FillOp::create(builder, getLoc(), read.getType(), builder.getF64FloatAttr(1.0 / factorial));
      read = arith::MulFOp::create(builder, getLoc(), read, factor);
    }
    sum = sum ? arith::AddFOp::create(builder, getLoc(), sum, read).getResult() : read;
  }
  return {sum};
}
