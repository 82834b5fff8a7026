// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Lanes/Pipeline.h"

#include "mlir/IR/Remarks.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;

/// The phases of a loop, whose systems that are prepared are inverted first, and what takes the place of its results;
/// null if it has none.
static tile::PipelineOp splitLoop(scf::ForOp loop, SmallVectorImpl<Value> &results, std::string &why) {
  // A loop that is refused stays as it is: where nothing is prepared ahead, an inverse is only more work.
  auto copy = cast<scf::ForOp>(OpBuilder(loop).clone(*loop));
  computeOfVectors(copy);
  std::optional<Roles> roles = findRoles(copy, why);
  if (roles) {
    prepareVectorProducts(copy, *roles);
    roles = findRoles(copy, why);
  }
  if (roles) {
    invertPrepared(copy, *roles);
    roles = findRoles(copy, why);
  }
  tile::PipelineOp op = roles ? splitPhases(copy, *roles) : tile::PipelineOp();
  if (op) {
    size_t applied = op.getInit().size();
    results.assign(op->result_begin(), op->result_begin() + applied);
    for (auto [number, result] : llvm::zip_equal(roles->ahead, op->getResults().drop_front(applied))) {
      results.insert(results.begin() + number, result);
    }
  }
  copy.erase();
  return op;
}

std::optional<Pipeline> lanes::formPipeline(scf::ForOp loop, const Machine &machine, std::string &why) {
  SmallVector<Value> results;
  tile::PipelineOp op = splitLoop(loop, results, why);
  std::optional<Pipeline> plan = op ? choosePipeline(op, machine, why) : std::nullopt;
  if (plan) {
    loop->replaceAllUsesWith(results);
    loop.erase();
  } else if (op) {
    op.erase();
  }
  return plan;
}

bool lanes::formPipeline(tile::KernelOp kernel, const Machine &machine) {
  const auto kRemark = remark::RemarkOpts::name("Pipeline").category("tile-form-pipelines");
  WalkResult formed = kernel.getBody().walk<WalkOrder::PreOrder>([&](scf::ForOp loop) {
    Location loc = loop.getLoc();
    std::string why;
    sinkIndices(loop);
    std::optional<Pipeline> plan = formPipeline(loop, machine, why);
    if (!plan) {
      remark::missed(loc, kRemark) << "no pipeline: " + why;
      return WalkResult::advance();
    }
    remark::passed(loc, kRemark)
        << llvm::formatv("pipeline: {0} warps prepare chunks, {1} apply {2} columns each; slots of {3} bytes; "
                         "tasks at once: {4}",
                         plan->preparers, plan->appliers, plan->columns, plan->slotBytes, plan->tasksAtOnce)
               .str();
    return WalkResult::interrupt();
  });
  return formed.wasInterrupted();
}
