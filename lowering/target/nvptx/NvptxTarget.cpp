// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/target/nvptx/NvptxTarget.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/IR/Function.h"

using namespace mlir;
using namespace rwkv;

namespace {

constexpr int64_t kMostLanes = 256; // per task

class NvptxHooks : public lanes::Hooks {
public:
  int64_t getWarp() const override { return 32; }
  unsigned getSharedSpace() const override { return 3; }
  unsigned getGlobalSpace() const override { return 1; }

  Value emitLane(OpBuilder &b, Location loc) const override {
    return call(b, loc, b.getI32Type(), "llvm.nvvm.read.ptx.sreg.tid.x", {});
  }
  Value emitTask(OpBuilder &b, Location loc) const override {
    return call(b, loc, b.getI32Type(), "llvm.nvvm.read.ptx.sreg.ctaid.x", {});
  }
  void emitBarrier(OpBuilder &b, Location loc) const override {
    Value all = constant(b, loc, 0);
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr("llvm.nvvm.barrier.cta.sync.aligned.all"), ValueRange{all});
  }
  Value emitShuffle(OpBuilder &b, Location loc, Value value, int64_t mask) const override {
    StringRef name = value.getType().isF32() ? "llvm.nvvm.shfl.sync.bfly.f32" : "llvm.nvvm.shfl.sync.bfly.i32";
    Value operands[] = {constant(b, loc, -1), value, constant(b, loc, mask), constant(b, loc, 31)};
    return call(b, loc, value.getType(), name, operands);
  }

private:
  static Value constant(OpBuilder &b, Location loc, int64_t value) {
    return arith::ConstantIntOp::create(b, loc, b.getI32Type(), value);
  }
  static Value call(OpBuilder &b, Location loc, Type type, StringRef name, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, loc, type, b.getStringAttr(name), operands).getResult(0);
  }
};

void prepareKernel(llvm::Function &code) {
  code.setCallingConv(llvm::CallingConv::PTX_Kernel);
  code.addFnAttr("nvvm.maxntid", code.getFnAttribute("rwkv-lanes").getValueAsString());
}

} // namespace

llvm::ArrayRef<TargetInfo> nvptx::getRows() {
  static const NvptxHooks hooks;
  // Cost models count the lanes of a warp as one vector.
  static const TargetInfo rows[] = {
#define GPU(name, ptx, shared)                                                                                         \
  TargetInfo{name,   "nvptx64-nvidia-cuda", name,         {ptx}, 1024, 64, shared, kMostLanes, &hooks,                 \
             {name}, /*isText=*/true,       prepareKernel},
#include "lowering/target/nvptx/KnownGpu.inc"
  };
  return rows;
}
