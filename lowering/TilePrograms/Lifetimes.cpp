// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/TilePrograms/Lifetimes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

namespace {

class Lifetimes {
public:
  Lifetimes(func::FuncOp function, llvm::function_ref<bool(Operation *)> endsMoment) : endsMoment(endsMoment) {
    number(function);
  }

  void find(Interval &interval) {
    SmallVector<Operation *> users;
    collect(interval.pointer, users);
    if (users.empty()) {
      return;
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
        outer = isa<LoopLikeOpInterface>(at) ? at : outer;
        weight *= isa<LoopLikeOpInterface>(at) ? 16 : 1;
      }
      interval.from = std::min(interval.from, starts.lookup(outer));
      interval.to = std::max(interval.to, ends.lookup(outer));
      interval.uses += weight;
    }
    for (Operation *at = common; at; at = at->getParentOp()) {
      interval.uses *= isa<LoopLikeOpInterface>(at) ? 16 : 1;
    }
  }

private:
  void number(Operation *op) {
    starts[op] = next;
    for (Region &region : op->getRegions()) {
      for (Operation &inner : region.getOps()) {
        number(&inner);
      }
    }
    ends[op] = next;
    next += endsMoment(op);
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

  llvm::function_ref<bool(Operation *)> endsMoment;
  llvm::DenseMap<Operation *, int64_t> starts, ends;
  int64_t next = 0;
};

} // namespace

std::vector<Interval> programs::findLifetimes(func::FuncOp function, ArrayRef<Allocation> allocations,
                                              int64_t alignment, llvm::function_ref<bool(Operation *)> endsMoment) {
  Lifetimes lifetimes(function, endsMoment);
  std::vector<Interval> intervals;
  for (const Allocation &allocation : allocations) {
    intervals.push_back({allocation.pointer, static_cast<int64_t>(llvm::alignTo(allocation.bytes, alignment))});
    intervals.back().isNear = allocation.isNear;
    lifetimes.find(intervals.back());
  }
  return intervals;
}

int64_t programs::findGap(int64_t start, int64_t bytes, SmallVector<std::pair<int64_t, int64_t>> taken) {
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

int64_t programs::findOffset(const Interval &interval, ArrayRef<const Interval *> placed) {
  SmallVector<std::pair<int64_t, int64_t>> taken;
  for (const Interval *other : placed) {
    if (other->from <= interval.to && interval.from <= other->to) {
      taken.push_back({other->offset, other->offset + other->bytes});
    }
  }
  return findGap(0, interval.bytes, std::move(taken));
}
