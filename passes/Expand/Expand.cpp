// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/TileEmitter.h"
#include "passes/Passes.h"

#include "llvm/ADT/StringMap.h"

namespace rwkv {
#define GEN_PASS_DEF_RWKVEXPANDPASS
#include "passes/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;

namespace {
struct ExpandPass : rwkv::impl::RwkvExpandPassBase<ExpandPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<FusedOp> groups;
    module.walk([&](FusedOp fused) { groups.push_back(fused); });
    OpBuilder moduleBuilder = OpBuilder::atBlockBegin(module.getBody());
    llvm::StringMap<StringAttr> known; // kernels by their text: equal groups are compiled once
    for (FusedOp fused : groups) {
      SmallVector<Value> inputs;
      SmallVector<Attribute> weights;
      AffineMap tasks;
      tile::KernelOp kernel = KernelEmitter::emit(fused, moduleBuilder, inputs, weights, tasks);
      if (!kernel) {
        return signalPassFailure();
      }
      std::string text;
      llvm::raw_string_ostream os(text);
      kernel->print(os, OpPrintingFlags().useLocalScope());
      auto [it, inserted] = known.try_emplace(text);
      if (inserted) {
        std::string name = (stringifyFusedDomain(fused.getDomain()) + "_" + Twine(known.size() - 1)).str();
        it->second = moduleBuilder.getStringAttr(name);
        kernel.setSymNameAttr(it->second);
        ++numKernels;
      } else {
        kernel.erase();
      }
      OpBuilder builder(fused);
      auto launch =
          tile::LaunchOp::create(builder, fused.getLoc(), fused.getResultTypes(), FlatSymbolRefAttr::get(it->second),
                                 AffineMapAttr::get(tasks), inputs, builder.getArrayAttr(weights));
      fused.replaceAllUsesWith(launch);
      fused.erase();
    }
  }
};
} // namespace
