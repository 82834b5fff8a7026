// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialect/Rwkv/RwkvAsm.h"

using namespace mlir;
using namespace rwkv;

ParseResult rwkv::parseBoundOperands(OpAsmParser &parser, StringRef keyword, function_ref<Type(SMLoc, Type)> argType,
                                     SmallVectorImpl<OpAsmParser::Argument> &args, AsmOperands &operands,
                                     AsmTypes &types) {
  if (failed(parser.parseOptionalKeyword(keyword))) {
    return success();
  }
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, [&]() -> ParseResult {
    OpAsmParser::Argument arg;
    AsmOperand operand;
    Type type;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseArgument(arg) || parser.parseEqual() || parser.parseOperand(operand) ||
        parser.parseColonType(type)) {
      return failure();
    }
    arg.type = argType(loc, type);
    args.push_back(arg);
    operands.push_back(operand);
    types.push_back(type);
    return success(bool(arg.type));
  });
}

void rwkv::printBoundOperands(OpAsmPrinter &printer, StringRef keyword, ArrayRef<BlockArgument> args,
                              OperandRange operands) {
  if (operands.empty()) {
    return;
  }
  printer.printNewline();
  printer << "    " << keyword << "(";
  llvm::interleaveComma(llvm::zip_equal(args, operands), printer, [&](auto pair) {
    auto [arg, operand] = pair;
    printer.printOperand(arg);
    printer << " = " << operand << " : " << operand.getType();
  });
  printer << ")";
}

ParseResult rwkv::parseAxis(OpAsmParser &parser, Attribute &axis) {
  int64_t position = 0;
  OptionalParseResult integer = parser.parseOptionalInteger(position);
  if (integer.has_value()) {
    axis = parser.getBuilder().getI64IntegerAttr(position);
    return *integer;
  }
  // Not an attribute: "N" : type would be a typed string.
  std::string name;
  if (parser.parseString(&name)) {
    return failure();
  }
  axis = parser.getBuilder().getStringAttr(name);
  return success();
}

void rwkv::printAxis(OpAsmPrinter &printer, Operation *, Attribute axis) {
  if (auto position = dyn_cast<IntegerAttr>(axis)) {
    printer << position.getInt();
    return;
  }
  printer << axis;
}

ParseResult rwkv::parseDotTypes(OpAsmParser &parser, Type &lhs, Type &rhs) {
  if (parser.parseType(lhs)) {
    return failure();
  }
  rhs = lhs;
  return success();
}

void rwkv::printDotTypes(OpAsmPrinter &printer, Operation *, Type lhs, Type) { printer << lhs; }

FailureOr<int64_t> rwkv::resolveAxis(Operation *op, Attribute axis, Type type) {
  auto tensor = cast<RankedTensorType>(type);
  if (auto position = dyn_cast<IntegerAttr>(axis)) {
    if (position.getInt() < 0 || position.getInt() >= tensor.getRank()) {
      return op->emitOpError("expected an axis from 0 to ")
             << tensor.getRank() - 1 << " of " << type << ", but got " << position.getInt();
    }
    return position.getInt();
  }
  StringAttr name = cast<StringAttr>(axis);
  for (auto [position, candidate] : llvm::enumerate(getAxisNames(type))) {
    if (candidate == name) {
      return static_cast<int64_t>(position);
    }
  }
  return op->emitOpError("expected the name of an axis of ") << type << ", but got " << axis;
}

/// `type` without one axis; the element type if nothing is left.
static Type dropAxis(Type type, int64_t axis) {
  auto tensor = cast<RankedTensorType>(type);
  SmallVector<int64_t> shape(tensor.getShape());
  shape.erase(shape.begin() + axis);
  if (shape.empty()) {
    return tensor.getElementType();
  }
  Attribute encoding = tensor.getEncoding();
  if (ArrayRef<StringAttr> names = getAxisNames(type); !names.empty()) {
    SmallVector<StringAttr> rest(names);
    rest.erase(rest.begin() + axis);
    encoding = DimsAttr::get(type.getContext(), rest);
  }
  return RankedTensorType::get(shape, tensor.getElementType(), encoding);
}

LogicalResult SumOp::verify() {
  FailureOr<int64_t> axis = resolveAxis(*this, getAxis(), getX().getType()); // sum_c1
  if (failed(axis)) {
    return failure();
  }
  Type expected = dropAxis(getX().getType(), *axis);
  if (expected != getResult().getType()) { // sum_c2
    return emitOpError("expected a result of type ") << expected << ", but got " << getResult().getType();
  }
  return success();
}

SmallVector<int64_t> BroadcastOp::getPositions() {
  auto operand = dyn_cast<RankedTensorType>(getX().getType());
  if (!operand) {
    return {};
  }
  if (auto on = getOn()) {
    return SmallVector<int64_t>(*on);
  }
  SmallVector<int64_t> positions;
  ArrayRef<StringAttr> resultNames = getAxisNames(getResult().getType());
  for (StringAttr name : getAxisNames(operand)) {
    positions.push_back(llvm::find(resultNames, name) - resultNames.begin());
  }
  return positions;
}

LogicalResult BroadcastOp::verify() { // broadcast_c1
  auto operand = dyn_cast<RankedTensorType>(getX().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  Type element = operand ? operand.getElementType() : getX().getType();
  if (element != result.getElementType()) {
    return emitOpError("expected equal element types, but got ") << getX().getType() << " and " << result;
  }
  if (!operand) {
    return success();
  }
  SmallVector<int64_t> positions = getPositions();
  if (positions.size() != static_cast<size_t>(operand.getRank())) {
    return emitOpError("expected axis names or 'on' with ")
           << operand.getRank() << " position(s), but got " << positions.size();
  }
  for (auto [axis, position] : llvm::enumerate(positions)) {
    bool ascends = axis == 0 || positions[axis - 1] < position;
    if (position < 0 || position >= result.getRank() || !ascends ||
        result.getDimSize(position) != operand.getDimSize(axis)) {
      return emitOpError("expected axis ")
             << axis << " of " << operand << " to be an axis of " << result << ", in the same order";
    }
  }
  return success();
}

LogicalResult DotOp::verify() {
  auto lhs = cast<RankedTensorType>(getLhs().getType());
  if (lhs.getRank() != 1 || getRhs().getType() != lhs || getResult().getType() != lhs.getElementType()) {
    return emitOpError("expected two vectors of one type and their element type, but got ")
           << lhs << ", " << getRhs().getType() << " and " << getResult().getType();
  }
  return success();
}

LogicalResult MatvecOp::verify() {
  auto matrix = cast<RankedTensorType>(getMatrix().getType());
  auto x = cast<RankedTensorType>(getX().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  if (matrix.getRank() != 2 || x.getRank() != 1 || result.getRank() != 1 || matrix.getDimSize(1) != x.getDimSize(0) ||
      matrix.getDimSize(0) != result.getDimSize(0) || matrix.getElementType() != x.getElementType() ||
      x.getElementType() != result.getElementType()) {
    return emitOpError("expected shapes [m, n], [n] -> [m], but got ") << matrix << ", " << x << " -> " << result;
  }
  return success();
}
