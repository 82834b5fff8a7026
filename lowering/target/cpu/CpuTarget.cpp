// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/target/cpu/CpuTarget.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace rwkv;

namespace {

constexpr const blocks::MatrixUnit *none = nullptr;

/// x86 matrix tiles. The instructions name their registers, as constants: a code generator has nothing to choose.
class TileUnit : public blocks::MatrixUnit {
public:
  using MatrixUnit::MatrixUnit;

  void emitBegin(OpBuilder &b, Location loc, Value memory) const override {
    // Palette 1; then bytes of a row for each register from byte 16 on, as 16-bit words, and rows from byte 48 on.
    SmallVector<int8_t> bytes(kSetup, 0);
    bytes[0] = 1;
    for (int64_t i = 0; i < numbers.registers; ++i) {
      bytes[16 + 2 * i] = kRowBytes;
      bytes[48 + i] = static_cast<int8_t>(numbers.rows);
    }
    auto type = VectorType::get({kSetup}, b.getI8Type());
    Value setup = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int8_t>(bytes)));
    LLVM::StoreOp::create(b, loc, setup, memory, 1);
    call(b, loc, "llvm.x86.ldtilecfg", memory);
  }
  void emitEnd(OpBuilder &b, Location loc) const override { call(b, loc, "llvm.x86.tilerelease", {}); }
  void emitZero(OpBuilder &b, Location loc, int64_t reg) const override {
    call(b, loc, "llvm.x86.tilezero", constant(b, loc, reg, 8));
  }
  void emitLoad(OpBuilder &b, Location loc, int64_t reg, Value pointer, int64_t stride) const override {
    call(b, loc, "llvm.x86.tileloadd64", {constant(b, loc, reg, 8), pointer, constant(b, loc, stride, 64)});
  }
  void emitStore(OpBuilder &b, Location loc, int64_t reg, Value pointer, int64_t stride) const override {
    call(b, loc, "llvm.x86.tilestored64", {constant(b, loc, reg, 8), pointer, constant(b, loc, stride, 64)});
  }
  void emitProduct(OpBuilder &b, Location loc, int64_t c, int64_t x, int64_t y) const override {
    call(b, loc, "llvm.x86.tdpbf16ps", {constant(b, loc, c, 8), constant(b, loc, x, 8), constant(b, loc, y, 8)});
  }

private:
  static constexpr int8_t kRowBytes = 64;

  static Value constant(OpBuilder &b, Location loc, int64_t value, unsigned bits) {
    return arith::ConstantIntOp::create(b, loc, b.getIntegerType(bits), value);
  }
  static void call(OpBuilder &b, Location loc, StringRef name, ValueRange operands) {
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr(name), operands);
  }
};

} // namespace

llvm::ArrayRef<TargetInfo> cpu::getRows() {
#define MATRIX(name, ...) static const TileUnit name(blocks::MatrixNumbers{__VA_ARGS__});
#include "lowering/target/cpu/MatrixInstructions.inc"
  static const TargetInfo rows[] = {
#define CPU(name, triple, cpu, vectorBits, registers, scratchBytes, matrix, ...)                                       \
  TargetInfo{name, triple, cpu, {__VA_ARGS__}, vectorBits, registers, scratchBytes, matrix},
#include "lowering/target/cpu/KnownCpu.inc"
  };
  return rows;
}

llvm::ArrayRef<TargetInfo> cpu::getEmulatedRows() {
  static const std::vector<TargetInfo> rows = [] {
    std::vector<TargetInfo> rows;
    for (const TargetInfo &row : getRows()) {
      if (row.matrix) {
        TargetInfo &emulated = rows.emplace_back(row);
        emulated.chip = "emu-" + row.chip;
        llvm::copy_if(row.features, std::back_inserter(emulated.required),
                      [](llvm::StringRef feature) { return !feature.starts_with("amx-"); });
      }
    }
    return rows;
  }();
  return rows;
}

const TargetInfo *cpu::findHostRow() {
  const auto arch = llvm::Triple(llvm::sys::getProcessTriple()).getArch();
  const llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  for (const TargetInfo &row : llvm::reverse(getRows())) {
    if (llvm::Triple(row.triple).getArch() == arch &&
        llvm::all_of(row.features, [&](llvm::StringRef feature) { return features.lookup(feature); })) {
      return &row;
    }
  }
  return nullptr;
}
