// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialect/Rwkv/RwkvDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

#include "dialect/Interfaces/RungOpInterface.cpp.inc"
#include "dialect/Interfaces/StateStepOpInterface.cpp.inc"
#include "dialect/Interfaces/SugarOpInterface.cpp.inc"
#include "dialect/Rwkv/RwkvDialect.cpp.inc"
#include "dialect/Rwkv/RwkvEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/Rwkv/RwkvTypes.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/Rwkv/RwkvAttrs.cpp.inc"

namespace {
/// Short names for the types that would otherwise fill every line.
struct RwkvAsmInterface : OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;

  AliasResult getAlias(Type type, raw_ostream &os) const override {
    if (auto state = dyn_cast<StateType>(type)) {
      os << "state";
      return AliasResult::OverridableAlias;
    }
    auto names = getAxisNames(type);
    if (names.empty()) {
      return AliasResult::NoAlias;
    }
    for (StringAttr name : names) {
      os << name.getValue();
    }
    Type element = cast<RankedTensorType>(type).getElementType();
    if (!element.isF32()) {
      os << "_" << element;
    }
    return AliasResult::OverridableAlias;
  }
};
} // namespace

namespace {
/// Spec functions may share private ones; everything is legal to inline.
struct RwkvInlinerInterface : DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Operation *, bool) const final { return true; }
  bool isLegalToInline(Region *, Region *, bool, IRMapping &) const final { return true; }
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const final { return true; }
};
} // namespace

void RwkvDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/Rwkv/RwkvTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/Rwkv/RwkvAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/Rwkv/RwkvOps.cpp.inc"
      >();
  addInterfaces<RwkvAsmInterface, RwkvInlinerInterface>();
}

static LogicalResult verifyAttribute(Operation *op, NamedAttribute attr) {
  if (attr.getName() == RwkvDialect::kStateAttr) {
    if (auto name = dyn_cast<StringAttr>(attr.getValue()); name && !name.empty()) {
      return success();
    }
    return op->emitOpError("expected '") << RwkvDialect::kStateAttr << "' to be a non-empty string, but got "
                                         << attr.getValue();
  }
  if (attr.getName() == RwkvDialect::kBelowAttr) {
    if (auto count = dyn_cast<IntegerAttr>(attr.getValue()); count && count.getInt() > 0) {
      return success();
    }
    return op->emitOpError("expected '") << RwkvDialect::kBelowAttr << "' to be a positive integer, but got "
                                         << attr.getValue();
  }
  return op->emitOpError("expected '") << RwkvDialect::kStateAttr << "' or '" << RwkvDialect::kBelowAttr
                                       << "' of the dialect's attributes on an argument or result, but got '"
                                       << attr.getName().getValue() << "'";
}

LogicalResult RwkvDialect::verifyRegionArgAttribute(Operation *op, unsigned, unsigned, NamedAttribute attr) {
  return verifyAttribute(op, attr);
}

LogicalResult RwkvDialect::verifyRegionResultAttribute(Operation *op, unsigned, unsigned, NamedAttribute attr) {
  return verifyAttribute(op, attr);
}
