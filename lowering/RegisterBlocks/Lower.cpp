// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tile kernels to functions on vectors: `void k(const rwkv_kernel_args *, int64_t begin, int64_t end)`. Tiles that must
// be in memory lie in the thread's scratch arena, at fixed offsets.
#include "lowering/RegisterBlocks/MatrixProducts.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::blocks;
using namespace rwkv::programs;

namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kLine = 64; // bytes that are fetched together

class VectorLowering : public KernelLowering {
public:
  VectorLowering(tile::KernelOp kernel, const Machine &machine)
      : KernelLowering(kernel), machine(machine),
        products(machine.matrix, [this](int64_t bytes) { return take(bytes); }, entry) {}

  func::FuncOp run() {
    MLIRContext *context = kernel.getContext();
    Type pointer = LLVM::LLVMPointerType::get(context), i64 = b.getI64Type();
    auto function = func::FuncOp::create(b, loc, kernel.getSymName(), b.getFunctionType({pointer, i64, i64}, {}));
    Block &body = *function.addEntryBlock();
    entry.setInsertionPointToStart(&body);
    Value args = body.getArgument(0);
    auto field = [&](int64_t i) { return loadWord(entry, args, i, pointer); };
    Value buffers = field(0), sizes = field(1);
    scratch = field(2);
    status = field(3);
    for (unsigned i = 1; i < tile::KernelOp::kFirstBuffer; ++i) {
      Value size = loadWord(entry, sizes, i - 1, i64);
      scalars[kernel.getBody().getArgument(i)] = arith::IndexCastOp::create(entry, loc, b.getIndexType(), size);
    }
    for (auto [i, buffer] : llvm::enumerate(kernel.getBuffers())) {
      scalars[buffer] = loadWord(entry, buffers, i, pointer);
    }
    Value begin = arith::IndexCastOp::create(entry, loc, b.getIndexType(), body.getArgument(1));
    Value end = arith::IndexCastOp::create(entry, loc, b.getIndexType(), body.getArgument(2));
    auto ret = func::ReturnOp::create(entry, loc);
    entry.setInsertionPoint(begin.getDefiningOp());

    b.setInsertionPoint(ret);
    auto loop = scf::ForOp::create(b, loc, begin, end, constantIndex(b, loc, 1));
    scalars[kernel.getTask()] = loop.getInductionVar();
    b.setInsertionPoint(loop.getBody()->getTerminator());
    lowerBody();
    products.finish(ret);
    function->setAttr("tile.scratch", b.getI64IntegerAttr(scratchBytes));
    return function;
  }

private:
  /// A place in the arena; its address is computed once, at the top of the function.
  Memory allocate(Value tile) override {
    auto tensor = cast<RankedTensorType>(tile.getType());
    Type element = tensor.getElementType();
    if (element.isInteger(1)) { // stored as bytes
      element = b.getI8Type();
    }
    int64_t bytes = tensor.getNumElements() * std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8);
    return {take(bytes), element, tensor.getShape().back()};
  }

  Value take(int64_t bytes) {
    Value pointer = LLVM::GEPOp::create(entry, loc, scratch.getType(), entry.getI8Type(), scratch,
                                        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(scratchBytes)});
    scratchBytes += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return pointer;
  }

  void emitNest(const Plan &plan, const Nest &nest, unsigned index) override {
    blocks::emitNest(b, loc, machine, plan, nest, index, *this);
  }
  void emitProgram(Operation *op, const Memory &target) override {
    if (auto dot = dyn_cast<tile::DotOp>(op); dot && products.takes(dot)) {
      return products.emit(b, loc, machine, dot, *this, target);
    }
    blocks::emitProgram(b, loc, machine, op, *this, target);
  }
  void emitCopy(const Memory &from, const Memory &to, int64_t rows, int64_t columns, Type compute) override {
    blocks::emitCopy(b, loc, machine, from, to, rows, columns, compute);
  }
  void emitScalarStore(const Memory &memory, Value value) override {
    emitStore(b, loc, memory, Value(), Value(), value);
  }

  /// Rows of a head lie far apart: nothing but the program knows which come next. Where an iteration takes many tokens,
  /// its loads wait for each other anyway.
  bool fetchesAhead() const override { return true; }
  void beginTokens(ArrayRef<Matrix> next) override {
    for (const Matrix &tile : next) {
      int64_t bytes = tile.memory.element.getIntOrFloatBitWidth() / 8;
      for (int64_t at = 0; tile.rows == 1 && at < tile.columns * bytes; at += kLine) {
        Value address = emitAddress(b, loc, tile.memory, Value(), constantIndex(b, loc, at / bytes));
        LLVM::Prefetch::create(b, loc, address, /*rw=*/0, /*hint=*/3, /*cache=*/1);
      }
    }
  }

  void emitFlag(Value violated, int32_t statusBit) override {
    Type i32 = b.getI32Type();
    Value old = LLVM::LoadOp::create(b, loc, i32, status, 4);
    Value bit = arith::SelectOp::create(b, loc, violated, arith::ConstantIntOp::create(b, loc, i32, statusBit),
                                        arith::ConstantIntOp::create(b, loc, i32, 0));
    LLVM::StoreOp::create(b, loc, arith::OrIOp::create(b, loc, old, bit), status, 4);
  }

  const Machine &machine;
  MatrixProducts products;
  Value scratch, status;
  int64_t scratchBytes = 0;
};

} // namespace

func::FuncOp blocks::lowerKernel(tile::KernelOp kernel, const Machine &machine) {
  return VectorLowering(kernel, machine).run();
}
