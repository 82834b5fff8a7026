// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-opt/Pipeline.h"

#include "lowering/ExpandMath/ExpandMath.h"
#include "lowering/Passes.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace rwkv;

const DialectRegistry &rwkv::getDialectRegistry() {
  static const DialectRegistry *registry = [] {
    auto *all = new DialectRegistry();
    all->insert<RwkvDialect, tile::TileDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect,
                scf::SCFDialect>();
    func::registerInlinerExtension(*all);
    return all;
  }();
  return *registry;
}

LogicalResult rwkv::runFrontend(ModuleOp module) {
  PassManager manager(module.getContext());
  manager.addPass(createRwkvGeneralizePass());
  manager.addPass(createInlinerPass());
  OpPassManager &model = manager.nest<ModelOp>();
  model.addPass(createInlinerPass());
  model.addPass(createSymbolDCEPass());
  return manager.run(module);
}

/// For functions of models and beside them.
static void addToFunctions(PassManager &manager, function_ref<void(OpPassManager &)> add) {
  add(manager.nest<func::FuncOp>());
  add(manager.nest<ModelOp>().nest<func::FuncOp>());
}

/// Machines whose tasks are run by lanes have an instruction for it.
static bool hasNativeExp2(ModuleOp module) {
  auto target = module->getAttrOfType<TargetAttr>("rwkv.target");
  return target && target.getLanes() > 1;
}

LogicalResult rwkv::runMiddleEnd(ModuleOp module, StringRef schedule, int64_t chunk, int64_t fill, int64_t split) {
  PassManager manager(module.getContext());
  addToFunctions(manager, [&](OpPassManager &functions) {
    functions.addPass(createCSEPass());
    RwkvSchedulePassOptions options;
    options.schedule = schedule.str();
    options.chunk = chunk;
    options.fill = fill;
    options.split = split;
    functions.addPass(createRwkvSchedulePass(options));
    functions.addPass(createRwkvFusePass());
  });
  manager.addPass(createRwkvExpandPass());
  manager.addPass(createCSEPass()); // what is computed twice, before results that one of both does not need are removed
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  TileExpandMathPassOptions math;
  math.nativeExp2 = hasNativeExp2(module);
  manager.addPass(createTileExpandMathPass(math));
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  return manager.run(module);
}

LogicalResult rwkv::runCodegen(ModuleOp module, llvm::StringMap<KernelInfo> &infos) {
  PassManager lower(module.getContext());
  lower.addPass(createTileFormPipelinesPass());
  lower.addPass(createTileLowerKernelsPass());
  if (failed(lower.run(module))) {
    return failure();
  }
  for (auto function : module.getOps<func::FuncOp>()) {
    KernelInfo &info = infos[function.getSymName()];
    for (auto [name, value] : {std::pair("tile.scratch", &info.scratch), std::pair("tile.lanes", &info.lanes),
                               std::pair("tile.shared", &info.shared)}) {
      if (auto attr = dyn_cast_or_null<IntegerAttr>(function->removeAttr(name))) {
        *value = attr.getInt();
      }
    }
  }
  PassManager convert(module.getContext());
  convert.enableVerifier(false); // a dozen times: what comes out is verified
  convert.addPass(createTileOutlineLoopsPass());
  addLLVMConversion(convert);
  return failure(failed(convert.run(module)) || failed(verify(module)));
}
