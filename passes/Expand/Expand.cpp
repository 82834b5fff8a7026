// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/Segments.h"
#include "passes/Passes.h"

#include "llvm/ADT/StringMap.h"

namespace rwkv {
#define GEN_PASS_DEF_RWKVEXPANDPASS
#include "passes/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;

namespace {
class Expander {
public:
  explicit Expander(ModuleOp module) : moduleBuilder(OpBuilder::atBlockBegin(module.getBody())) {}

  size_t countKernels() const { return known.size(); }

  LogicalResult expand(FusedOp fused) {
    FailureOr<SmallVector<Value>> results = emit(fused);
    if (failed(results)) {
      return failure();
    }
    fused.replaceAllUsesWith(*results);
    fused.erase();
    return success();
  }

private:
  FailureOr<SmallVector<Value>> emit(FusedOp fused) {
    switch (fused.getDomain()) {
    case FusedDomain::rows:
      return launch(fused, createRowsEmitter, {}, fused.getResultTypes());
    case FusedDomain::columns:
      return launch(fused, createColumnsEmitter, {}, fused.getResultTypes());
    case FusedDomain::heads:
      return emitHeads(fused);
    }
    llvm_unreachable("all domains are handled");
  }

  FailureOr<SmallVector<Value>> emitHeads(FusedOp fused) {
    TypeRange types = fused.getResultTypes();
    ScheduleAttr schedule = (*fused.getBody().getOps<RecurrenceOp>().begin()).getScheduleAttr();
    std::optional<Segments> segments = Segments::find(fused);
    FailureOr<SmallVector<Value>> many =
        segments ? emitSegments(fused, *segments) : launch(fused, createHeadsEmitter, {}, types);
    bool few = schedule && schedule.getLeast() > 0;
    return few && succeeded(many) ? launch(fused, createTokensEmitter, {}, types, *many) : many;
  }

  FailureOr<SmallVector<Value>> emitSegments(FusedOp fused, const Segments &segments) {
    auto run = [&](auto create, ValueRange inputs, TypeRange results, ValueRange into = {}) {
      return launch(
          fused,
          [&](FusedOp group, tile::KernelOp kernel, OpBuilder builder) {
            return create(group, kernel, builder, segments, inputs);
          },
          inputs, results, into);
    };
    Type states = segments.getStatesType();
    FailureOr<SmallVector<Value>> effects = run(createEffectsEmitter, {}, {states, segments.getTransitionsType()});
    if (failed(effects)) {
      return failure();
    }
    SmallVector<Type> types(fused.getResultTypes());
    types.push_back(states);
    FailureOr<SmallVector<Value>> first = run(createFirstEmitter, {}, types);
    if (failed(first)) {
      return failure();
    }
    FailureOr<SmallVector<Value>> starts = run(createStartsEmitter, *effects, states, first->back());
    if (failed(starts)) {
      return failure();
    }
    first->back() = starts->front();
    FailureOr<SmallVector<Value>> all = run(createOthersEmitter, {}, types, *first);
    if (succeeded(all)) {
      all->pop_back();
    }
    return all;
  }

  /// Emits a kernel, or finds the same one, and launches it in front of the group.
  FailureOr<SmallVector<Value>> launch(FusedOp fused, KernelEmitter::Factory create, ValueRange inputs,
                                       TypeRange results, ValueRange into = {}) {
    FailureOr<KernelCall> call = KernelEmitter::emit(fused, moduleBuilder, create, inputs, results);
    if (failed(call)) {
      return failure();
    }
    std::string text;
    llvm::raw_string_ostream os(text);
    call->kernel->print(os, OpPrintingFlags().useLocalScope());
    auto [it, inserted] = known.try_emplace(text);
    if (inserted) {
      std::string name = (stringifyFusedDomain(fused.getDomain()) + "_" + Twine(known.size() - 1)).str();
      it->second = moduleBuilder.getStringAttr(name);
      call->kernel.setSymNameAttr(it->second);
    } else {
      call->kernel.erase();
    }
    OpBuilder builder(fused);
    auto launch =
        tile::LaunchOp::create(builder, fused.getLoc(), results, FlatSymbolRefAttr::get(it->second), call->tasks,
                               call->from, call->inputs, into, builder.getArrayAttr(call->weights));
    return SmallVector<Value>(launch.getResults());
  }

  OpBuilder moduleBuilder;
  llvm::StringMap<StringAttr> known; // kernels by their text: equal groups are compiled once
};

struct ExpandPass : rwkv::impl::RwkvExpandPassBase<ExpandPass> {
  void runOnOperation() override {
    SmallVector<FusedOp> groups;
    getOperation().walk([&](FusedOp fused) { groups.push_back(fused); });
    Expander expander(getOperation());
    for (FusedOp fused : groups) {
      if (failed(expander.expand(fused))) {
        return signalPassFailure();
      }
    }
    numKernels += expander.countKernels();
  }
};
} // namespace
