// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Lanes/Pipeline.h"

#include "mlir/IR/Remarks.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;

/// The phases of a loop, whose systems that are prepared are inverted first; null if it has none.
static tile::PipelineOp splitLoop(scf::ForOp loop, std::string &why) {
  // A loop that is refused stays as it is: where nothing is prepared ahead, an inverse is only more work.
  auto copy = cast<scf::ForOp>(OpBuilder(loop).clone(*loop));
  std::optional<Roles> roles = findRoles(copy, why);
  if (roles) {
    invertPrepared(copy, *roles);
    roles = findRoles(copy, why);
  }
  tile::PipelineOp op = roles ? splitPhases(copy, *roles) : tile::PipelineOp();
  copy.erase();
  return op;
}

bool lanes::formPipeline(tile::KernelOp kernel, const Machine &machine) {
  const auto kRemark = remark::RemarkOpts::name("Pipeline").category("tile-form-pipelines");
  WalkResult formed = kernel.getBody().walk<WalkOrder::PreOrder>([&](scf::ForOp loop) {
    std::string why;
    sinkIndices(loop);
    tile::PipelineOp op = splitLoop(loop, why);
    std::optional<Pipeline> plan = op ? choosePipeline(op, machine, why) : std::nullopt;
    if (!plan) {
      remark::missed(loop.getLoc(), kRemark) << "no pipeline: " + why;
      if (op) {
        op.erase();
      }
      return WalkResult::advance();
    }
    remark::passed(loop.getLoc(), kRemark)
        << llvm::formatv("pipeline: {0} warps prepare chunks, {1} apply {2} columns each; slots of {3} bytes; "
                         "tasks at once: {4}",
                         plan->preparers, plan->appliers, plan->columns, plan->slotBytes, plan->tasksAtOnce)
               .str();
    loop->replaceAllUsesWith(op->getResults());
    loop.erase();
    return WalkResult::interrupt();
  });
  return formed.wasInterrupted();
}
