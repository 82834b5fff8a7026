// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/TilePrograms/Kernel.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

Matrix programs::getMatrix(Context &context, Value tile) {
  ArrayRef<int64_t> shape = tile::getTileShape(tile.getType());
  Matrix result{
      {}, shape[0], shape.size() == 2 ? shape[1] : 1, getElementTypeOrSelf(tile.getType()), shape.size() == 1};
  result.memory = result.withStride(context.getMemory(tile));
  return result;
}

Value KernelLowering::getScalar(Value scalar) {
  auto it = scalars.find(scalar);
  if (it != scalars.end()) {
    return it->second;
  }
  Value value = emitScalar(scalar.getDefiningOp());
  scalars[scalar] = value;
  return value;
}

Memory KernelLowering::getMemory(Value tile) {
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

Memory KernelLowering::getTarget(const Root &root) {
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
    return memories[root.op->getResult(0)] = allocate(root.op->getResult(0));
  }
  llvm_unreachable("all kinds are handled");
}

// ---- memory

Value KernelLowering::loadWord(OpBuilder &builder, Value base, int64_t i, Type type) {
  Value address = LLVM::GEPOp::create(builder, loc, base.getType(), builder.getI64Type(), base,
                                      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
  return LLVM::LoadOp::create(builder, loc, type, address, 8);
}

Memory KernelLowering::access(Value buffer, Value offset, int64_t stride) {
  Type element = cast<tile::BufferType>(buffer.getType()).getElementType();
  Value base = scalars.lookup(buffer);
  Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), getScalar(offset));
  Value pointer = LLVM::GEPOp::create(b, loc, base.getType(), element, base, ArrayRef<LLVM::GEPArg>{wide});
  return {pointer, element, stride};
}

/// A tile in memory whose rows follow one another: a copy if they do not where it lies.
Memory KernelLowering::contiguous(Value tile) {
  Memory memory = getMemory(tile);
  ArrayRef<int64_t> shape = tile::getTileShape(tile.getType());
  if (shape.size() < 2 || shape[0] == 1 || memory.stride == shape[1]) {
    return memory;
  }
  Memory copy = allocate(tile);
  emitCopy(memory, copy, shape[0], shape[1], getElementTypeOrSelf(tile.getType()));
  return copy;
}

/// The part of a tile in memory that starts at these offsets, one per axis.
Memory KernelLowering::partOf(Memory whole, ValueRange offsets) {
  SmallVector<Value> at = llvm::map_to_vector(offsets, [&](Value offset) { return getScalar(offset); });
  whole.pointer = emitAddress(b, loc, whole, at.size() == 2 ? at[0] : Value(), at.back());
  return whole;
}

/// Where an op writes its result: over an operand, or in memory of its own.
Memory KernelLowering::place(Operation *op) {
  auto it = inPlace.find(op);
  return it == inPlace.end() ? allocate(op->getResult(0)) : getMemory(it->second);
}

/// Where an insert writes its part: into a copy of the tile if somebody still needs the old one.
Memory KernelLowering::getInsertTarget(tile::InsertOp insert) {
  Memory whole = getMemory(insert.getX());
  if (!inPlace.contains(insert)) {
    Memory from = whole;
    whole = allocate(insert.getResult());
    ArrayRef<int64_t> shape = tile::getTileShape(insert.getType());
    emitCopy(from, whole, shape.size() == 2 ? shape[0] : 1, shape.back(), getElementTypeOrSelf(insert.getType()));
  }
  memories[insert.getResult()] = whole;
  return partOf(whole, insert.getOffsets());
}

// ---- scalars

Value KernelLowering::emitScalar(Operation *op) {
  if (auto load = dyn_cast<tile::LoadOp>(op)) {
    Memory memory = access(load.getBuffer(), load.getOffset(), 1);
    return emitLoad(b, loc, memory, Value(), Value(), 0, load.getResult().getType());
  }
  if (auto slice = dyn_cast<tile::SliceOp>(op)) {
    Memory memory = partOf(getMemory(slice.getX()), slice.getOffsets());
    noteScalarRead();
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

Value KernelLowering::loadIndex(Value buffer, Value offset) {
  Type element = cast<tile::BufferType>(buffer.getType()).getElementType();
  Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), offset);
  Value base = scalars.lookup(buffer);
  Value address = LLVM::GEPOp::create(b, loc, base.getType(), element, base, ArrayRef<LLVM::GEPArg>{wide});
  Value value = LLVM::LoadOp::create(b, loc, element, address, element.getIntOrFloatBitWidth() / 8);
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), value);
}

/// Bisection: the last s with cu[s] <= token.
Value KernelLowering::emitSequenceOf(tile::SequenceOfOp op) {
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
SmallVector<Value> KernelLowering::lowerBlock(Block &block, ArrayRef<Memory> targets, ArrayRef<Value> args) {
  SmallVector<Operation *> piece;
  for (Operation &op : block) {
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      lowerFor(loop, piece);
      piece.clear();
    } else if (auto pipeline = dyn_cast<tile::PipelineOp>(op)) {
      lowerPipeline(pipeline, piece);
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

void KernelLowering::lowerPiece(ArrayRef<Operation *> piece, ValueRange carried, ArrayRef<Value> carriedArgs,
                                ArrayRef<Memory> targets) {
  beginPiece(piece);
  Plan plan(piece, carried, carriedArgs, inPlace);
  inPlace = plan.inPlace;
  SmallVector<Memory> places(targets);
  for (unsigned i : plan.delayed) {
    places[i] = allocate(carried[i]);
  }
  destinations = &places;
  SmallVector<unsigned> order = orderNests(plan);
  for (auto [place, i] : llvm::enumerate(order)) {
    const Nest &nest = plan.nests[i];
    beforeNest(place, order.size());
    const Root &first = plan.roots[nest.roots.front()];
    if (first.kind == Root::Kind::program) {
      Memory target = getTarget(first);
      const Root *next = place + 1 < order.size() ? &plan.roots[plan.nests[order[place + 1]].roots.front()] : nullptr;
      if (!next || next->kind != Root::Kind::program || !joinsNext(first.op, next->op)) {
        emitProgram(first.op, target);
      }
    } else {
      emitNest(plan, nest, i);
    }
  }
  for (Operation *op : piece) {
    if (auto store = dyn_cast<tile::StoreOp>(op); store && !isTile(store.getValue())) {
      Memory memory = access(store.getBuffer(), store.getOffset(), 1);
      emitScalarStore(memory, getScalar(store.getValue()));
    } else if (auto flag = dyn_cast<tile::FlagOp>(op)) {
      emitFlag(flag, getScalar(flag.getViolated()));
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
    emitCopy(places[i], targets[i], shape.size() == 2 ? shape[0] : 1, shape.back(),
             getElementTypeOrSelf(carried[i].getType()));
  }
}

/// Memory for the tiles among `values`; scalars get none.
SmallVector<Memory> KernelLowering::allocateAll(ValueRange values) {
  return llvm::map_to_vector(values, [&](Value value) { return isTile(value) ? allocate(value) : Memory(); });
}

std::optional<Memory> KernelLowering::findLeft(Value value, Operation *by) {
  Operation *maker = value.getDefiningOp();
  auto known = memories.find(value);
  bool isLeft = known != memories.end() && maker && maker->getNumRegions() > 0 && maker->getBlock() == by->getBlock() &&
                value.hasOneUse() && !known->second.ofLane;
  return isLeft ? std::optional(known->second) : std::nullopt;
}

/// A piece, behind which `values` are carried in `places`.
void KernelLowering::lowerCarried(ArrayRef<Operation *> piece, ValueRange values, ArrayRef<Memory> places) {
  SmallVector<Value> moved;
  SmallVector<Memory> targets;
  for (auto [value, place] : llvm::zip_equal(values, places)) {
    if (!isTile(value) || memories.lookup(value).pointer != place.pointer) {
      moved.push_back(value);
      targets.push_back(place);
    }
  }
  SmallVector<Value> none(moved.size());
  lowerPiece(piece, moved, none, targets);
}

bool KernelLowering::isKnown(Value scalar, bool mayRead) const {
  Operation *op = scalar.getDefiningOp();
  if (scalars.contains(scalar) || !op) {
    return scalars.contains(scalar);
  }
  bool computes = isPure(op) || (mayRead && isa<tile::LoadIndexOp, tile::SequenceOfOp>(op));
  return computes && op->getNumRegions() == 0 &&
         llvm::all_of(op->getOperands(), [&](Value x) { return isKnown(x, mayRead); });
}

/// What the body of a loop will load in the iteration whose number is `next`, as far as that is known now.
SmallVector<Matrix> KernelLowering::getNextLoads(scf::ForOp loop, Value next,
                                                 const llvm::DenseMap<Value, Value> &outside) {
  auto current = scalars;
  scalars = outside;
  scalars[loop.getInductionVar()] = next;
  auto varies = [&](Value value, auto &self) -> bool {
    Operation *op = value.getDefiningOp();
    return value == loop.getInductionVar() ||
           (op && llvm::any_of(op->getOperands(), [&](Value x) { return self(x, self); }));
  };
  SmallVector<Matrix> loads;
  for (auto load : loop.getBody()->getOps<tile::LoadOp>()) {
    if (isTile(load.getResult()) && varies(load.getOffset(), varies) && isKnown(load.getOffset(), /*mayRead=*/false)) {
      ArrayRef<int64_t> shape = tile::getTileShape(load.getType());
      int64_t columns = shape.back();
      loads.push_back({access(load.getBuffer(), load.getOffset(), load.getStride().value_or(columns)),
                       shape.size() == 2 ? shape[0] : 1, columns, getElementTypeOrSelf(load.getType()),
                       shape.size() == 1});
    }
  }
  scalars = current;
  return loads;
}

void KernelLowering::lowerFor(scf::ForOp loop, ArrayRef<Operation *> piece) {
  SmallVector<Memory> places;
  for (auto [i, value] : llvm::enumerate(loop.getInitArgs())) {
    places.push_back(isTile(value) ? allocateCarried(loop, i) : Memory());
  }
  SmallVector<Value> fetched = fetchFirst(loop);
  lowerCarried(piece, loop.getInitArgs(), places);
  SmallVector<Value> init;
  for (Value value : loop.getInitArgs()) {
    if (!isTile(value)) {
      init.push_back(getScalar(value));
    }
  }
  llvm::append_range(init, fetched);
  Value from = getScalar(loop.getLowerBound()), to = getScalar(loop.getUpperBound()), step = getScalar(loop.getStep());
  meet();
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
    if (fetchesAhead() && llvm::any_of(loop.getInitArgs(), isTile)) { // states: it is a loop over tokens
      Value next = arith::AddIOp::create(b, loc, created.getInductionVar(), step);
      beginTokens(getNextLoads(loop, next, savedScalars));
    }
    SmallVector<Value> following;
    Value more;
    if (!fetched.empty()) {
      Value next = arith::AddIOp::create(b, loc, created.getInductionVar(), step);
      more = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, next, to);
      following = fetchNext(loop, created.getRegionIterArgs().take_back(fetched.size()), next, more);
    }
    SmallVector<Value> yielded = lowerBlock(*loop.getBody(), places, args);
    llvm::append_range(yielded, following);
    more ? meetNext(more) : meet();
    scf::YieldOp::create(b, loc, yielded);
  }
  scalars = std::move(savedScalars);
  memories = std::move(savedMemories);
  bindResults(loop.getResults(), places, created.getResults());
}

void KernelLowering::lowerPipeline(tile::PipelineOp pipeline, ArrayRef<Operation *> piece) {
  SmallVector<Memory> places = llvm::map_to_vector(pipeline.getStates(), [&](Value state) {
    std::optional<Memory> left = findLeft(state, pipeline);
    return left ? *left : isTile(state) ? allocate(state) : Memory();
  });
  lowerCarried(piece, pipeline.getStates(), places);
  Value from = getScalar(pipeline.getFrom()), to = getScalar(pipeline.getTo()), step = getScalar(pipeline.getStep());
  meet();
  lowerPhases(pipeline, places, from, to, step);
  bindResults(pipeline.getResults(), places, {});
}

void KernelLowering::lowerIf(scf::IfOp branch) {
  SmallVector<Memory> places = allocateAll(branch.getResults());
  SmallVector<Value> none(places.size());
  SmallVector<Type> types;
  for (Type type : branch.getResultTypes()) {
    if (!isa<RankedTensorType>(type)) {
      types.push_back(type);
    }
  }
  bool hasElse = !branch.getElseRegion().empty();
  Value condition = getScalar(branch.getCondition());
  meet();
  auto created = scf::IfOp::create(b, loc, types, condition, hasElse);
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
    meet();
    scf::YieldOp::create(b, loc, yielded);
    scalars = std::move(savedScalars);
    memories = std::move(savedMemories);
  }
  bindResults(branch.getResults(), places, created.getResults());
}

void KernelLowering::bindResults(ValueRange results, ArrayRef<Memory> places, ValueRange created) {
  unsigned scalar = 0;
  for (auto [result, place] : llvm::zip_equal(results, places)) {
    if (isTile(result)) {
      memories[result] = place;
    } else {
      scalars[result] = created[scalar++];
    }
  }
}
