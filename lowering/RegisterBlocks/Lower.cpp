// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tile kernels to functions on vectors: `void k(const rwkv_kernel_args *, int64_t begin, int64_t end)`. Tiles that must
// be in memory lie in the thread's scratch arena, at fixed offsets: those that are never needed at the same time share
// them, so that a chunk stays in the caches close to the core.
#include "lowering/RegisterBlocks/MatrixProducts.h"
#include "lowering/TilePrograms/Lifetimes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::blocks;
using namespace rwkv::programs;

namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kLine = 64; // bytes that are fetched together
constexpr int64_t kFew = 16;
constexpr int32_t kSecond = 2; // into the second cache: what is computed meanwhile needs the first

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
    function->setAttr("tile.scratch", b.getI64IntegerAttr(placeAllocations(function)));
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
                                        ArrayRef<LLVM::GEPArg>{0}); // until all are known
    allocations.push_back({pointer, bytes});
    return pointer;
  }

  /// Gives all places their offsets, in the order in which they are needed; returns how many bytes that takes.
  int64_t placeAllocations(func::FuncOp function) {
    std::vector<Interval> intervals =
        findLifetimes(function, allocations, kAlignment, [](Operation *) { return true; });
    SmallVector<Interval *> order = llvm::map_to_vector(intervals, [](Interval &interval) { return &interval; });
    llvm::sort(order, [](const Interval *x, const Interval *y) { // of equal ones the one that was made first
      return x->from != y->from ? x->from < y->from : x < y;
    });
    int64_t bytes = 0;
    SmallVector<const Interval *> placed;
    for (Interval *interval : order) {
      interval->offset = findOffset(*interval, placed);
      placed.push_back(interval);
      bytes = std::max(bytes, interval->offset + interval->bytes);
      interval->pointer.getDefiningOp<LLVM::GEPOp>().setRawConstantIndices({static_cast<int32_t>(interval->offset)});
    }
    return bytes;
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

  /// Rows of a head lie far apart: nothing but the program knows which come next. Each nest of an iteration fetches
  /// some of them, as many as all would wait for places in the queue of what is fetched.
  bool fetchesAhead() const override { return true; }
  void beginTokens(ArrayRef<Matrix> next) override {
    ahead.assign(next.begin(), next.end());
    tokens = b.getInsertionBlock();
  }
  void beforeNest(size_t nest, size_t count) override {
    if (b.getInsertionBlock() != tokens) {
      return;
    }
    int64_t all = 0, before = 0;
    for (const Matrix &tile : ahead) {
      all += tile.rows;
    }
    const int64_t first = llvm::divideCeil(all * nest, count), end = llvm::divideCeil(all * (nest + 1), count);
    for (const Matrix &tile : ahead) {
      fetchRows(tile, std::max<int64_t>(0, first - before), std::min(tile.rows, end - before));
      before += tile.rows;
    }
    if (nest + 1 == count) {
      tokens = nullptr;
    }
  }

  /// A few rows, or lines of a row, are written out, so that their addresses follow from one.
  void fetchRows(const Matrix &tile, int64_t from, int64_t to) {
    auto each = [&](int64_t begin, int64_t end, int64_t step, function_ref<void(Value)> body) {
      if (end - begin > kFew * step) {
        return forEach(b, loc, end - begin, step, [&](Value i) { body(addIndex(b, loc, i, begin)); });
      }
      for (int64_t i = begin; i < end; i += step) {
        body(constantIndex(b, loc, i));
      }
    };
    const int64_t elements = kLine * 8 / tile.memory.element.getIntOrFloatBitWidth();
    each(from, to, 1, [&](Value row) {
      each(0, tile.columns, elements, [&](Value column) {
        Value address = emitAddress(b, loc, tile.memory, row, column);
        LLVM::Prefetch::create(b, loc, address, /*rw=*/0, /*hint=*/kSecond, /*cache=*/1);
      });
    });
  }

  void emitFlag(tile::FlagOp flag, Value violated) override {
    Type i32 = b.getI32Type();
    Value old = LLVM::LoadOp::create(b, loc, i32, status, 4);
    Value bit = arith::SelectOp::create(b, loc, violated, arith::ConstantIntOp::create(b, loc, i32, flag.getStatusBit()),
                                        arith::ConstantIntOp::create(b, loc, i32, 0));
    LLVM::StoreOp::create(b, loc, arith::OrIOp::create(b, loc, old, bit), status, 4);
  }

  const Machine &machine;
  MatrixProducts products;
  Value scratch, status;
  SmallVector<Allocation> allocations;
  SmallVector<Matrix> ahead; // what the next iteration of the loop over tokens will read
  Block *tokens = nullptr;   // its body, until all is fetched
};

} // namespace

func::FuncOp blocks::lowerKernel(tile::KernelOp kernel, const Machine &machine) {
  return VectorLowering(kernel, machine).run();
}
