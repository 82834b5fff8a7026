// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Lanes/Place.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;

constexpr static int64_t kAlignment = 16;

MemorySizes lanes::placeAllocations(func::FuncOp function, ArrayRef<Allocation> allocations,
                                    ArrayRef<Operation *> barriers, const Machine &machine, StringRef arena,
                                    Value scratch, Value block) {
  llvm::SmallPtrSet<Operation *, 16> meetings(barriers.begin(), barriers.end());
  std::vector<Interval> intervals =
      findLifetimes(function, allocations, kAlignment, [&](Operation *op) { return meetings.contains(op); });
  std::vector<Interval *> order;
  llvm::DenseMap<Value, Interval *> byPointer;
  for (Interval &interval : intervals) {
    byPointer[interval.pointer] = &interval;
  }
  llvm::DenseMap<Interval *, SmallVector<Interval *, 2>> parts; // at offsets from those that they are parts of
  for (auto [interval, allocation] : llvm::zip_equal(intervals, allocations)) {
    if (allocation.within && !interval.pointer.use_empty()) {
      interval.offset = allocation.at;
      parts[byPointer.at(allocation.within)].push_back(&interval);
    } else {
      order.push_back(&interval);
    }
  }
  auto getRank = [](const Interval *x) {
    return std::pair(x->isNear, x->isNear ? 0 : x->uses / static_cast<double>(x->bytes));
  };
  llvm::sort(order, [&](const Interval *x, const Interval *y) {
    auto first = getRank(x), second = getRank(y);
    return first != second ? first > second : x < y; // of equal ones the one that was made first
  });
  MemorySizes sizes;
  SmallVector<const Interval *> shared, other;
  for (Interval *interval : order) {
    if (interval->pointer.use_empty()) { // of what was made together with something else
      interval->pointer.getDefiningOp()->erase();
      continue;
    }
    Interval all = *interval; // with its parts, for which others make room where it is not needed itself
    for (const Interval *part : parts.lookup(interval)) {
      all.from = std::min(all.from, part->from);
      all.to = std::max(all.to, part->to);
    }
    interval->offset = findOffset(all, shared);
    bool fits = interval->offset + interval->bytes <= machine.sharedBytes;
    if (!fits) {
      interval->offset = findOffset(all, other);
    }
    int64_t &size = fits ? sizes.shared : sizes.scratch;
    size = std::max(size, interval->offset + interval->bytes);
    (fits ? shared : other).push_back(interval);
    for (Interval *part : parts.lookup(interval)) {
      part->offset += interval->offset;
      (fits ? shared : other).push_back(part);
    }
  }
  // Generic pointers: the code generator finds out what they point to.
  OpBuilder b = OpBuilder::atBlockBegin(&function.getBody().front());
  Location loc = function.getLoc();
  Type generic = LLVM::LLVMPointerType::get(b.getContext());
  auto offsetFrom = [&](Value base, Value bytes) -> Value {
    return LLVM::GEPOp::create(b, loc, base.getType(), b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{bytes});
  };
  auto constant = [&](int64_t value) -> Value { return arith::ConstantIntOp::create(b, loc, b.getI64Type(), value); };
  Value sharedBase, scratchBase;
  if (!shared.empty()) {
    Type space = LLVM::LLVMPointerType::get(b.getContext(), machine.hooks->getSharedSpace());
    sharedBase = LLVM::AddressOfOp::create(b, loc, space, arena);
    sharedBase = LLVM::AddrSpaceCastOp::create(b, loc, generic, sharedBase);
  }
  if (!other.empty()) {
    if (Operation *maker = block.getDefiningOp()) {
      b.setInsertionPointAfter(maker);
    }
    Value task = arith::IndexCastOp::create(b, loc, b.getI64Type(), block);
    Value mine = offsetFrom(scratch, arith::MulIOp::create(b, loc, task, constant(sizes.scratch)));
    scratchBase = LLVM::AddrSpaceCastOp::create(b, loc, generic, mine);
  }
  for (ArrayRef<const Interval *> list : {ArrayRef(shared), ArrayRef(other)}) {
    Value base = list.data() == shared.data() ? sharedBase : scratchBase;
    for (const Interval *interval : list) {
      Operation *placeholder = interval->pointer.getDefiningOp();
      b.setInsertionPoint(placeholder);
      Value pointer = interval->pointer;
      pointer.replaceAllUsesWith(offsetFrom(base, constant(interval->offset)));
      placeholder->erase();
    }
  }
  return sizes;
}
