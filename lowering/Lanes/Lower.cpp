// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Lanes/Lanes.h"
#include "lowering/Lanes/Place.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;

namespace {

/// Tiles of a kernel's buffers up to this size are brought to shared memory before they are used.
constexpr int64_t kStagedBytes = 32 * 1024;
/// Points of the largest tile per lane.
constexpr int64_t kPointsPerLane = 32;

class LaneLowering : public KernelLowering {
public:
  LaneLowering(tile::KernelOp kernel, const Machine &machine, StringRef arena)
      : KernelLowering(kernel), machine(machine), arena(arena), e(b, loc, *machine.hooks, chooseLanes()) {}

  func::FuncOp run() {
    MLIRContext *context = kernel.getContext();
    Type global = LLVM::LLVMPointerType::get(context, machine.hooks->getGlobalSpace()), i64 = b.getI64Type();
    SmallVector<Type> types(kernel.getBuffers().size(), global);
    constexpr unsigned kSizes = tile::KernelOp::kFirstBuffer; // B, T, S, l
    types.append(kSizes, i64);
    types.append({global, global, i64});
    auto function = func::FuncOp::create(b, loc, kernel.getSymName(), b.getFunctionType(types, {}));
    Block &body = *function.addEntryBlock();
    entry.setInsertionPointToStart(&body);
    for (auto [i, buffer] : llvm::enumerate(kernel.getBuffers())) {
      scalars[buffer] = body.getArgument(i);
      function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
    }
    unsigned next = kernel.getBuffers().size();
    auto toIndex = [&](Value x) { return arith::IndexCastOp::create(entry, loc, b.getIndexType(), x).getResult(); };
    for (unsigned i = 1; i < tile::KernelOp::kFirstBuffer; ++i) {
      scalars[kernel.getBody().getArgument(i)] = toIndex(body.getArgument(next + i - 1));
    }
    Value scratch = body.getArgument(next + kSizes), first = body.getArgument(next + kSizes + 2);
    status = body.getArgument(next + kSizes + 1);
    Value block = toIndex(machine.hooks->emitTask(entry, loc));
    scalars[kernel.getTask()] = arith::AddIOp::create(entry, loc, toIndex(first), block);
    e.lane = toIndex(machine.hooks->emitLane(entry, loc));
    auto ret = func::ReturnOp::create(entry, loc);
    entry.setInsertionPoint(ret); // allocations follow one another here
    b.setInsertionPoint(ret);
    auto mark = arith::ConstantIndexOp::create(b, loc, 0); // what allocations are put in front of
    entry.setInsertionPoint(mark);
    lowerBody();
    mark.erase();
    Placement sizes = placeAllocations(function, allocations, e.barriers, machine, arena, scratch, block);
    function->setAttr("tile.lanes", b.getI64IntegerAttr(e.lanes));
    function->setAttr("tile.shared", b.getI64IntegerAttr(sizes.shared));
    function->setAttr("tile.scratch", b.getI64IntegerAttr(sizes.scratch));
    function->setAttr("passthrough", b.getArrayAttr({b.getStrArrayAttr({"rwkv-lanes", std::to_string(e.lanes)})}));
    return function;
  }

private:
  /// From the largest tile that is not left in a buffer.
  int64_t chooseLanes() {
    int64_t points = 1;
    kernel.getBody().walk([&](Operation *op) {
      for (Value value : op->getResults()) {
        auto type = dyn_cast<RankedTensorType>(value.getType());
        if (type && !isa<tile::LoadOp>(op)) {
          points = std::max(points, type.getNumElements());
        }
      }
    });
    int64_t wanted = llvm::PowerOf2Ceil(std::max<int64_t>(1, points / kPointsPerLane));
    return std::clamp(wanted, machine.hooks->getWarp(), machine.lanes);
  }

  Memory allocate(Type tile) override {
    auto tensor = cast<RankedTensorType>(tile);
    Memory memory = allocateNumbers(tensor.getNumElements(), tensor.getElementType());
    memory.stride = tensor.getShape().back();
    return memory;
  }

  Memory allocateNumbers(int64_t count, Type element) {
    element = element.isInteger(1) ? b.getI8Type() : element;
    int64_t bytes = count * (element.getIntOrFloatBitWidth() / 8);
    Value pointer = LLVM::UndefOp::create(entry, loc, LLVM::LLVMPointerType::get(b.getContext()));
    allocations.push_back({pointer, bytes});
    return {pointer, element, count};
  }

  /// Between the pieces that lanes write and others read.
  void barrier() {
    e.barrier();
    scalarRead = false;
  }

  void begin() {
    if (scalarRead) {
      barrier();
    }
  }

  void noteScalarRead() override { scalarRead = true; }

  void beginPiece(ArrayRef<Operation *> ops) override {
    bool any = false;
    for (Operation *op : ops) {
      auto load = dyn_cast<tile::LoadOp>(op);
      if (!load || !isTile(load.getResult())) {
        continue;
      }
      auto type = cast<RankedTensorType>(load.getResult().getType());
      if (type.getNumElements() * type.getElementTypeBitWidth() / 8 > kStagedBytes || load.getResult().use_empty()) {
        continue;
      }
      if (!any) {
        begin();
      }
      any = true;
      Memory from = access(load.getBuffer(), load.getOffset(), load.getStride().value_or(type.getShape().back()));
      Memory to = allocate(type);
      lanes::emitCopy(e, from, to, type.getRank() == 2 ? type.getDimSize(0) : 1, type.getShape().back(),
                      type.getElementType());
      memories[load.getResult()] = to;
    }
    if (any) {
      barrier();
    }
  }

  void emitNest(const Plan &plan, const Nest &nest, unsigned index) override {
    begin();
    bool partial = false;
    auto allocatePartial = [&](int64_t count, Type element) {
      partial = true;
      return allocateNumbers(count, element);
    };
    lanes::emitNest(e, plan, nest, index, *this, allocatePartial, [&] { begin(); });
    barrier();
    scalarRead = partial; // parts of sums have been read since
  }

  void emitProgram(Operation *op, const Memory &target) override {
    if (auto insert = dyn_cast<tile::InsertOp>(op); insert && !isTile(insert.getPart())) {
      (void)getScalar(insert.getPart()); // may lie where it is written
    }
    begin();
    lanes::emitProgram(e, op, *this, target);
    barrier();
  }

  void emitCopy(const Memory &from, const Memory &to, int64_t rows, int64_t columns, Type compute) override {
    begin();
    lanes::emitCopy(e, from, to, rows, columns, compute);
    barrier();
  }

  void emitScalarStore(const Memory &memory, Value value) override {
    ifFirst([&] { emitStore(b, loc, memory, Value(), Value(), value); });
  }

  void emitFlag(Value violated) override {
    e.ifTrue(violated, [&] {
      ifFirst([&] {
        Value bit = arith::ConstantIntOp::create(b, loc, b.getI32Type(), 1);
        LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::_or, status, bit, LLVM::AtomicOrdering::monotonic);
      });
    });
  }

  void ifFirst(function_ref<void()> body) {
    Value first = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, e.lane, e.index(0));
    e.ifTrue(first, body);
  }

  const Machine &machine;
  StringRef arena;
  Emitter e;
  Value status;
  std::vector<Allocation> allocations;
  bool scalarRead = false; // a scalar has been read from shared memory since the last barrier
};

} // namespace

func::FuncOp lanes::lowerKernel(tile::KernelOp kernel, const Machine &machine, StringRef arena) {
  return LaneLowering(kernel, machine, arena).run();
}
