// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tile kernels to functions, in the way of the module's target; before that, what it has warps for becomes pipelines.
#include "lowering/Lanes/Lanes.h"
#include "lowering/Passes.h"
#include "lowering/RegisterBlocks/Nest.h"
#include "lowering/target/Target.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace rwkv {
#define GEN_PASS_DEF_TILEFORMPIPELINESPASS
#define GEN_PASS_DEF_TILELOWERKERNELSPASS
#include "lowering/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;

/// Null, and an error, if the module has none.
static TargetAttr getTarget(ModuleOp module) {
  auto target = module->getAttrOfType<TargetAttr>("rwkv.target");
  if (!target) {
    module.emitError("expected the module to have a #rwkv.target as 'rwkv.target'");
  }
  return target;
}

/// The machine of a target whose tasks are run by lanes.
static FailureOr<lanes::Machine> getMachine(ModuleOp module, TargetAttr target) {
  std::string error;
  std::optional<TargetInfo> info = lookupTarget(target.getChip(), error);
  if (!info || !info->hooks) {
    return module.emitError("expected a target whose tasks are run by lanes, but got '") << target.getChip() << "'";
  }
  return lanes::Machine{target.getLanes(), target.getScratch(), info->hooks};
}

namespace {
struct FormPipelinesPass : rwkv::impl::TileFormPipelinesPassBase<FormPipelinesPass> {
  void runOnOperation() override {
    TargetAttr target = getTarget(getOperation());
    if (!target) {
      return signalPassFailure();
    }
    if (target.getLanes() == 1) {
      return; // a thread, which has no warps
    }
    FailureOr<lanes::Machine> machine = getMachine(getOperation(), target);
    if (failed(machine)) {
      return signalPassFailure();
    }
    for (auto kernel : getOperation().getOps<tile::KernelOp>()) {
      numFormed += lanes::formPipeline(kernel, *machine);
    }
  }
};

struct LowerKernelsPass : rwkv::impl::TileLowerKernelsPassBase<LowerKernelsPass> {
  void runOnOperation() override {
    TargetAttr target = getTarget(getOperation());
    if (!target) {
      return signalPassFailure();
    }
    if (target.getLanes() > 1 ? failed(lowerToLanes(target)) : failed(lowerToVectors(target))) {
      return signalPassFailure();
    }
  }

  /// Every kernel by `lower`; everything else goes: the host side has been read by now.
  LogicalResult lowerAll(function_ref<LogicalResult(tile::KernelOp)> lower) {
    for (Operation &op : llvm::make_early_inc_range(getOperation().getBody()->getOperations())) {
      if (auto kernel = dyn_cast<tile::KernelOp>(op); kernel && failed(lower(kernel))) {
        return failure();
      }
      op.erase();
    }
    return success();
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
    return lowerAll([&](tile::KernelOp kernel) -> LogicalResult {
      WalkResult found = kernel.getBody().walk([](tile::PipelineOp op) {
        return WalkResult(op.emitOpError("expected a target whose tasks are run by lanes"));
      });
      if (found.wasInterrupted()) {
        return failure();
      }
      blocks::lowerKernel(kernel, machine);
      return success();
    });
  }

  LogicalResult lowerToLanes(TargetAttr target) {
    ModuleOp module = getOperation();
    FailureOr<lanes::Machine> machine = getMachine(module, target);
    constexpr StringLiteral kArena = "rwkv_shared";
    if (failed(machine) ||
        failed(lowerAll([&](tile::KernelOp kernel) { return lanes::lowerKernel(kernel, *machine, kArena); }))) {
      return failure();
    }
    // Its size is given with every launch.
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    auto bytes = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
    LLVM::GlobalOp::create(b, module.getLoc(), bytes, /*isConstant=*/false, LLVM::Linkage::External, kArena,
                           Attribute(), /*alignment=*/16, machine->hooks->getSharedSpace());
    return success();
  }
};
} // namespace
