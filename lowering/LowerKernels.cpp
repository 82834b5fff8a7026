// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tile kernels to functions, in the way of the module's target.
#include "lowering/Lanes/Lanes.h"
#include "lowering/Passes.h"
#include "lowering/RegisterBlocks/Nest.h"
#include "lowering/target/Target.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace rwkv {
#define GEN_PASS_DEF_TILELOWERKERNELSPASS
#include "lowering/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;

namespace {
struct LowerKernelsPass : rwkv::impl::TileLowerKernelsPassBase<LowerKernelsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto target = module->getAttrOfType<TargetAttr>("rwkv.target");
    if (!target) {
      module.emitError("expected the module to have a #rwkv.target as 'rwkv.target'");
      return signalPassFailure();
    }
    if (target.getLanes() > 1 ? failed(lowerToLanes(target)) : failed(lowerToVectors(target))) {
      return signalPassFailure();
    }
  }

  /// Every kernel by `lower`; everything else goes: the host side has been read by now.
  void lowerAll(function_ref<void(tile::KernelOp)> lower) {
    for (Operation &op : llvm::make_early_inc_range(getOperation().getBody()->getOperations())) {
      if (auto kernel = dyn_cast<tile::KernelOp>(op)) {
        lower(kernel);
      }
      op.erase();
    }
  }

  LogicalResult lowerToVectors(TargetAttr target) {
    blocks::Machine machine{target.getVector(), target.getRegisters()};
    if (target.getMatrix()) {
      std::string error;
      std::optional<TargetInfo> info = lookupTarget(target.getChip(), error);
      if (!info || !info->matrix) {
        return getOperation().emitError("expected a target with matrix instructions, but got '")
               << target.getChip() << "'";
      }
      machine.matrix = info->matrix;
    }
    lowerAll([&](tile::KernelOp kernel) { blocks::lowerKernel(kernel, machine); });
    return success();
  }

  LogicalResult lowerToLanes(TargetAttr target) {
    ModuleOp module = getOperation();
    std::string error;
    std::optional<TargetInfo> info = lookupTarget(target.getChip(), error);
    if (!info || !info->hooks) {
      return module.emitError("expected a target whose tasks are run by lanes, but got '") << target.getChip() << "'";
    }
    lanes::Machine machine{target.getLanes(), target.getScratch(), info->hooks};
    constexpr StringLiteral kArena = "rwkv_shared";
    lowerAll([&](tile::KernelOp kernel) { lanes::lowerKernel(kernel, machine, kArena); });
    // Its size is given with every launch.
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    auto bytes = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
    LLVM::GlobalOp::create(b, module.getLoc(), bytes, /*isConstant=*/false, LLVM::Linkage::External, kArena,
                           Attribute(), /*alignment=*/16, info->hooks->getSharedSpace());
    return success();
  }
};
} // namespace
