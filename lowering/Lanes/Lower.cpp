// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Lanes/Fetch.h"
#include "lowering/Lanes/Lanes.h"
#include "lowering/Lanes/Pipeline.h"
#include "lowering/Lanes/Place.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;

namespace {

/// Tiles of a kernel's buffers up to this size are brought to shared memory before they are used.
constexpr int64_t kStagedBytes = 32 * 1024;
/// Buffers start at multiples of so many bytes.
constexpr int64_t kBufferAlignment = 16;
/// Points of the largest tile per lane.
constexpr int64_t kPointsPerLane = 16;
/// Values of a lane that are on their way for the next iteration of a loop.
constexpr int64_t kMostAhead = 32;
/// Registers of a lane that are enough for what it computes and what it loads meanwhile.
constexpr int64_t kEnough = 80;

class LaneLowering : public KernelLowering, LoopSurroundings {
public:
  LaneLowering(tile::KernelOp kernel, const Machine &numbers, StringRef arena, std::optional<Pipeline> planned)
      : KernelLowering(kernel), machine(numbers), arena(arena), pipeline(std::move(planned)),
        e(b, loc, *machine.hooks, chooseLanes()) {
    if (pipeline) {
      machine.sharedBytes = pipeline->sharedBytes;
    }
  }

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
      // What nobody writes may be loaded behind a meeting as well as before it, and assemblers do that to keep
      // registers free: nothing would be read ahead.
      if (!pipeline) {
        function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
      }
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
    MemorySizes sizes = placeAllocations(function, allocations, e.barriers, machine, arena, scratch, block);
    function->setAttr("tile.lanes", b.getI64IntegerAttr(e.lanes));
    function->setAttr("tile.shared", b.getI64IntegerAttr(sizes.shared));
    function->setAttr("tile.scratch", b.getI64IntegerAttr(sizes.scratch));
    SmallVector<Attribute> passed{b.getStrArrayAttr({"rwkv-lanes", std::to_string(e.lanes)})};
    if (int64_t tasks = countTasks(sizes.shared)) {
      passed.push_back(b.getStrArrayAttr({"rwkv-blocks", std::to_string(tasks)}));
    }
    function->setAttr("passthrough", b.getArrayAttr(passed));
    function.walk([&](math::Exp2Op op) {
      b.setInsertionPoint(op);
      op.replaceAllUsesWith(machine.hooks->emitExp2(b, op.getLoc(), op.getOperand()));
      op.erase();
    });
    return function;
  }

private:
  /// How many tasks a multiprocessor is to run at once; 0: as many as the assembler likes. Where memory allows for few,
  /// registers that it would leave to others are free for loads that are on their way.
  int64_t countTasks(int64_t shared) {
    if (pipeline) {
      return pipeline->tasksAtOnce;
    }
    int64_t tasks = std::max<int64_t>(1, machine.countTasks(shared));
    return machine.hooks->getRegisters() / (tasks * e.lanes) >= kEnough ? tasks : 0;
  }

  /// From the largest tile that is not left in a buffer, or that what a loop carries is multiplied by: there each
  /// iteration waits for the one before, so that all lanes that have something to do bring in what it needs.
  int64_t chooseLanes() {
    if (pipeline) {
      return llvm::PowerOf2Ceil(pipeline->warps() * machine.hooks->getWarp());
    }
    int64_t points = 1;
    auto count = [&](Value value) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      points = std::max(points, type ? type.getNumElements() : 1);
    };
    auto isCarried = [](Value value) {
      auto arg = dyn_cast<BlockArgument>(value);
      return arg && isa<scf::ForOp>(arg.getOwner()->getParentOp());
    };
    kernel.getBody().walk([&](Operation *op) {
      auto dot = dyn_cast<tile::DotOp>(op);
      if (dot && (isCarried(dot.getLhs()) || isCarried(dot.getRhs()))) {
        count(dot.getLhs());
        count(dot.getRhs());
      }
      if (!isa<tile::LoadOp>(op)) {
        llvm::for_each(op->getResults(), count);
      }
    });
    // Lanes that never meet are best one to a point.
    int64_t each = isPointwise(kernel) ? 1 : kPointsPerLane;
    int64_t wanted = llvm::PowerOf2Ceil(std::max<int64_t>(1, points / each));
    return std::clamp(wanted, machine.hooks->getWarp(), machine.lanes);
  }

  Memory allocate(Value tile) override {
    return isOwnVector(tile) ? allocateOwn(1, getElementTypeOrSelf(tile)) : allocateForAll(tile);
  }

  /// Memory that all lanes see.
  Memory allocateForAll(Value tile) {
    auto tensor = cast<RankedTensorType>(tile.getType());
    int64_t columns = tensor.getShape().back(), rows = tensor.getNumElements() / columns;
    // Rows as long as the banks of the memory, or half of them, would start at the same ones. Fragments of left
    // operands are 8 rows of 4 columns, those of right ones 4 rows of 8: either way every bank is used once.
    constexpr int64_t kBanks = 32;
    bool padded = !hasReshapes && rows > 1 && columns % (kBanks / 2) == 0;
    int64_t stride = columns + (padded ? (isRightOperand(tile) ? 8 : 4) : 0);
    Memory memory = allocateNumbers(rows * stride, tensor.getElementType());
    memory.stride = stride;
    return memory;
  }

  Memory allocateCarried(scf::ForOp loop, unsigned carried) override {
    if (!isOfLanes(loop, carried)) {
      std::optional<Memory> left = findLeft(loop.getInitArgs()[carried], loop);
      return left ? *left : allocateForAll(loop.getInitArgs()[carried]);
    }
    auto tensor = cast<RankedTensorType>(loop.getRegionIterArgs()[carried].getType());
    return allocateOwn(std::max<int64_t>(1, tensor.getNumElements() / e.lanes), tensor.getElementType());
  }

  /// Memory of each lane.
  Memory allocateOwn(int64_t count, Type element) {
    Type pointer = LLVM::LLVMPointerType::get(b.getContext(), machine.hooks->getOwnSpace());
    Value number = arith::ConstantIntOp::create(entry, loc, entry.getI64Type(), count);
    element = element.isInteger(1) ? b.getI8Type() : element;
    Value own = LLVM::AllocaOp::create(entry, loc, pointer, element, number, /*alignment=*/4);
    return {own, element, 0, /*ofLane=*/true};
  }

  /// As with states, what is left behind a pipeline has no registers to spare.
  bool isOwnVector(Value tile) { return !pipeline && isVectorOfLanes(tile, e.lanes); }

  /// What is left behind a pipeline is little, and registers are few there.
  bool isOfLanes(scf::ForOp loop, unsigned carried) { return !pipeline && canBeOfLanes(loop, carried, e.lanes); }

  /// Whether a tile, or what a loop makes of it, is multiplied from the left.
  static bool isRightOperand(Value tile) {
    return llvm::any_of(tile.getUses(), [&](OpOperand &use) {
      if (auto dot = dyn_cast<tile::DotOp>(use.getOwner())) {
        return dot.getRhs() == tile && !dot.getTransposed();
      }
      if (auto op = dyn_cast<tile::PipelineOp>(use.getOwner())) {
        unsigned number = use.getOperandNumber() - op.getInit().getBeginOperandIndex();
        return number < op.getInit().size() && isRightOperand(op.getCarried()[number]);
      }
      auto loop = dyn_cast<scf::ForOp>(use.getOwner());
      return loop && loop.getTiedLoopRegionIterArg(&use) && isRightOperand(loop.getTiedLoopRegionIterArg(&use));
    });
  }

  /// Tiles that are taken as other shapes lie without gaps.
  bool findReshapes() {
    WalkResult found = kernel.getBody().walk([](tile::ReshapeOp op) {
      return tile::getTileShape(op.getX().getType()).size() == 2 ? WalkResult::interrupt() : WalkResult::advance();
    });
    return found.wasInterrupted();
  }

  Memory allocateNumbers(int64_t count, Type element) {
    element = element.isInteger(1) ? b.getI8Type() : element;
    int64_t bytes = count * (element.getIntOrFloatBitWidth() / 8);
    Value pointer = LLVM::UndefOp::create(entry, loc, LLVM::LLVMPointerType::get(b.getContext()));
    allocations.push_back({pointer, bytes});
    return {pointer, element, count};
  }

  // ---- barriers: where a lane reads what another one wrote, or writes what another one reads or writes

  struct Accesses {
    llvm::SmallDenseSet<Value> read, written; // allocations
    bool scalarRead = false;                  // of any allocation
  };

  /// Adds what an op and those inside of it do.
  static void collect(Operation *op, Accesses &accesses) {
    op->walk([&](Operation *inner) {
      auto note = [&](Value pointer, llvm::SmallDenseSet<Value> &set) {
        while (auto address = pointer.getDefiningOp<LLVM::GEPOp>()) {
          pointer = address.getBase();
        }
        if (pointer.getDefiningOp<LLVM::UndefOp>()) { // others are the caller's buffers: read or written, not both
          set.insert(pointer);
        }
      };
      if (auto load = dyn_cast<LLVM::LoadOp>(inner)) {
        note(load.getAddr(), accesses.read);
      } else if (auto store = dyn_cast<LLVM::StoreOp>(inner)) {
        note(store.getAddr(), accesses.written);
      }
    });
  }

  static bool conflict(const Accesses &before, const Accesses &after) {
    auto meet = [](const llvm::SmallDenseSet<Value> &x, const llvm::SmallDenseSet<Value> &y) {
      return llvm::any_of(x, [&](Value value) { return y.contains(value); });
    };
    return meet(before.written, after.read) || meet(before.written, after.written) ||
           meet(before.read, after.written) || (before.scalarRead && !after.written.empty());
  }

  /// Emits code in which lanes share work, with a barrier in front if it needs one.
  void emitShared(function_ref<void()> emit) {
    if (inShared) { // a copy that another one needs first
      e.barrier();
      emit();
      e.barrier();
      return;
    }
    inShared = true;
    Block *block = b.getInsertionBlock();
    Operation *before = b.getInsertionPoint() == block->begin() ? nullptr : &*std::prev(b.getInsertionPoint());
    size_t known = e.barriers.size();
    emit();
    inShared = false;
    Operation *first = before ? before->getNextNode() : &block->front();
    llvm::SmallPtrSet<Operation *, 4> barriers(e.barriers.begin() + known, e.barriers.end());
    Accesses now;
    bool checked = false;
    auto check = [&] {
      if (!checked && conflict(pending, now)) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPoint(first);
        barrier();
      }
      checked = true;
    };
    for (Operation *op = first; op && op != &*b.getInsertionPoint(); op = op->getNextNode()) {
      if (barriers.contains(op)) {
        check();
        pending = now = Accesses();
      } else {
        collect(op, now);
      }
    }
    check();
    for (auto [from, to] : {std::pair(&now.read, &pending.read), std::pair(&now.written, &pending.written)}) {
      to->insert(from->begin(), from->end());
    }
    pending.scalarRead |= now.scalarRead;
  }

  void barrier() {
    e.barrier();
    pending = Accesses();
  }

  void meet() override {
    if (!pending.read.empty() || !pending.written.empty() || pending.scalarRead) {
      barrier();
    }
  }

  void meetNext(Value more) override {
    if (!pending.read.empty() || !pending.written.empty() || pending.scalarRead) {
      e.ifTrue(more, [&] { machine.hooks->emitBarrier(b, loc); }); // nobody waits behind the last iteration
    }
  }

  void noteScalarRead() override {
    if (!pending.written.empty()) {
      barrier();
    }
    pending.scalarRead = true;
  }

  void beginPiece(ArrayRef<Operation *> ops) override {
    emitShared([&] {
      SmallVector<Emitter::Store> later; // all loads are under way before the first is waited for
      SmallVector<Fetch> fetches;
      for (Operation *op : ops) {
        auto load = dyn_cast<tile::LoadOp>(op);
        if (!load || load.getResult().use_empty() || isThere(load)) {
          continue;
        }
        std::optional<Fetch> fetch = pipeline ? std::nullopt : planLoad(load);
        if (fetch) {
          fetches.push_back(*fetch);
        } else if (isTile(load.getResult())) {
          stage(load, later);
        }
      }
      auto at = [&](tile::LoadOp load) { return accessApart(load); };
      arrive(fetches, emitFetches(e, fetches, /*guard=*/{}, /*instead=*/{}, at));
      llvm::for_each(later, [](Emitter::Store &store) { store(); });
    });
  }

  bool isThere(tile::LoadOp load) { return memories.contains(load.getResult()) || scalars.contains(load.getResult()); }

  /// Whether it goes to registers of the lanes right away.
  bool isOwnLoad(tile::LoadOp load) {
    return isOwnVector(load.getResult()) || llvm::all_of(load.getResult().getUses(), [&](OpOperand &use) {
             auto loop = dyn_cast<scf::ForOp>(use.getOwner());
             return loop && isTile(use.get()) &&
                    isOfLanes(loop, loop.getTiedLoopRegionIterArg(&use).getArgNumber() - loop.getNumInductionVars());
           });
  }

  /// Whether a tile is read where it is, in a buffer.
  static bool isLarge(tile::LoadOp load) {
    auto type = dyn_cast<RankedTensorType>(load.getResult().getType());
    return type && type.getNumElements() * type.getElementTypeBitWidth() / 8 > kStagedBytes;
  }

  std::optional<Fetch> planLoad(tile::LoadOp load) {
    bool isOwn = isOwnLoad(load);
    return isOwn || !isLarge(load) ? planFetch(e, load, isOwn) : std::nullopt;
  }

  /// Where a load's elements are, computed for this access alone, which may be in a branch.
  Memory accessApart(tile::LoadOp load) {
    auto saved = scalars;
    auto type = dyn_cast<RankedTensorType>(load.getResult().getType());
    Memory from =
        access(load.getBuffer(), load.getOffset(), load.getStride().value_or(type ? type.getShape().back() : 1));
    scalars = std::move(saved);
    return from;
  }

  /// What has been fetched goes where it is read.
  void arrive(ArrayRef<Fetch> fetches, ValueRange values) {
    for (const Fetch &fetch : fetches) {
      Value result = fetch.load.getResult();
      ValueRange mine = values.take_front(fetch.count);
      values = values.drop_front(fetch.count);
      if (!isTile(result)) {
        scalars[result] = convertLoaded(b, loc, mine.front(), 0, result.getType());
        continue;
      }
      Memory to = fetch.isOwn ? allocateOwn(fetch.count, getElementTypeOrSelf(result)) : allocate(result);
      storeFetched(e, fetch, to, mine);
      memories[result] = to;
    }
  }

  SmallVector<Value> fetchFirst(scf::ForOp loop) override {
    const Value bounds[] = {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()};
    auto isReady = [&](Value value) { return isKnown(value, /*mayRead=*/true); };
    if (pipeline || !llvm::any_of(loop.getInitArgs(), isTile) || !llvm::all_of(bounds, isReady)) {
      return {};
    }
    Value from = getScalar(loop.getLowerBound()), to = getScalar(loop.getUpperBound());
    SmallVector<Fetch> &fetches = ahead[loop];
    int64_t values = 0;
    Value &number = scalars[loop.getInductionVar()];
    number = from;
    for (Operation &op : *loop.getBody()) {
      if (op.getNumRegions() > 0) {
        break; // what comes behind it is loaded there
      }
      auto load = dyn_cast<tile::LoadOp>(op);
      if (load && !load.getResult().use_empty() && isReady(load.getOffset())) {
        std::optional<Fetch> fetch = planLoad(load);
        if (fetch && values + fetch->count <= kMostAhead) {
          values += fetch->count;
          fetches.push_back(*fetch);
        }
      }
    }
    Value isAny = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, from, to);
    SmallVector<Value> fetched = fetchAt(loop, from, isAny, {});
    scalars.erase(loop.getInductionVar());
    return fetched;
  }

  SmallVector<Value> fetchNext(scf::ForOp loop, ValueRange fetched, Value next, Value more) override {
    emitShared([&] { arrive(ahead[loop], fetched); });
    return fetchAt(loop, next, more, fetched);
  }

  /// What a loop fetches of an iteration, if there is one of this number.
  SmallVector<Value> fetchAt(scf::ForOp loop, Value number, Value isThere, ValueRange instead) {
    auto saved = scalars;
    scalars[loop.getInductionVar()] = number;
    auto at = [&](tile::LoadOp load) { return accessApart(load); };
    SmallVector<Value> values = emitFetches(e, ahead[loop], isThere, instead, at);
    scalars = std::move(saved);
    return values;
  }

  /// Brings a tile of a buffer to shared memory.
  void stage(tile::LoadOp load, SmallVectorImpl<Emitter::Store> &later) {
    auto type = cast<RankedTensorType>(load.getResult().getType());
    bool isMoved = llvm::all_of(load->getUsers(), [](Operation *user) { return isa<tile::PipelineOp>(user); });
    if (isOwnLoad(load) || isLarge(load) || isMoved) { // to where it is carried
      return;
    }
    Memory from = access(load.getBuffer(), load.getOffset(), load.getStride().value_or(type.getShape().back()));
    Memory to = allocate(load.getResult());
    lanes::emitCopy(e, from, to, type.getRank() == 2 ? type.getDimSize(0) : 1, type.getShape().back(),
                    type.getElementType(), later);
    memories[load.getResult()] = to;
  }

  void emitNest(const Plan &plan, const Nest &nest, unsigned index) override {
    emitShared([&] {
      auto allocatePartial = [&](int64_t count, Type element) { return allocateNumbers(count, element); };
      lanes::emitNest(e, plan, nest, index, *this, allocatePartial, [&] { settle(); });
    });
  }

  /// Scalars have been read: what they come from may be overwritten now.
  void settle() {
    if (pending.scalarRead) {
      barrier();
    }
  }

  void emitProgram(Operation *op, const Memory &target) override {
    if (auto insert = dyn_cast<tile::InsertOp>(op); insert && !isTile(insert.getPart())) {
      (void)getScalar(insert.getPart()); // may lie where it is written
    }
    emitShared([&] {
      settle();
      lanes::emitProgram(e, op, *this, target);
    });
  }

  /// A product that the next one adds to stays in registers.
  bool joinsNext(Operation *op, Operation *next) override {
    auto first = dyn_cast<tile::DotOp>(op), second = dyn_cast<tile::DotOp>(next);
    bool joins = first && second && second.getAcc() == first.getResult() && first->hasOneUse() &&
                 usesFragments(*machine.hooks, first) && usesFragments(*machine.hooks, second);
    if (joins) {
      e.joined.insert(first);
    }
    return joins;
  }

  void emitCopy(const Memory &from, const Memory &to, int64_t rows, int64_t columns, Type compute) override {
    emitShared([&] { lanes::emitCopy(e, from, to, rows, columns, compute); });
  }

  void emitScalarStore(const Memory &memory, Value value) override {
    e.ifFirst([&] { emitStore(b, loc, memory, Value(), Value(), value); });
  }

  void emitFlag(tile::FlagOp flag, Value violated) override {
    auto compare = flag.getViolated().getDefiningOp<arith::CmpFOp>();
    auto maximum = compare ? compare.getLhs().getDefiningOp<tile::ReduceOp>() : tile::ReduceOp();
    auto report = [&] { setStatus(flag.getStatusBit()); };
    if (maximum && isOnlyFlagged(maximum)) { // each lane knows of its own points
      e.ifTrue(violated, report);
    } else {
      e.ifTrue(violated, [&] { e.ifFirst(report); });
    }
  }

  SmallVector<unsigned> orderNests(Plan &plan) override {
    return pipeline ? KernelLowering::orderNests(plan) : plan.getVectorsFirst();
  }

  void setStatus(int32_t statusBit) {
    Value bit = arith::ConstantIntOp::create(b, loc, b.getI32Type(), statusBit);
    LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::_or, status, bit, LLVM::AtomicOrdering::monotonic);
  }

  // ---- pipelines

  void lowerPhases(tile::PipelineOp, ArrayRef<Memory> places, Value from, Value to, Value step) override {
    barrier();
    first = from;
    stride = step;
    Value count = arith::CeilDivUIOp::create(b, loc, arith::SubIOp::create(b, loc, to, from), step);
    emitPipeline(e, *pipeline, places, count, *this);
    barrier();
    if (isa<func::FuncOp>(
            b.getInsertionBlock()->getParentOp())) { // so that it is the lane's number for all that follows
      e.lane = e.hidden(e.lane); // addresses are computed anew: the pipeline keeps no registers for them
    }
  }

  Value getOutsideScalar(Value scalar) override { return getScalar(scalar); }
  Memory getOutsideMemory(Value tile) override { return getMemory(tile); }
  std::pair<Memory, int64_t> getAccess(Value buffer, Value offset, int64_t stride) override {
    Memory memory = access(buffer, offset, stride);
    return {memory, getDivisor(offset, kBufferAlignment * 8 / memory.element.getIntOrFloatBitWidth())};
  }
  Value allocateShared(int64_t bytes) override {
    Value pointer = allocateNumbers(bytes, b.getI8Type()).pointer;
    allocations.back().isNear = true;
    return pointer;
  }
  void growShared(Value memory, int64_t bytes) override { find(memory).bytes = bytes; }
  Allocation &find(Value pointer) {
    return *llvm::find_if(allocations, [&](const Allocation &allocation) { return allocation.pointer == pointer; });
  }
  void overlay(Value memory, ArrayRef<Memory> others) override {
    int64_t next = 0, bytes = find(memory).bytes;
    for (const Memory &other : others) {
      Allocation &allocation = find(other.pointer);
      if (next + allocation.bytes <= bytes) {
        allocation.within = memory;
        allocation.at = next;
        next = llvm::alignTo(next + allocation.bytes, kBufferAlignment);
      }
    }
  }
  void emitViolation(Value violated, int32_t statusBit, Value lane) override {
    Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, lane, e.index(0));
    e.ifTrue(arith::AndIOp::create(b, loc, violated, isFirst), [&] { setStatus(statusBit); });
  }
  void forChunk(Value number, function_ref<void()> body) override {
    auto savedScalars = scalars;
    auto savedMemories = memories;
    Value index = e.add(first, arith::MulIOp::create(b, loc, number, stride));
    scalars[pipeline->op.getPreparedIndex()] = index;
    scalars[pipeline->op.getAppliedIndex()] = index;
    body();
    scalars = std::move(savedScalars);
    memories = std::move(savedMemories);
  }

  Machine machine;
  StringRef arena;
  std::optional<Pipeline> pipeline;
  Value first, stride; // of its chunks
  Emitter e;
  Value status;
  std::vector<Allocation> allocations;
  llvm::DenseMap<Operation *, SmallVector<Fetch>> ahead; // of loops: what each iteration finds loaded
  Accesses pending;                                      // since the last barrier
  bool inShared = false, hasReshapes = findReshapes();
};

} // namespace

FailureOr<func::FuncOp> lanes::lowerKernel(tile::KernelOp kernel, const Machine &machine, StringRef arena) {
  std::optional<Pipeline> pipeline;
  WalkResult planned = kernel.getBody().walk([&](tile::PipelineOp op) {
    if (pipeline) {
      op.emitOpError("expected a kernel to have one pipeline, but got another");
      return WalkResult::interrupt();
    }
    std::string why;
    sinkIndices(op);
    pipeline = planPipeline(op, machine, why);
    if (!pipeline) {
      op.emitOpError("expected a pipeline that the target can run: ") << why;
    }
    return WalkResult(success(pipeline.has_value()));
  });
  if (planned.wasInterrupted()) {
    return failure();
  }
  return LaneLowering(kernel, machine, arena, std::move(pipeline)).run();
}
