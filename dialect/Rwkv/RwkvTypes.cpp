// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialect/Rwkv/RwkvDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

// ---- !rwkv.state<K0xK1|Vxf32>

Type StateType::parse(AsmParser &parser) {
  SmallVector<int64_t> keys, value;
  Type element;
  if (parser.parseLess()) {
    return {};
  }
  SMLoc loc = parser.getCurrentLocation();
  if (failed(parser.parseOptionalVerticalBar()) &&
      (parser.parseDimensionList(keys, /*allowDynamic=*/true, /*withTrailingX=*/false) || parser.parseVerticalBar())) {
    return {};
  }
  if (parser.parseDimensionList(value, /*allowDynamic=*/true, /*withTrailingX=*/true) || parser.parseType(element) ||
      parser.parseGreater()) {
    return {};
  }
  if (value.size() != 1) {
    parser.emitError(loc, "expected exactly one value axis after '|', but got ") << value.size();
    return {};
  }
  return parser.getChecked<StateType>(loc, parser.getContext(), ArrayRef<int64_t>(keys), value[0], element);
}

void StateType::print(AsmPrinter &printer) const {
  auto dim = [&](int64_t size) { ShapedType::isDynamic(size) ? printer << "?" : printer << size; };
  printer << "<";
  llvm::interleave(getKeys(), printer.getStream(), dim, "x");
  printer << "|";
  dim(getValue());
  printer << "x" << getElementType() << ">";
}

LogicalResult StateType::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<int64_t> keys, int64_t value,
                                Type elementType) {
  if (!elementType.isF32() && !elementType.isF64()) {
    return emitError() << "expected state elements of f32 or f64, but got " << elementType;
  }
  for (int64_t size : llvm::concat<const int64_t>(keys, ArrayRef(value))) {
    if (!ShapedType::isDynamic(size) && size <= 0) {
      return emitError() << "expected positive sizes of state axes, but got " << size;
    }
  }
  return success();
}

RankedTensorType StateType::getKeyType(unsigned axis) const {
  return RankedTensorType::get({getKeys()[axis]}, getElementType());
}

StateType StateType::getWeightsType() const { return get(getContext(), getKeys(), 1, getElementType()); }

StateType StateType::getCounterType() const { return get(getContext(), {}, 1, getElementType()); }

RankedTensorType StateType::getValueType() const { return RankedTensorType::get({getValue()}, getElementType()); }

RankedTensorType StateType::getTensorType() const {
  SmallVector<int64_t> shape(getKeys());
  shape.push_back(getValue());
  return RankedTensorType::get(shape, getElementType());
}

// ---- #rwkv.dims<B, T, 5*R, 5>

Attribute DimsAttr::parse(AsmParser &parser, Type) {
  SmallVector<StringAttr> names;
  auto parseName = [&]() -> ParseResult {
    int64_t factor = 0;
    StringRef keyword;
    SMLoc loc = parser.getCurrentLocation();
    OptionalParseResult integer = parser.parseOptionalInteger(factor);
    if (integer.has_value()) {
      if (failed(*integer)) {
        return failure();
      }
      if (factor <= 0) {
        return parser.emitError(loc, "expected a positive size, but got ") << factor;
      }
      std::string text = std::to_string(factor);
      if (succeeded(parser.parseOptionalStar())) {
        if (parser.parseKeyword(&keyword)) {
          return failure();
        }
        text += "*" + keyword.str();
      }
      names.push_back(StringAttr::get(parser.getContext(), text));
      return success();
    }
    if (parser.parseKeyword(&keyword)) {
      return failure();
    }
    names.push_back(StringAttr::get(parser.getContext(), keyword));
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater, parseName)) {
    return {};
  }
  return DimsAttr::get(parser.getContext(), names);
}

void DimsAttr::print(AsmPrinter &printer) const {
  printer << "<";
  llvm::interleaveComma(getNames(), printer, [&](StringAttr name) { printer << name.getValue(); });
  printer << ">";
}

LogicalResult DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                                       function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != getNames().size()) {
    return emitError() << "expected one axis name per axis, but got " << getNames().size() << " name(s) for "
                       << shape.size() << " axes";
  }
  return success();
}

ArrayRef<StringAttr> rwkv::getAxisNames(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type)) {
    if (auto dims = dyn_cast_or_null<DimsAttr>(tensor.getEncoding())) {
      return dims.getNames();
    }
  }
  return {};
}

// ---- #rwkv.schedule<chunk, C = 16, fill = 264, least = 16>

Attribute ScheduleAttr::parse(AsmParser &parser, Type) {
  SMLoc start = parser.getCurrentLocation();
  StringRef name;
  if (parser.parseLess() || parser.parseKeyword(&name)) {
    return {};
  }
  std::optional<ScheduleKind> kind = symbolizeScheduleKind(name);
  if (!kind) {
    parser.emitError(start, "expected step, scan or chunk, but got '") << name << "'";
    return {};
  }
  std::optional<int64_t> chunk, fill, least, split;
  while (succeeded(parser.parseOptionalComma())) {
    SMLoc at = parser.getCurrentLocation();
    if (parser.parseKeyword(&name)) {
      return {};
    }
    std::optional<int64_t> *number = name == "C"       ? &chunk
                                     : name == "fill"  ? &fill
                                     : name == "least" ? &least
                                     : name == "split" ? &split
                                                       : nullptr;
    if (!number || *number) {
      parser.emitError(at, "expected C, fill, least or split, each once, but got '") << name << "'";
      return {};
    }
    if (parser.parseEqual() || parser.parseInteger(number->emplace())) {
      return {};
    }
  }
  if (parser.parseGreater()) {
    return {};
  }
  return parser.getChecked<ScheduleAttr>(start, parser.getContext(), *kind, chunk.value_or(1), fill.value_or(0),
                                         least.value_or(0), split.value_or(1));
}

void ScheduleAttr::print(AsmPrinter &printer) const {
  printer << "<" << stringifyScheduleKind(getKind());
  auto number = [&](StringRef name, int64_t value, int64_t usual) {
    if (value != usual) {
      printer << ", " << name << " = " << value;
    }
  };
  number("C", getChunk(), 1);
  number("fill", getFill(), 0);
  number("least", getLeast(), 0);
  number("split", getSplit(), 1);
  printer << ">";
}

LogicalResult ScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError, ScheduleKind kind, int64_t chunk,
                                   int64_t fill, int64_t least, int64_t split) {
  if (chunk < 1 || (kind == ScheduleKind::step && chunk != 1)) {
    return emitError() << "expected a chunk of at least one token"
                       << (kind == ScheduleKind::step ? " only where there are chunks" : "") << ", but got " << chunk;
  }
  if (fill < 0 || (kind != ScheduleKind::chunk && fill != 0)) {
    return emitError() << "expected tasks to fill"
                       << (kind != ScheduleKind::chunk ? " only where there are chunks" : "") << ", but got " << fill;
  }
  if (least < 0 || (kind == ScheduleKind::step && least != 0)) {
    return emitError() << "expected a least number of tokens"
                       << (kind == ScheduleKind::step ? " only where there is another form" : "") << ", but got "
                       << least;
  }
  if (split < 1 || (split > 1 && fill > 0)) {
    return emitError() << "expected a split of 1 or more" << (fill > 0 ? ", of 1 where there are tasks to fill" : "")
                       << ", but got " << split;
  }
  return success();
}
