// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialect/Tile/TileDialect.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace rwkv::tile;

ArrayRef<int64_t> rwkv::tile::getTileShape(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getShape() : ArrayRef<int64_t>();
}

// ---- kernel

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  SmallVector<OpAsmParser::Argument> args;
  if (parser.parseSymbolName(name, getSymNameAttrName(result.name), result.attributes) ||
      parser.parseArgumentList(args, OpAsmParser::Delimiter::Paren, /*allowType=*/true) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes)) {
    return failure();
  }
  return parser.parseRegion(*result.addRegion(), args);
}

void KernelOp::print(OpAsmPrinter &printer) {
  printer << " ";
  printer.printSymbolName(getSymName());
  printer << "(";
  llvm::interleaveComma(getBody().getArguments(), printer,
                        [&](BlockArgument arg) { printer.printRegionArgument(arg); });
  printer << ")";
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {getSymNameAttrName()});
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult KernelOp::verify() {
  Block &body = getBody().front();
  if (body.getNumArguments() < kFirstBuffer) {
    return emitOpError("expected arguments task, B, T, S before the buffers, but got ") << body.getNumArguments();
  }
  for (BlockArgument arg : body.getArguments()) {
    bool isBuffer = arg.getArgNumber() >= kFirstBuffer;
    if (isBuffer ? !isa<BufferType>(arg.getType()) : !arg.getType().isIndex()) {
      return emitOpError("expected argument ") << arg.getArgNumber() << " to be "
                                               << (isBuffer ? "a buffer" : "an index") << ", but got " << arg.getType();
    }
  }
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &tables) {
  // Kernels live in the module, beside the model that launches them.
  auto kernel = tables.lookupNearestSymbolFrom<KernelOp>((*this)->getParentOfType<ModuleOp>(), getKernelAttr());
  if (!kernel) {
    return emitOpError("expected the name of a 'tile.kernel', but got ") << getKernelAttr();
  }
  size_t expected = kernel.getBuffers().size();
  size_t found = getInputs().size() + getWeights().size() + getNumResults();
  if (expected != found) {
    return emitOpError("expected ") << expected << " inputs, weights and results for the buffers of " << getKernelAttr()
                                    << ", but got " << found;
  }
  if (!getInto().empty() && getInto().getTypes() != getResultTypes()) {
    return emitOpError("expected values of the types of the results to write them over, but got ")
           << getInto().getTypes();
  }
  for (Value value : getInto()) {
    if (!value.getDefiningOp<LaunchOp>() || !value.hasOneUse()) {
      return emitOpError("expected results of another launch that nobody else reads to write over");
    }
  }
  return success();
}

// ---- memory

static LogicalResult verifyAccess(Operation *op, Type tile, std::optional<uint64_t> stride) {
  ArrayRef<int64_t> shape = getTileShape(tile);
  auto tensor = dyn_cast<RankedTensorType>(tile);
  if (tensor && !tensor.hasStaticShape()) {
    return op->emitOpError("expected a tile of static shape, but got ") << tile;
  }
  if (stride && shape.size() != 2) {
    return op->emitOpError("expected 'stride' only with rows, but got ") << tile;
  }
  return success();
}

LogicalResult LoadOp::verify() { return verifyAccess(*this, getResult().getType(), getStride()); }
LogicalResult StoreOp::verify() { return verifyAccess(*this, getValue().getType(), getStride()); }

using Effects = SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

void LoadOp::getEffects(Effects &effects) { effects.emplace_back(MemoryEffects::Read::get(), &getBufferMutable()); }
void LoadIndexOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getBufferMutable());
}
void StoreOp::getEffects(Effects &effects) { effects.emplace_back(MemoryEffects::Write::get(), &getBufferMutable()); }
void SequenceOfOp::getEffects(Effects &effects) { effects.emplace_back(MemoryEffects::Read::get(), &getCuMutable()); }

LogicalResult FlagOp::verify() { // flag_c1
  int64_t number = getNumberAttr().getInt();
  return number >= 0 ? success() : emitOpError("expected a number >= 0, but got ") << number;
}

void FlagOp::getEffects(Effects &effects) { effects.emplace_back(MemoryEffects::Write::get()); }

// ---- shapes

static LogicalResult verifyElements(Operation *op, Type a, Type b) {
  if (getElementTypeOrSelf(a) != getElementTypeOrSelf(b)) {
    return op->emitOpError("expected equal element types, but got ") << a << " and " << b;
  }
  return success();
}

static LogicalResult verifyIntegers(Operation *op, Type buffer) {
  if (!cast<BufferType>(buffer).getElementType().isInteger(32)) {
    return op->emitOpError("expected a buffer of i32, but got ") << buffer;
  }
  return success();
}

LogicalResult LoadIndexOp::verify() { return verifyIntegers(*this, getBuffer().getType()); }
LogicalResult SequenceOfOp::verify() { return verifyIntegers(*this, getCu().getType()); }

LogicalResult BroadcastOp::verify() {
  ArrayRef<int64_t> from = getTileShape(getX().getType()), to = getTileShape(getResult().getType());
  if (from.size() >= to.size() && !(from.empty() && to.empty())) {
    return emitOpError("expected a result of more axes than ")
           << getX().getType() << ", but got " << getResult().getType();
  }
  if (from.size() == 1) {
    auto on = getOn();
    if (!on || *on >= to.size() || to[*on] != from[0]) {
      return emitOpError("expected 'on' to name an axis of size ") << from[0] << " of " << getResult().getType();
    }
  }
  return verifyElements(*this, getX().getType(), getResult().getType());
}

LogicalResult ReduceOp::verify() {
  SmallVector<int64_t> shape(getTileShape(getX().getType()));
  if (getAxis() >= shape.size()) {
    return emitOpError("expected an axis of ") << getX().getType() << ", but got " << getAxis();
  }
  shape.erase(shape.begin() + getAxis());
  if (ArrayRef<int64_t>(shape) != getTileShape(getResult().getType())) {
    return emitOpError("expected a result without axis ")
           << getAxis() << " of " << getX().getType() << ", but got " << getResult().getType();
  }
  return verifyElements(*this, getX().getType(), getResult().getType());
}

static int64_t countElements(Type type) {
  int64_t count = 1;
  for (int64_t size : getTileShape(type)) {
    count *= size;
  }
  return count;
}

LogicalResult ReshapeOp::verify() {
  if (countElements(getX().getType()) != countElements(getResult().getType())) {
    return emitOpError("expected equal numbers of elements, but got ")
           << getX().getType() << " and " << getResult().getType();
  }
  return verifyElements(*this, getX().getType(), getResult().getType());
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getResult().getType()) {
    return getX();
  }
  auto splat = dyn_cast_or_null<SplatElementsAttr>(adaptor.getX());
  auto type = dyn_cast<RankedTensorType>(getResult().getType());
  return splat && type ? splat.resizeSplat(type) : OpFoldResult();
}

/// Offsets count the axes of `whole`; `part` fits into it, perhaps without leading axes of size 1.
static LogicalResult verifyPart(Operation *op, Type part, Type whole, OperandRange offsets) {
  SmallVector<int64_t> inner(getTileShape(part));
  ArrayRef<int64_t> outer = getTileShape(whole);
  if (outer.empty() || offsets.size() != outer.size()) {
    return op->emitOpError("expected one offset per axis of ") << whole << ", but got " << offsets.size();
  }
  bool fits = inner.size() <= outer.size();
  for (size_t i = 1; fits && i <= inner.size(); ++i) {
    fits = inner[inner.size() - i] <= outer[outer.size() - i];
  }
  if (!fits) {
    return op->emitOpError("expected a part that fits into ") << whole << ", but got " << part;
  }
  return verifyElements(op, part, whole);
}

LogicalResult SliceOp::verify() { return verifyPart(*this, getResult().getType(), getX().getType(), getOffsets()); }

LogicalResult InsertOp::verify() { return verifyPart(*this, getPart().getType(), getX().getType(), getOffsets()); }

LogicalResult TransposeOp::verify() {
  ArrayRef<int64_t> from = getTileShape(getX().getType()), to = getTileShape(getResult().getType());
  if (from.size() != 2 || to.size() != 2 || from[0] != to[1] || from[1] != to[0]) {
    return emitOpError("expected [M, N] -> [N, M], but got ") << getX().getType() << " -> " << getResult().getType();
  }
  return verifyElements(*this, getX().getType(), getResult().getType());
}

LogicalResult IotaOp::verify() {
  if (getAxis() >= getTileShape(getResult().getType()).size()) {
    return emitOpError("expected an axis of ")
           << getResult().getType() << ", but got " << static_cast<int64_t>(getAxis());
  }
  return success();
}

LogicalResult CumsumOp::verify() {
  ArrayRef<int64_t> shape = getTileShape(getX().getType());
  int64_t blocks = getBlocks();
  if (shape.empty() || blocks < 1 || shape[0] % blocks != 0) {
    return emitOpError("expected 'blocks' to divide the rows of ") << getX().getType() << ", but got " << blocks;
  }
  return success();
}

LogicalResult ScanOp::verify() {
  ArrayRef<int64_t> a = getTileShape(getA().getType()), init = getTileShape(getInit().getType()),
                    result = getTileShape(getResult().getType());
  bool fits =
      a.size() == 2 && init == a.drop_front() && result.size() == 2 && result[0] == a[0] + 1 && result[1] == a[1];
  if (!fits) {
    return emitOpError("expected [C, N], [C, N], [N] -> [C + 1, N], but got ")
           << getA().getType() << ", " << getB().getType() << ", " << getInit().getType() << " -> "
           << getResult().getType();
  }
  if (failed(verifyElements(*this, getA().getType(), getInit().getType()))) {
    return failure();
  }
  return verifyElements(*this, getA().getType(), getResult().getType());
}

LogicalResult SolveUnitLowerOp::verify() {
  ArrayRef<int64_t> lower = getTileShape(getLower().getType()), rhs = getTileShape(getRhs().getType());
  int64_t interleave = getInterleave();
  if (lower.size() != 2 || rhs.size() != 2 || lower[0] != lower[1] || rhs[0] != lower[0]) {
    return emitOpError("expected [M, M], [M, N], but got ") << getLower().getType() << ", " << getRhs().getType();
  }
  if (interleave < 1 || lower[0] % interleave != 0) {
    return emitOpError("expected 'interleave' to divide ") << lower[0] << " rows, but got " << interleave;
  }
  return verifyElements(*this, getLower().getType(), getRhs().getType());
}

LogicalResult DotOp::verify() {
  ArrayRef<int64_t> lhs = getTileShape(getLhs().getType()), rhs = getTileShape(getRhs().getType()),
                    result = getTileShape(getResult().getType());
  if (getAcc() && getAcc().getType() != getResult().getType()) {
    return emitOpError("expected 'acc' of type ") << getResult().getType() << ", but got " << getAcc().getType();
  }
  if (auto p = getBlocks()) {
    int64_t size = *p;
    bool fits = size > 0 && !getTransposed() && lhs.size() == 2 && rhs.size() == 2 && rhs == result && lhs[1] == size &&
                lhs[0] % size == 0 && rhs[0] % lhs[0] == 0;
    if (!fits) {
      return emitOpError("expected [G' p, p], [G p, N] -> [G p, N] with p = ")
             << size << ", but got " << getLhs().getType() << ", " << getRhs().getType() << " -> "
             << getResult().getType();
    }
    return verifyElements(*this, getLhs().getType(), getRhs().getType());
  }
  unsigned k = getTransposed() ? 1 : 0;
  if (lhs.size() != 2 || rhs.size() != 2 || result.size() != 2 || lhs[1] != rhs[k] || result[0] != lhs[0] ||
      result[1] != rhs[1 - k]) {
    return emitOpError("expected [M, K], ")
           << (getTransposed() ? "[N, K]" : "[K, N]") << " -> [M, N], but got " << getLhs().getType() << ", "
           << getRhs().getType() << " -> " << getResult().getType();
  }
  Type element = getElementTypeOrSelf(getLhs().getType());
  if (getElementTypeOrSelf(getRhs().getType()) != element || getElementTypeOrSelf(getResult().getType()) != element) {
    return emitOpError("expected equal element types, but got ")
           << getLhs().getType() << ", " << getRhs().getType() << " and " << getResult().getType();
  }
  return success();
}

// ---- pipelines

/// (%a: type, ..) { .. }
static ParseResult parsePhase(OpAsmParser &parser, Region &phase) {
  SmallVector<OpAsmParser::Argument> args;
  if (parser.parseArgumentList(args, OpAsmParser::Delimiter::Paren, /*allowType=*/true)) {
    return failure();
  }
  return parser.parseRegion(phase, args);
}

static void printPhase(OpAsmPrinter &printer, Operation *, Region &phase) {
  printer << "(";
  llvm::interleaveComma(phase.getArguments(), printer, [&](BlockArgument arg) { printer.printRegionArgument(arg); });
  printer << ") ";
  printer.printRegion(phase, /*printEntryBlockArgs=*/false);
}

#define GET_OP_CLASSES
#include "dialect/Tile/TileOps.cpp.inc"
