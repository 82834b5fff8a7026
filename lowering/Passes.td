// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_LOWERING_PASSES_TD
#define RWKV_LOWERING_PASSES_TD

include "mlir/Pass/PassBase.td"

def TileLowerKernelsPass : Pass<"tile-lower-kernels", "::mlir::ModuleOp"> {
  let summary = "Turn tile kernels into functions on vectors, for CPUs";
  let description = [{
    Every `tile.kernel` becomes `void k(const rwkv_kernel_args *, int64_t begin, int64_t end)`: loop nests that share what
    they can, register blocks of the width that `#rwkv.target` gives, sums in registers, tiles that several nests need in the
    thread's scratch arena. Everything else is removed from the module. Numeric effect: sums run in as many partial sums as
    a register block has; products may be contracted into fused multiply-adds.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::vector::VectorDialect", "::mlir::func::FuncDialect",
                           "::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

#endif // RWKV_LOWERING_PASSES_TD
