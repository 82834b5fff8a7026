// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tile kernels to functions on vectors: `void k(const rwkv_kernel_args *, int64_t begin, int64_t end)`. Tiles that must
// be in memory lie in the thread's scratch arena, at fixed offsets.
#include "lowering/Passes.h"
#include "lowering/RegisterBlocks/Nest.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace rwkv {
#define GEN_PASS_DEF_TILELOWERKERNELSPASS
#include "lowering/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;
using namespace rwkv::blocks;

namespace {

constexpr int64_t kAlignment = 64;

class KernelLowering : public Context {
public:
  KernelLowering(tile::KernelOp kernel, const Machine &machine)
      : kernel(kernel), machine(machine), loc(kernel.getLoc()), b(kernel), entry(kernel) {}

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
    lowerBlock(kernel.getBody().front(), {}, {});
    function->setAttr("tile.scratch", b.getI64IntegerAttr(scratchBytes));
    return function;
  }

  // ---- Context

  Value getScalar(Value scalar) override {
    auto it = scalars.find(scalar);
    if (it != scalars.end()) {
      return it->second;
    }
    Value value = emitScalar(scalar.getDefiningOp());
    scalars[scalar] = value;
    return value;
  }

  bool isWritten(Value tile) override { return memories.contains(tile); }

  Memory getMemory(Value tile) override {
    auto it = memories.find(tile);
    if (it != memories.end()) {
      return it->second;
    }
    int64_t columns = tile::getTileShape(tile.getType()).back();
    Memory memory;
    if (auto load = tile.getDefiningOp<tile::LoadOp>()) {
      memory = access(load.getBuffer(), load.getOffset(), load.getStride().value_or(columns));
    } else if (auto slice = tile.getDefiningOp<tile::SliceOp>()) {
      memory = partOf(getMemory(slice.getX()), slice.getOffsets());
    } else {
      memory = contiguous(tile.getDefiningOp<tile::ReshapeOp>().getX());
      memory.stride = columns;
    }
    memories[tile] = memory;
    return memory;
  }

  Memory getTarget(const Root &root) override {
    switch (root.kind) {
    case Root::Kind::store: {
      auto store = cast<tile::StoreOp>(root.op);
      int64_t columns = tile::getTileShape(store.getValue().getType()).back();
      return access(store.getBuffer(), store.getOffset(), store.getStride().value_or(columns));
    }
    case Root::Kind::assign:
      return (*destinations)[root.destination];
    case Root::Kind::tile:
      if (!root.stored) {
        return {};
      }
      return memories[root.value] = place(root.op);
    case Root::Kind::program:
      if (auto insert = dyn_cast<tile::InsertOp>(root.op)) {
        return getInsertTarget(insert);
      }
      return memories[root.op->getResult(0)] = place(root.op);
    case Root::Kind::reduce:
      return memories[root.op->getResult(0)] = allocate(root.op->getResult(0).getType());
    }
    llvm_unreachable("all kinds are handled");
  }

  void setScalar(Value scalar, Value result) override { scalars[scalar] = result; }

private:
  // ---- memory

  Value loadWord(OpBuilder &builder, Value base, int64_t i, Type type) {
    Value address = LLVM::GEPOp::create(builder, loc, base.getType(), builder.getI64Type(), base,
                                        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
    return LLVM::LoadOp::create(builder, loc, type, address, 8);
  }

  Memory access(Value buffer, Value offset, int64_t stride) {
    Type element = cast<tile::BufferType>(buffer.getType()).getElementType();
    Value base = scalars.lookup(buffer);
    Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), getScalar(offset));
    Value pointer = LLVM::GEPOp::create(b, loc, base.getType(), element, base, ArrayRef<LLVM::GEPArg>{wide});
    return {pointer, element, stride};
  }

  /// A place in the arena; its address is computed once, at the top of the function.
  Memory allocate(Type tile) {
    auto tensor = cast<RankedTensorType>(tile);
    Type element = tensor.getElementType();
    if (element.isInteger(1)) { // stored as bytes
      element = b.getI8Type();
    }
    int64_t bytes = tensor.getNumElements() * std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8);
    Value pointer = LLVM::GEPOp::create(entry, loc, scratch.getType(), entry.getI8Type(), scratch,
                                        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(scratchBytes)});
    scratchBytes += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return {pointer, element, tensor.getShape().back()};
  }

  /// A tile in memory whose rows follow one another: a copy if they do not where it lies.
  Memory contiguous(Value tile) {
    Memory memory = getMemory(tile);
    ArrayRef<int64_t> shape = tile::getTileShape(tile.getType());
    if (shape.size() < 2 || shape[0] == 1 || memory.stride == shape[1]) {
      return memory;
    }
    Memory copy = allocate(tile.getType());
    emitCopy(b, loc, machine, memory, copy, shape[0], shape[1], getElementTypeOrSelf(tile.getType()));
    return copy;
  }

  /// The part of a tile in memory that starts at these offsets, one per axis.
  Memory partOf(Memory whole, ValueRange offsets) {
    SmallVector<Value> at = llvm::map_to_vector(offsets, [&](Value offset) { return getScalar(offset); });
    whole.pointer = emitAddress(b, loc, whole, at.size() == 2 ? at[0] : Value(), at.back());
    return whole;
  }

  /// Where an op writes its result: over an operand, or in memory of its own.
  Memory place(Operation *op) {
    auto it = inPlace.find(op);
    return it == inPlace.end() ? allocate(op->getResult(0).getType()) : getMemory(it->second);
  }

  /// Where an insert writes its part: into a copy of the tile if somebody still needs the old one.
  Memory getInsertTarget(tile::InsertOp insert) {
    Memory whole = getMemory(insert.getX());
    if (!inPlace.contains(insert)) {
      Memory from = whole;
      whole = allocate(insert.getType());
      ArrayRef<int64_t> shape = tile::getTileShape(insert.getType());
      emitCopy(b, loc, machine, from, whole, shape.size() == 2 ? shape[0] : 1, shape.back(),
               getElementTypeOrSelf(insert.getType()));
    }
    memories[insert.getResult()] = whole;
    return partOf(whole, insert.getOffsets());
  }

  // ---- scalars

  Value emitScalar(Operation *op) {
    if (auto load = dyn_cast<tile::LoadOp>(op)) {
      Memory memory = access(load.getBuffer(), load.getOffset(), 1);
      return emitLoad(b, loc, memory, Value(), Value(), 0, load.getResult().getType());
    }
    if (auto slice = dyn_cast<tile::SliceOp>(op)) {
      Memory memory = partOf(getMemory(slice.getX()), slice.getOffsets());
      return emitLoad(b, loc, memory, Value(), Value(), 0, slice.getResult().getType());
    }
    if (auto load = dyn_cast<tile::LoadIndexOp>(op)) {
      return loadIndex(load.getBuffer(), getScalar(load.getOffset()));
    }
    if (auto find = dyn_cast<tile::SequenceOfOp>(op)) {
      return emitSequenceOf(find);
    }
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      operands.push_back(getScalar(operand));
    }
    OperationState state(loc, op->getName());
    state.addOperands(operands);
    state.addTypes(op->getResultTypes());
    state.addAttributes(op->getAttrs());
    state.propertiesAttr = op->getPropertiesAsAttribute();
    return b.create(state)->getResult(0);
  }

  Value loadIndex(Value buffer, Value offset) {
    Type element = cast<tile::BufferType>(buffer.getType()).getElementType();
    Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), offset);
    Value base = scalars.lookup(buffer);
    Value address = LLVM::GEPOp::create(b, loc, base.getType(), element, base, ArrayRef<LLVM::GEPArg>{wide});
    Value value = LLVM::LoadOp::create(b, loc, element, address, element.getIntOrFloatBitWidth() / 8);
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), value);
  }

  /// Bisection: the last s with cu[s] <= token.
  Value emitSequenceOf(tile::SequenceOfOp op) {
    Value token = getScalar(op.getToken()), count = getScalar(op.getCount());
    Value one = constantIndex(b, loc, 1);
    Type index = b.getIndexType();
    auto loop = scf::WhileOp::create(
        b, loc, TypeRange{index, index}, ValueRange{constantIndex(b, loc, 0), count},
        [&](OpBuilder &inner, Location, ValueRange range) {
          Value size = arith::SubIOp::create(inner, loc, range[1], range[0]);
          Value more = arith::CmpIOp::create(inner, loc, arith::CmpIPredicate::sgt, size, one);
          scf::ConditionOp::create(inner, loc, more, range);
        },
        [&](OpBuilder &inner, Location, ValueRange range) {
          OpBuilder::InsertionGuard guard(b);
          b.restoreInsertionPoint(inner.saveInsertionPoint());
          Value middle = arith::ShRUIOp::create(b, loc, arith::AddIOp::create(b, loc, range[0], range[1]), one);
          Value start = loadIndex(op.getCu(), middle);
          Value below = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, start, token);
          Value low = arith::SelectOp::create(b, loc, below, middle, range[0]);
          Value high = arith::SelectOp::create(b, loc, below, range[1], middle);
          scf::YieldOp::create(b, loc, ValueRange{low, high});
        });
    return loop.getResult(0);
  }

  // ---- blocks

  /// Emits a block where the builder stands; tiles that it yields go to `targets`, the memory of `args` (null: of
  /// nothing). Gives the scalars that it yields.
  SmallVector<Value> lowerBlock(Block &block, ArrayRef<Memory> targets, ArrayRef<Value> args) {
    SmallVector<Operation *> piece;
    for (Operation &op : block) {
      if (auto loop = dyn_cast<scf::ForOp>(op)) {
        lowerFor(loop, piece);
        piece.clear();
      } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
        lowerPiece(piece, {}, {}, {});
        lowerIf(branch);
        piece.clear();
      } else if (!op.hasTrait<OpTrait::IsTerminator>()) {
        piece.push_back(&op);
      }
    }
    SmallVector<Value> scalarResults;
    bool yields = !block.empty() && isa<scf::YieldOp>(block.back());
    lowerPiece(piece, yields ? ValueRange(block.back().getOperands()) : ValueRange(), args, targets);
    if (yields) {
      for (Value value : block.back().getOperands()) {
        if (!isTile(value)) {
          scalarResults.push_back(getScalar(value));
        }
      }
    }
    return scalarResults;
  }

  void lowerPiece(ArrayRef<Operation *> piece, ValueRange carried, ArrayRef<Value> carriedArgs,
                  ArrayRef<Memory> targets) {
    Plan plan(piece, carried, carriedArgs, inPlace);
    inPlace = plan.inPlace;
    SmallVector<Memory> places(targets);
    for (unsigned i : plan.delayed) {
      places[i] = allocate(carried[i].getType());
    }
    destinations = &places;
    for (auto [i, nest] : llvm::enumerate(plan.nests)) {
      const Root &first = plan.roots[nest.roots.front()];
      if (first.kind == Root::Kind::program) {
        emitProgram(b, loc, machine, first.op, *this, getTarget(first));
      } else {
        emitNest(b, loc, machine, plan, nest, i, *this);
      }
    }
    for (Operation *op : piece) {
      if (auto store = dyn_cast<tile::StoreOp>(op); store && !isTile(store.getValue())) {
        Memory memory = access(store.getBuffer(), store.getOffset(), 1);
        emitStore(b, loc, memory, Value(), Value(), getScalar(store.getValue()));
      } else if (auto flag = dyn_cast<tile::FlagOp>(op)) {
        emitFlag(getScalar(flag.getViolated()));
      }
    }
    if (!plan.delayed.empty()) { // scalars that are carried may be parts of what is overwritten now
      for (Value value : carried) {
        if (!isTile(value)) {
          (void)getScalar(value);
        }
      }
    }
    for (unsigned i : plan.delayed) {
      ArrayRef<int64_t> shape = tile::getTileShape(carried[i].getType());
      emitCopy(b, loc, machine, places[i], targets[i], shape.size() == 2 ? shape[0] : 1, shape.back(),
               getElementTypeOrSelf(carried[i].getType()));
    }
  }

  /// Sets RWKV_KERNEL_BOUND in the caller's status word.
  void emitFlag(Value violated) {
    Type i32 = b.getI32Type();
    Value old = LLVM::LoadOp::create(b, loc, i32, status, 4);
    Value bit = arith::ExtUIOp::create(b, loc, i32, violated);
    LLVM::StoreOp::create(b, loc, arith::OrIOp::create(b, loc, old, bit), status, 4);
  }

  /// Memory for the tiles among `values`; scalars get none.
  SmallVector<Memory> allocateAll(ValueRange values) {
    return llvm::map_to_vector(values,
                               [&](Value value) { return isTile(value) ? allocate(value.getType()) : Memory(); });
  }

  void lowerFor(scf::ForOp loop, ArrayRef<Operation *> piece) {
    SmallVector<Memory> places = allocateAll(loop.getInitArgs());
    SmallVector<Value> none(places.size());
    lowerPiece(piece, loop.getInitArgs(), none, places);
    SmallVector<Value> init;
    for (Value value : loop.getInitArgs()) {
      if (!isTile(value)) {
        init.push_back(getScalar(value));
      }
    }
    Value from = getScalar(loop.getLowerBound()), to = getScalar(loop.getUpperBound()),
          step = getScalar(loop.getStep());
    auto created = scf::ForOp::create(b, loc, from, to, step, init);
    auto savedScalars = scalars;
    auto savedMemories = memories;
    scalars[loop.getInductionVar()] = created.getInductionVar();
    SmallVector<Value> args(loop.getRegionIterArgs());
    unsigned scalar = 0;
    for (auto [i, arg] : llvm::enumerate(args)) {
      if (isTile(arg)) {
        memories[arg] = places[i];
      } else {
        scalars[arg] = created.getRegionIterArg(scalar++);
      }
    }
    {
      OpBuilder::InsertionGuard guard(b);
      if (!created.getBody()->empty()) {
        created.getBody()->back().erase();
      }
      b.setInsertionPointToEnd(created.getBody());
      SmallVector<Value> yielded = lowerBlock(*loop.getBody(), places, args);
      scf::YieldOp::create(b, loc, yielded);
    }
    scalars = std::move(savedScalars);
    memories = std::move(savedMemories);
    bindResults(loop.getResults(), places, created.getResults());
  }

  void lowerIf(scf::IfOp branch) {
    SmallVector<Memory> places = allocateAll(branch.getResults());
    SmallVector<Value> none(places.size());
    SmallVector<Type> types;
    for (Type type : branch.getResultTypes()) {
      if (!isa<RankedTensorType>(type)) {
        types.push_back(type);
      }
    }
    bool hasElse = !branch.getElseRegion().empty();
    auto created = scf::IfOp::create(b, loc, types, getScalar(branch.getCondition()), hasElse);
    for (auto [from, to] : llvm::zip_equal(branch->getRegions(), created->getRegions())) {
      if (from.empty()) {
        continue;
      }
      auto savedScalars = scalars;
      auto savedMemories = memories;
      OpBuilder::InsertionGuard guard(b);
      if (!to.front().empty()) {
        to.front().back().erase();
      }
      b.setInsertionPointToEnd(&to.front());
      SmallVector<Value> yielded = lowerBlock(from.front(), places, none);
      scf::YieldOp::create(b, loc, yielded);
      scalars = std::move(savedScalars);
      memories = std::move(savedMemories);
    }
    bindResults(branch.getResults(), places, created.getResults());
  }

  void bindResults(ValueRange results, ArrayRef<Memory> places, ValueRange created) {
    unsigned scalar = 0;
    for (auto [result, place] : llvm::zip_equal(results, places)) {
      if (isTile(result)) {
        memories[result] = place;
      } else {
        scalars[result] = created[scalar++];
      }
    }
  }

  tile::KernelOp kernel;
  const Machine &machine;
  Location loc;
  OpBuilder b, entry;
  Value scratch, status;
  int64_t scratchBytes = 0;
  llvm::DenseMap<Value, Value> scalars; // of the tile program, buffers included
  llvm::DenseMap<Value, Memory> memories;
  SmallVector<Memory> *destinations = nullptr;
  llvm::DenseMap<Operation *, Value> inPlace;
};

struct LowerKernelsPass : rwkv::impl::TileLowerKernelsPassBase<LowerKernelsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto target = module->getAttrOfType<TargetAttr>("rwkv.target");
    if (!target) {
      module.emitError("expected the module to have a #rwkv.target as 'rwkv.target'");
      return signalPassFailure();
    }
    Machine machine{target.getVector(), target.getRegisters()};
    for (Operation &op : llvm::make_early_inc_range(module.getBody()->getOperations())) {
      auto kernel = dyn_cast<tile::KernelOp>(op);
      if (kernel) {
        KernelLowering(kernel, machine).run();
      }
      op.erase(); // the host side has been read by now
    }
  }
};
} // namespace
