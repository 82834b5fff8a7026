// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Lanes/Place.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;

namespace {

constexpr int64_t kAlignment = 16;

/// When an allocation is needed, in numbers of barriers, and how often.
struct Interval {
  Value pointer;
  int64_t bytes = 0, from = 0, to = 0, offset = 0;
  double uses = 0;
};

class Lifetimes {
public:
  Lifetimes(func::FuncOp function, ArrayRef<Operation *> barriers) : barriers(barriers.begin(), barriers.end()) {
    number(function);
  }

  Interval find(const Allocation &allocation) {
    Interval interval{allocation.pointer, static_cast<int64_t>(llvm::alignTo(allocation.bytes, kAlignment))};
    SmallVector<Operation *> users;
    collect(allocation.pointer, users);
    if (users.empty()) {
      return interval;
    }
    Operation *common = users.front();
    for (Operation *user : users) {
      while (!common->isAncestor(user)) {
        common = common->getParentOp();
      }
    }
    interval.from = starts.lookup(users.front());
    for (Operation *user : users) {
      // In a loop that others are outside of it is needed in every iteration.
      Operation *outer = user;
      double weight = 1;
      for (Operation *at = user->getParentOp(); at && at != common; at = at->getParentOp()) {
        outer = isa<scf::ForOp>(at) ? at : outer;
        weight *= isa<scf::ForOp>(at) ? 16 : 1;
      }
      interval.from = std::min(interval.from, starts.lookup(outer));
      interval.to = std::max(interval.to, ends.lookup(outer));
      interval.uses += weight;
    }
    for (Operation *at = common; at; at = at->getParentOp()) {
      interval.uses *= isa<scf::ForOp>(at) ? 16 : 1;
    }
    return interval;
  }

private:
  void number(Operation *op) {
    starts[op] = next;
    for (Region &region : op->getRegions()) {
      for (Operation &inner : region.getOps()) {
        number(&inner);
      }
    }
    next += barriers.contains(op);
    ends[op] = next;
  }

  /// Ops that access the memory behind a pointer.
  void collect(Value pointer, SmallVectorImpl<Operation *> &users) {
    for (Operation *user : pointer.getUsers()) {
      if (isa<LLVM::GEPOp>(user)) {
        collect(user->getResult(0), users);
      } else {
        users.push_back(user);
      }
    }
  }

  llvm::SmallPtrSet<Operation *, 16> barriers;
  llvm::DenseMap<Operation *, int64_t> starts, ends;
  int64_t next = 0;
};

/// The lowest offset at which nothing that is needed at the same time lies.
int64_t findOffset(const Interval &interval, ArrayRef<const Interval *> placed) {
  SmallVector<std::pair<int64_t, int64_t>> taken;
  for (const Interval *other : placed) {
    if (other->from <= interval.to && interval.from <= other->to) {
      taken.push_back({other->offset, other->offset + other->bytes});
    }
  }
  return findGap(0, interval.bytes, std::move(taken));
}

} // namespace

int64_t lanes::findGap(int64_t start, int64_t bytes, SmallVector<std::pair<int64_t, int64_t>> taken) {
  llvm::sort(taken);
  int64_t offset = start;
  for (auto [from, to] : taken) {
    if (offset + bytes <= from) {
      break;
    }
    offset = std::max(offset, to);
  }
  return offset;
}

MemorySizes lanes::placeAllocations(func::FuncOp function, ArrayRef<Allocation> allocations,
                                    ArrayRef<Operation *> barriers, const Machine &machine, StringRef arena,
                                    Value scratch, Value block) {
  Lifetimes lifetimes(function, barriers);
  std::vector<Interval> intervals;
  for (const Allocation &allocation : allocations) {
    intervals.push_back(lifetimes.find(allocation));
  }
  std::vector<Interval *> order;
  for (Interval &interval : intervals) {
    order.push_back(&interval);
  }
  llvm::sort(order, [](const Interval *x, const Interval *y) {
    double first = x->uses / static_cast<double>(x->bytes), second = y->uses / static_cast<double>(y->bytes);
    return first != second ? first > second : x < y; // of equal ones the one that was made first
  });
  MemorySizes sizes;
  SmallVector<const Interval *> shared, other;
  for (Interval *interval : order) {
    if (interval->pointer.use_empty()) { // of what was made together with something else
      interval->pointer.getDefiningOp()->erase();
      continue;
    }
    interval->offset = findOffset(*interval, shared);
    bool fits = interval->offset + interval->bytes <= machine.sharedBytes;
    if (!fits) {
      interval->offset = findOffset(*interval, other);
    }
    int64_t &size = fits ? sizes.shared : sizes.scratch;
    size = std::max(size, interval->offset + interval->bytes);
    (fits ? shared : other).push_back(interval);
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
