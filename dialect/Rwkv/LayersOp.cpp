// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialect/Rwkv/RwkvAsm.h"

using namespace mlir;
using namespace rwkv;

/// A stacked type [L, ..] without its first axis.
static Type getLayerSlice(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  Attribute encoding = tensor.getEncoding();
  if (ArrayRef<StringAttr> names = getAxisNames(type); !names.empty()) {
    encoding = DimsAttr::get(type.getContext(), names.drop_front());
  }
  return RankedTensorType::get(tensor.getShape().drop_front(), tensor.getElementType(), encoding);
}

void LayersOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  for (auto [i, arg] : llvm::enumerate(region.getArguments())) {
    setName(arg, i < getIter().size() ? "iter" : "each");
  }
}

// layers l in L iter(%x = %x0 : type) each(%s = %states : type) -> (types) { body }
// layers l in [0, 1, 12] iter(..) each(..) -> (types) { body } { body }

ParseResult LayersOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::Argument> args;
  SmallVector<OpAsmParser::UnresolvedOperand> operands[2];
  SmallVector<Type> types[2];
  StringRef index, count;
  SmallVector<int64_t> bounds;
  if (parser.parseKeyword(&index) || parser.parseKeyword("in")) {
    return failure();
  }
  auto &properties = result.getOrAddProperties<Properties>();
  properties.index = parser.getBuilder().getStringAttr(index);
  if (succeeded(parser.parseOptionalLSquare())) {
    auto parseBound = [&]() { return parser.parseInteger(bounds.emplace_back()); };
    if (parser.parseCommaSeparatedList(parseBound) || parser.parseRSquare()) {
      return failure();
    }
    properties.bounds = parser.getBuilder().getDenseI64ArrayAttr(bounds);
  } else {
    if (parser.parseKeyword(&count)) {
      return failure();
    }
    properties.count = parser.getBuilder().getStringAttr(count);
  }
  for (unsigned group = 0; group < 2; ++group) {
    auto argType = [&](SMLoc loc, Type type) -> Type {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (!tensor || (group == 1 && tensor.getRank() < 1)) {
        parser.emitError(loc, "'rwkv.layers' expected ")
            << (group == 0 ? "a tensor" : "a tensor [L, ..]") << ", but got " << type;
        return {};
      }
      return group == 0 ? type : getLayerSlice(type);
    };
    if (parseBoundOperands(parser, group == 0 ? "iter" : "each", argType, args, operands[group], types[group])) {
      return failure();
    }
  }
  SmallVector<Type> resultTypes;
  if (parser.parseArrowTypeList(resultTypes)) {
    return failure();
  }
  unsigned bodies = bounds.empty() ? 1 : std::max<size_t>(bounds.size(), 2) - 1;
  for (unsigned i = 0; i < bodies; ++i) {
    if (parser.parseRegion(*result.addRegion(), args)) {
      return failure();
    }
  }
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes)) {
    return failure();
  }
  for (unsigned group = 0; group < 2; ++group) {
    if (parser.resolveOperands(operands[group], types[group], parser.getNameLoc(), result.operands)) {
      return failure();
    }
  }
  result.addTypes(resultTypes);
  properties.operandSegmentSizes = {static_cast<int>(operands[0].size()), static_cast<int>(operands[1].size())};
  return success();
}

void LayersOp::print(OpAsmPrinter &printer) {
  printer << " " << getIndex() << " in ";
  if (auto bounds = getBounds()) {
    printer << "[";
    llvm::interleaveComma(*bounds, printer);
    printer << "]";
  } else {
    printer << getCount().value_or("L");
  }
  ArrayRef<BlockArgument> args = getBodies().front().getArguments();
  printBoundOperands(printer, "iter", args.take_front(getIter().size()), getIter());
  printBoundOperands(printer, "each", args.drop_front(getIter().size()), getEach());
  printer.printNewline();
  printer << "    -> (";
  llvm::interleaveComma(getResultTypes(), printer);
  printer << ")";
  for (Region &body : getBodies()) {
    printer << " ";
    printer.printRegion(body, /*printEntryBlockArgs=*/false);
  }
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(),
      {getIndexAttrName(), getCountAttrName(), getBoundsAttrName(), getOperandSegmentSizesAttrName()});
}

static bool ascends(ArrayRef<int64_t> bounds) {
  for (size_t i = 1; i < bounds.size(); ++i) {
    if (bounds[i - 1] >= bounds[i]) {
      return false;
    }
  }
  return bounds.front() >= 0;
}

LogicalResult LayersOp::verify() {
  if (bool(getBounds()) == bool(getCount())) {
    return emitOpError("expected a count or bounds");
  }
  if (auto bounds = getBounds()) { // layers_c3
    if (bounds->size() != getBodies().size() + 1 || !ascends(*bounds)) {
      return emitOpError("expected ascending bounds, one more than bodies, but got ")
             << bounds->size() << " for " << getBodies().size() << " bodies";
    }
    for (Type type : getEach().getTypes()) {
      auto stack = cast<RankedTensorType>(type);
      if (stack.getRank() > 0 && !stack.isDynamicDim(0) && stack.getDimSize(0) != bounds->back()) {
        return emitOpError("expected 'each' operands of ") << bounds->back() << " layers, but got " << type;
      }
    }
  } else if (getBodies().size() != 1) {
    return emitOpError("expected one body, but got ") << getBodies().size();
  }
  for (Type type : getEach().getTypes()) { // layers_c1
    if (cast<RankedTensorType>(type).getRank() < 1) {
      return emitOpError("expected 'each' operands of rank >= 1, but got ") << type;
    }
  }
  SmallVector<Type> argTypes(getIter().getTypes());
  for (Type type : getEach().getTypes()) {
    argTypes.push_back(getLayerSlice(type));
  }
  if (getResultTypes() != getOperandTypes()) { // layers_c2
    return emitOpError("expected one result per iter and each operand, of its type");
  }
  for (Region &body : getBodies()) {
    if (TypeRange(body.getArgumentTypes()) != TypeRange(argTypes)) { // layers_c1
      return emitOpError("expected region arguments of the operands' types, 'each' without its first axis");
    }
    auto yield = dyn_cast_or_null<YieldOp>(body.front().empty() ? nullptr : &body.front().back());
    if (!yield || TypeRange(yield.getOperandTypes()) != TypeRange(argTypes)) { // layers_c2
      return emitOpError("expected the body to end with 'rwkv.yield' of its arguments' types");
    }
  }
  return success();
}
