// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rwkv-opt: runs passes on specs, prints every stage, writes packs.
#include "passes/Passes.h"

#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<rwkv::RwkvDialect, rwkv::tile::TileDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect,
                  mlir::math::MathDialect, mlir::scf::SCFDialect>();
  mlir::func::registerInlinerExtension(registry);
  mlir::registerTransformsPasses();
  rwkv::registerRwkvPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "rwkv-mlir optimizer driver\n", registry));
}
