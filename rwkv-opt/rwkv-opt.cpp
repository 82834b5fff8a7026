// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rwkv-opt: runs passes on specs, prints every stage, writes packs.
#include "lowering/ExpandMath/ExpandMath.h"
#include "lowering/Passes.h"
#include "passes/Passes.h"
#include "rwkv-opt/Pipeline.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  rwkv::getDialectRegistry().appendTo(registry);
  mlir::registerTransformsPasses();
  rwkv::registerRwkvPasses();
  rwkv::registerRwkvLoweringPasses();
  rwkv::registerRwkvExpandMathPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "rwkv-mlir optimizer driver\n", registry));
}
