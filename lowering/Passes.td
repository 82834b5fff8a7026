// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_LOWERING_PASSES_TD
#define RWKV_LOWERING_PASSES_TD

include "mlir/Pass/PassBase.td"

def TileFormPipelinesPass : Pass<"tile-form-pipelines", "::mlir::ModuleOp"> {
  let summary = "Make loops over chunks pipelines of the warps of a task";
  let description = [{
    In every `tile.kernel`, the first `scf.for` over chunks that the machine of `#rwkv.target` can run so becomes a
    `tile.pipeline`: what needs nothing that is carried is prepared, everything else applied. Systems that are prepared but
    solved for what is carried are inverted. Remarks (`--remarks-filter=tile-form-pipelines`) say which loops, and what is in
    the way of others. Nothing is done for machines whose tasks are run by a thread. Numeric effect: where a system is
    inverted, its solution is a product with the inverse, whose operands are rounded as those of the other products.

    Before: `scf.for %i = .. iter_args(%S = ..) { %k = tile.load .. %Sn = tile.dot %k, .. acc %S .. }`
    After: `tile.pipeline .. prepare(%i: index) { .. tile.pass %k .. } apply(%i: index, %S: .., %k: ..) { .. tile.carry %Sn .. }`
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::rwkv::tile::TileDialect"];
  let statistics = [Statistic<"numFormed", "pipelines", "Number of pipelines formed">];
}

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

def TileOutlineLoopsPass : Pass<"tile-outline-loops", "::mlir::ModuleOp"> {
  let summary = "Give what loops that hold many loops do functions of their own";
  let description = [{
    The chunk of a large region is hundreds of small loops one after the other, in a loop over chunks in a loop over tasks.
    Code generators visit all loops around and inside of one that they change, and whatever is computed in them: within a
    function, time grows with the square of their number. The body of such a loop becomes calls of functions with few loops
    each. Numeric effect: none.

    Before: `scf.for %i = .. { .. hundreds of scf.for .. }`
    After: `scf.for %i = .. { func.call @k_part_0(%i, ..) .. }` and `func.func private @k_part_0(..) { .. }` ..
  }];
  let options = [Option<"most", "most", "int64_t", "64", "Loops that a loop, and a function made of its body, may hold">];
  let dependentDialects = ["::mlir::func::FuncDialect"];
  let statistics = [Statistic<"numOutlined", "functions", "Number of functions made">];
}

#endif // RWKV_LOWERING_PASSES_TD
