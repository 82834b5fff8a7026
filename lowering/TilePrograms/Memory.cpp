// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/TilePrograms/Memory.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

Value programs::constantIndex(OpBuilder &b, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

Value programs::addIndex(OpBuilder &b, Location loc, Value index, int64_t offset) {
  return offset == 0 ? index : arith::AddIOp::create(b, loc, index, constantIndex(b, loc, offset)).getResult();
}

Value programs::emitAddress(OpBuilder &b, Location loc, const Memory &memory, Value row, Value column) {
  Value offset = column;
  if (row) {
    Value start = arith::MulIOp::create(b, loc, row, constantIndex(b, loc, memory.stride));
    offset = column ? arith::AddIOp::create(b, loc, start, column).getResult() : start;
  }
  if (!offset) {
    return memory.pointer;
  }
  Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), offset);
  return LLVM::GEPOp::create(b, loc, memory.pointer.getType(), memory.element, memory.pointer,
                             ArrayRef<LLVM::GEPArg>{wide});
}

static unsigned getAlignment(Type element) { return element.getIntOrFloatBitWidth() / 8; }

static Type withWidth(Type element, int64_t width) {
  return width == 0 ? element : Type(VectorType::get({width}, element));
}

static Value constantBits(OpBuilder &b, Location loc, Type type, int64_t value) {
  TypedAttr attr = b.getIntegerAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type)) {
    attr = DenseElementsAttr::get(vector, Attribute(attr));
  }
  return arith::ConstantOp::create(b, loc, attr);
}

Value programs::emitLoad(OpBuilder &b, Location loc, const Memory &memory, Value row, Value column, int64_t width,
                         Type compute) {
  Value address = emitAddress(b, loc, memory, row, column);
  Value value = LLVM::LoadOp::create(b, loc, withWidth(memory.element, width), address, getAlignment(memory.element));
  return convertLoaded(b, loc, value, width, compute);
}

Value programs::convertLoaded(OpBuilder &b, Location loc, Value value, int64_t width, Type compute) {
  Type element = getElementTypeOrSelf(value.getType());
  if (element == compute) {
    return value;
  }
  Type type = withWidth(compute, width);
  if (compute.isInteger()) { // a mask, stored as bytes
    return arith::TruncIOp::create(b, loc, type, value);
  }
  if (element.isBF16()) {
    // A shift: cheaper than the conversion that code generators choose for single elements.
    Type i32 = withWidth(b.getI32Type(), width);
    Value bits = arith::BitcastOp::create(b, loc, withWidth(b.getI16Type(), width), value);
    Value wide = arith::ExtUIOp::create(b, loc, i32, bits);
    wide = arith::ShLIOp::create(b, loc, wide, constantBits(b, loc, i32, 16));
    value = arith::BitcastOp::create(b, loc, withWidth(b.getF32Type(), width), wide);
    return compute.isF32() ? value : arith::ExtFOp::create(b, loc, type, value).getResult();
  }
  if (element.getIntOrFloatBitWidth() > compute.getIntOrFloatBitWidth()) {
    return arith::TruncFOp::create(b, loc, type, value);
  }
  return arith::ExtFOp::create(b, loc, type, value);
}

/// Round to nearest even in integers: code generators call a library for it where the machine has no instruction.
static Value roundToBF16(OpBuilder &b, Location loc, Value value, int64_t width) {
  Type i32 = withWidth(b.getI32Type(), width), i16 = withWidth(b.getI16Type(), width);
  auto constant = [&](int64_t bits) { return constantBits(b, loc, i32, bits); };
  Value bits = arith::BitcastOp::create(b, loc, i32, value);
  Value odd = arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, bits, constant(16)), constant(1));
  Value rounded = arith::AddIOp::create(b, loc, arith::AddIOp::create(b, loc, bits, constant(0x7fff)), odd);
  Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, value, value);
  Value quiet = arith::OrIOp::create(b, loc, bits, constant(0x400000));
  Value chosen = arith::SelectOp::create(b, loc, isNaN, quiet, rounded);
  Value high = arith::TruncIOp::create(b, loc, i16, arith::ShRUIOp::create(b, loc, chosen, constant(16)));
  return arith::BitcastOp::create(b, loc, withWidth(b.getBF16Type(), width), high);
}

Value programs::convertStored(OpBuilder &b, Location loc, Value value, Type element) {
  auto vector = dyn_cast<VectorType>(value.getType());
  Type compute = getElementTypeOrSelf(value.getType());
  int64_t width = vector ? vector.getDimSize(0) : 0;
  Type type = withWidth(element, width);
  if (compute.isInteger(1)) {
    return arith::ExtUIOp::create(b, loc, type, value);
  }
  if (element == compute) {
    return value;
  }
  if (element.isBF16()) {
    if (compute.isF64()) {
      value = arith::TruncFOp::create(b, loc, withWidth(b.getF32Type(), width), value);
    }
    return roundToBF16(b, loc, value, width);
  }
  bool narrows = element.getIntOrFloatBitWidth() < compute.getIntOrFloatBitWidth();
  return narrows ? arith::TruncFOp::create(b, loc, type, value).getResult()
                 : arith::ExtFOp::create(b, loc, type, value).getResult();
}

void programs::emitStore(OpBuilder &b, Location loc, const Memory &memory, Value row, Value column, Value value) {
  value = convertStored(b, loc, value, memory.element);
  Value address = emitAddress(b, loc, memory, row, column);
  LLVM::StoreOp::create(b, loc, value, address, getAlignment(memory.element));
}

int64_t programs::getDivisor(Value index, int64_t most) {
  Operation *op = index.getDefiningOp();
  if (auto constant = dyn_cast_or_null<arith::ConstantIndexOp>(op)) {
    int64_t value = constant.value();
    return value == 0 ? most : std::min(most, value & -value);
  }
  if (auto mul = dyn_cast_or_null<arith::MulIOp>(op)) {
    return std::min(most, getDivisor(mul.getLhs(), most) * getDivisor(mul.getRhs(), most));
  }
  if (auto add = dyn_cast_or_null<arith::AddIOp>(op)) {
    return std::min(getDivisor(add.getLhs(), most), getDivisor(add.getRhs(), most));
  }
  return 1;
}
