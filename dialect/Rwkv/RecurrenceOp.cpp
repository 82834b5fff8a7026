// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialect/Rwkv/RwkvAsm.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;
using namespace rwkv;

// ---- typing rules

static Type getComputeType(RankedTensorType type) {
  return type.getElementType().isF64() ? type.getElementType() : Type(Float32Type::get(type.getContext()));
}

/// The slice of an operand without its `drop` leading axes: a tensor, or a scalar if no axis is left.
static Type getSliceType(Type operand, unsigned drop) {
  auto type = cast<RankedTensorType>(operand);
  ArrayRef<int64_t> rest = type.getShape().drop_front(drop);
  Type element = getComputeType(type);
  return rest.empty() ? element : Type(RankedTensorType::get(rest, element));
}

Type RecurrenceOp::getOverArgType(Type operand) { return getSliceType(operand, 3); }

Type RecurrenceOp::getConstArgType(Type operand) { return getSliceType(operand, 1); }

StateType RecurrenceOp::getInitArgType(Type operand) {
  auto type = cast<RankedTensorType>(operand);
  ArrayRef<int64_t> rest = type.getShape().drop_front(2);
  return StateType::get(type.getContext(), rest.drop_back(), rest.back(), getComputeType(type));
}

Precision RecurrenceOp::getProductPrecision() {
  if (PrecisionAttr asked = getPrecisionAttr()) {
    return asked.getValue();
  }
  bool areNarrow = llvm::all_of(
      getOver(), [](Value value) { return getElementTypeOrSelf(value.getType()).getIntOrFloatBitWidth() <= 16; });
  return areNarrow ? Precision::tf32 : Precision::f32;
}

YieldOp RecurrenceOp::getYield() { return cast<YieldOp>(getToken().front().getTerminator()); }

void RecurrenceOp::getAsmBlockArgumentNames(Region &, OpAsmSetValueNameFn setName) {
  for (BlockArgument arg : getOverArgs()) {
    setName(arg, "x");
  }
  for (BlockArgument arg : getConstArgs()) {
    setName(arg, "c");
  }
  for (BlockArgument arg : getStateArgs()) {
    setName(arg, "S");
  }
}

// ---- syntax: recurrence over(%a = %x : type, ..) const(..) init(..) reset(%cu : type) -> (types) { region }

namespace {
struct OperandGroup {
  StringLiteral keyword;
  unsigned minRank;
};
} // namespace
static constexpr OperandGroup kGroups[] = {{"over", 3}, {"const", 1}, {"init", 3}};

ParseResult RecurrenceOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::Argument> args;
  SmallVector<OpAsmParser::UnresolvedOperand> operands[3];
  SmallVector<Type> types[3];
  for (unsigned group = 0; group < 3; ++group) {
    auto argType = [&](SMLoc loc, Type type) -> Type {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (!tensor || tensor.getRank() < kGroups[group].minRank) { // recurrence_c1
        parser.emitError(loc, "'rwkv.recurrence' expected '")
            << kGroups[group].keyword << "' operands that are tensors of rank >= " << kGroups[group].minRank
            << ", but got " << type;
        return {};
      }
      if (!isa<FloatType>(tensor.getElementType())) {
        parser.emitError(loc, "'rwkv.recurrence' expected float elements, but got ") << type;
        return {};
      }
      return group == 0 ? getOverArgType(type) : group == 1 ? getConstArgType(type) : Type(getInitArgType(type));
    };
    if (parseBoundOperands(parser, kGroups[group].keyword, argType, args, operands[group], types[group])) {
      return failure();
    }
  }
  std::optional<OpAsmParser::UnresolvedOperand> reset;
  Type resetType;
  if (succeeded(parser.parseOptionalKeyword("reset"))) {
    reset.emplace();
    if (parser.parseLParen() || parser.parseOperand(*reset) || parser.parseColonType(resetType) ||
        parser.parseRParen()) {
      return failure();
    }
  }
  SmallVector<Type> resultTypes;
  if (parser.parseArrowTypeList(resultTypes) || parser.parseRegion(*result.addRegion(), args)) {
    return failure();
  }
  SMLoc attributesLoc = parser.getCurrentLocation();
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes)) {
    return failure();
  }
  // Properties keep attributes of the right kind and would forget any other one.
  auto checkKind = [&](StringAttr name, StringRef expected, function_ref<bool(Attribute)> isRight) -> ParseResult {
    Attribute attr = result.attributes.get(name);
    if (attr && !isRight(attr)) {
      return parser.emitError(attributesLoc, "expected ") << name << " to be a " << expected << ", but got " << attr;
    }
    return success();
  };
  if (checkKind(getScheduleAttrName(result.name), "#rwkv.schedule", llvm::IsaPred<ScheduleAttr>) ||
      checkKind(getPrecisionAttrName(result.name), "#rwkv.precision", llvm::IsaPred<PrecisionAttr>)) {
    return failure();
  }
  SMLoc loc = parser.getNameLoc();
  for (unsigned group = 0; group < 3; ++group) {
    if (parser.resolveOperands(operands[group], types[group], loc, result.operands)) {
      return failure();
    }
  }
  if (reset && parser.resolveOperand(*reset, resetType, result.operands)) {
    return failure();
  }
  result.addTypes(resultTypes);
  result.getOrAddProperties<Properties>().operandSegmentSizes = {static_cast<int>(operands[0].size()),
                                                                 static_cast<int>(operands[1].size()),
                                                                 static_cast<int>(operands[2].size()), reset ? 1 : 0};
  return success();
}

void RecurrenceOp::print(OpAsmPrinter &printer) {
  printBoundOperands(printer, "over", getOverArgs(), getOver());
  printBoundOperands(printer, "const", getConstArgs(), getConsts());
  printBoundOperands(printer, "init", getStateArgs(), getInits());
  if (Value reset = getReset()) {
    printer << " reset(" << reset << " : " << reset.getType() << ")";
  }
  printer.printNewline();
  printer << "    -> (";
  llvm::interleaveComma(getResultTypes(), printer);
  printer << ") ";
  printer.printRegion(getToken(), /*printEntryBlockArgs=*/false);
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {getOperandSegmentSizesAttrName()});
}

// ---- verifiers

/// Whether two sizes can be one.
static bool agree(int64_t a, int64_t b) { return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b; }

LogicalResult rwkv::verifyRecurrenceOperands(Operation *op, ValueRange over, ValueRange consts, ValueRange inits,
                                             Value reset) {
  auto checkRank = [&](ValueRange values, StringRef keyword, int64_t rank) -> LogicalResult {
    for (Value value : values) {
      if (cast<RankedTensorType>(value.getType()).getRank() < rank) { // recurrence_c1
        return op->emitOpError("expected '")
               << keyword << "' operands of rank >= " << rank << ", but got " << value.getType();
      }
    }
    return success();
  };
  if (failed(checkRank(over, "over", 3)) || failed(checkRank(consts, "const", 1)) ||
      failed(checkRank(inits, "init", 3))) {
    return failure();
  }
  if (inits.empty()) {
    return op->emitOpError("expected at least one state in 'init', but got none");
  }
  if (over.empty()) {
    return op->emitOpError("expected at least one operand in 'over', but got none");
  }
  auto sizeOf = [](Value value, unsigned axis) { return cast<RankedTensorType>(value.getType()).getDimSize(axis); };
  // The first of `values` whose size of `axis` is known.
  auto firstKnown = [&](ValueRange values, unsigned axis) {
    for (Value value : values) {
      if (!ShapedType::isDynamic(sizeOf(value, axis))) {
        return value;
      }
    }
    return Value(values[0]);
  };
  for (unsigned axis = 0; axis < 2; ++axis) { // recurrence_c2
    Value known = firstKnown(over, axis);
    for (Value value : over) {
      if (!agree(sizeOf(value, axis), sizeOf(known, axis))) {
        return op->emitOpError("expected equal sizes of axis ")
               << (axis == 0 ? "B" : "T") << " in all 'over' operands, but got " << known.getType() << " and "
               << value.getType();
      }
    }
  }
  Value knownHeads = firstKnown(inits, 1);
  int64_t heads = sizeOf(knownHeads, 1);
  for (Value init : inits) {
    if (!agree(sizeOf(init, 1), heads)) {
      return op->emitOpError("expected equal numbers of heads in all 'init' operands, but got ")
             << knownHeads.getType() << " and " << init.getType();
    }
  }
  auto checkGroups = [&](Value value, unsigned axis) -> LogicalResult {
    int64_t groups = sizeOf(value, axis);
    if (!ShapedType::isDynamic(groups) && !ShapedType::isDynamic(heads) && (groups == 0 || heads % groups != 0)) {
      return op->emitOpError("expected a number of heads that divides the ")
             << heads << " heads of the state, but got " << groups << " in " << value.getType();
    }
    return success();
  };
  for (Value value : over) {
    if (failed(checkGroups(value, 2))) {
      return failure();
    }
  }
  for (Value value : consts) {
    if (failed(checkGroups(value, 0))) {
      return failure();
    }
  }
  if (!reset) {
    for (Value init : inits) {
      if (!agree(sizeOf(init, 0), sizeOf(over[0], 0))) {
        return op->emitOpError("expected one state per batch row, but got ")
               << init.getType() << " for " << over[0].getType();
      }
    }
  } else if (!agree(sizeOf(over[0], 0), 1)) {
    return op->emitOpError("expected a batch of 1 with 'reset', but got ") << over[0].getType();
  }
  return success();
}

/// recurrence_c9; it stands for the operands that make the region compute in f64.
static LogicalResult verifyPrecision(Operation *op, PrecisionAttr precision, ValueRange inits) {
  if (!precision || precision.getValue() == Precision::f32) {
    return success();
  }
  for (Value init : inits) {
    if (getElementTypeOrSelf(init.getType()).isF64()) {
      return op->emitOpError("expected precision f32 for a state that is computed in f64, ")
             << init.getType() << ", but got " << stringifyPrecision(precision.getValue());
    }
  }
  return success();
}

LogicalResult RecurrenceOp::verify() {
  if (failed(verifyRecurrenceOperands(*this, getOver(), getConsts(), getInits(), getReset()))) {
    return failure();
  }
  return verifyPrecision(*this, getPrecisionAttr(), getInits());
}

/// The state that a state op made `value` from. Of ops that are short for several, results are in the order of
/// operands.
static Value getChangedState(Value value) {
  auto result = cast<OpResult>(value);
  auto access = dyn_cast<StateStepOpInterface>(result.getOwner());
  return access ? access.getStep().state : result.getOwner()->getOperand(result.getResultNumber());
}

/// The state argument that `value` descends from through state ops, collecting each step's (input, op).
static BlockArgument traceState(Value value, SmallVectorImpl<std::pair<Value, Operation *>> &steps) {
  while (Operation *op = value.getDefiningOp()) {
    Value input = getChangedState(value);
    steps.push_back({input, op});
    value = input;
  }
  return cast<BlockArgument>(value);
}

/// A counter is kept in its init's element type between calls: that must hold every number up to the period.
static LogicalResult verifyCounter(Operation *op, Type stored) {
  auto access = dyn_cast<StateStepOpInterface>(op);
  if (!access || access.getStep().kind != StateStep::Kind::count) {
    return success();
  }
  unsigned digits = APFloat::semanticsPrecision(cast<FloatType>(stored).getFloatSemantics());
  int64_t period = access.getStep().period, longest = int64_t(1) << std::min(digits, 62u);
  if (period > longest) { // recurrence_c8
    return op->emitOpError("expected a period of at most ")
           << longest << " tokens for a counter that is stored as " << stored << ", but got " << period;
  }
  return success();
}

/// What machines compute with.
static bool isTokenElement(Type type) {
  return type.isF16() || type.isBF16() || type.isF32() || type.isF64() || type.isInteger(1) || type.isInteger(8) ||
         type.isInteger(16) || type.isInteger(32) || type.isInteger(64);
}

/// Whether an op on the values of one token has a meaning; each of these has a sequential form.
static bool isTokenOp(Operation *op) {
  if (isa<StateStepOpInterface, SugarOpInterface>(op)) {
    return true;
  }
  if (!llvm::all_of(op->getResultTypes(), [](Type type) { return isTokenElement(getElementTypeOrSelf(type)); })) {
    return false;
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    return isa<FloatAttr, IntegerAttr, DenseFPElementsAttr, SplatElementsAttr>(constant.getValue());
  }
  if (auto cast = dyn_cast<arith::BitcastOp>(op)) { // 16-bit numbers are kept in f32
    return getElementTypeOrSelf(cast.getType()).getIntOrFloatBitWidth() > 16;
  }
  // Their digits need loops of as many steps as the operands say.
  bool isStraight = !isa<math::IPowIOp, arith::RemFOp>(op);
  return isa<FillOp, SumOp, L2NormOp, BroadcastOp, ReshapeOp, DotOp, MatvecOp>(op) ||
         (op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1 && isStraight);
}

LogicalResult RecurrenceOp::verifyRegions() {
  Block &body = getToken().front();
  if (body.empty() || !isa<YieldOp>(body.back())) {
    return emitOpError("expected the region to end with 'rwkv.yield'");
  }
  if (body.getNumArguments() != getOver().size() + getConsts().size() + getInits().size()) {
    return emitOpError("expected one region argument per over, const and init operand (")
           << getOver().size() + getConsts().size() + getInits().size() << "), but got " << body.getNumArguments();
  }
  auto checkArg = [&](BlockArgument arg, Type expected) -> LogicalResult { // recurrence_c3
    if (arg.getType() != expected) {
      return emitOpError("expected region argument ")
             << arg.getArgNumber() << " of type " << expected << ", but got " << arg.getType();
    }
    return success();
  };
  for (auto [arg, operand] : llvm::zip_equal(getOverArgs(), getOver())) {
    if (failed(checkArg(arg, getOverArgType(operand.getType())))) {
      return failure();
    }
  }
  for (auto [arg, operand] : llvm::zip_equal(getConstArgs(), getConsts())) {
    if (failed(checkArg(arg, getConstArgType(operand.getType())))) {
      return failure();
    }
  }
  for (auto [arg, operand] : llvm::zip_equal(getStateArgs(), getInits())) {
    if (failed(checkArg(arg, getInitArgType(operand.getType())))) {
      return failure();
    }
  }
  for (Operation &op : body.without_terminator()) { // recurrence_c6
    if (!isMemoryEffectFree(&op) || op.getNumRegions() != 0) {
      return op.emitOpError("expected only ops without side effects and regions in the token region of "
                            "'rwkv.recurrence'");
    }
    auto isState = [](Type type) { return isa<StateType>(type); };
    if ((llvm::any_of(op.getOperandTypes(), isState) || llvm::any_of(op.getResultTypes(), isState)) &&
        !isa<StateStepOpInterface, SugarOpInterface>(op)) {
      return op.emitOpError("expected only state ops on a state");
    }
    if (!isTokenOp(&op)) { // recurrence_c10
      return op.emitOpError("has no form for one token of one head, so it cannot be in the region of "
                            "'rwkv.recurrence'");
    }
  }

  YieldOp yield = getYield();
  if (yield.getNumOperands() != getNumResults()) { // recurrence_c4
    return emitOpError("expected one yielded value per result, but got ")
           << yield.getNumOperands() << " for " << getNumResults() << " results";
  }
  llvm::SmallDenseMap<Value, Operation *> carried;
  unsigned nextState = 0;
  for (auto [value, type] : llvm::zip_equal(yield.getOperands(), getResultTypes())) {
    auto tensor = cast<RankedTensorType>(type);
    if (!isa<StateType>(value.getType())) {
      auto over = cast<RankedTensorType>(getOver().front().getType());
      auto init = cast<RankedTensorType>(getInits().front().getType());
      bool fits = tensor.getRank() >= 3 && getOverArgType(tensor) == value.getType() &&
                  agree(tensor.getDimSize(0), over.getDimSize(0)) && agree(tensor.getDimSize(1), over.getDimSize(1)) &&
                  agree(tensor.getDimSize(2), init.getDimSize(1));
      if (!fits) { // recurrence_c7
        return emitOpError("expected a result [B, T, H, d..] for the yielded ")
               << value.getType() << ", but got " << tensor;
      }
      continue;
    }
    SmallVector<std::pair<Value, Operation *>> steps;
    BlockArgument root = traceState(value, steps);
    for (auto [input, op] : steps) { // recurrence_c5
      auto [it, inserted] = carried.try_emplace(input, op);
      if (!inserted && it->second != op) {
        InFlightDiagnostic diag =
            op->emitOpError("second carried use of a state; a state may have only one successor that is yielded");
        diag.attachNote(it->second->getLoc()) << "first carried use";
        return diag;
      }
    }
    if (nextState == getInits().size() || root != getStateArgs()[nextState]) { // recurrence_c4
      return yield.emitOpError("expected the states to be yielded in the order of 'init', each one once");
    }
    if (tensor != getInits()[nextState].getType()) { // recurrence_c7
      return emitOpError("expected a result of the type of its 'init', ")
             << getInits()[nextState].getType() << ", but got " << tensor;
    }
    for (auto [input, op] : steps) {
      if (failed(verifyCounter(op, tensor.getElementType()))) {
        return failure();
      }
    }
    ++nextState;
  }
  if (nextState != getInits().size()) {
    return yield.emitOpError("expected all ") << getInits().size() << " states to be yielded, but got " << nextState;
  }
  return success();
}

LogicalResult rwkv::verifyRung(Operation *op, ArrayRef<StringRef> overNames, ArrayRef<StringRef> constNames) {
  auto rung = cast<RungOpInterface>(op);
  auto checkCount = [&](ArrayRef<StringRef> names, size_t found, StringRef keyword) -> LogicalResult {
    if (names.size() == found) {
      return success();
    }
    return op->emitOpError("expected ") << names.size() << " '" << keyword << "' operands (" << llvm::join(names, ", ")
                                        << "), but got " << found;
  };
  if (failed(checkCount(overNames, rung.getOverOperands().size(), "over")) ||
      failed(checkCount(constNames, rung.getConstOperands().size(), "const"))) {
    return failure();
  }
  if (failed(verifyRecurrenceOperands(op, rung.getOverOperands(), rung.getConstOperands(), rung.getInitOperands(),
                                      rung.getResetOperand()))) {
    return failure();
  }
  return verifyPrecision(op, rung.getPrecisionAttr(), rung.getInitOperands());
}
