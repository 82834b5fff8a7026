// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Specialize/Axes.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

// ---- union-find

unsigned AxisSolver::create() {
  axes.push_back({static_cast<unsigned>(axes.size())});
  return axes.back().parent;
}

unsigned AxisSolver::find(unsigned id) {
  while (axes[id].parent != id) {
    id = axes[id].parent = axes[axes[id].parent].parent;
  }
  return id;
}

LogicalResult AxisSolver::bind(Operation *at, unsigned id, int64_t size) {
  Axis &axis = axes[find(id)];
  if (axis.size != kUnknown && axis.size != size) {
    return at->emitOpError("expected equal sizes of one axis, but got ") << axis.size << " and " << size;
  }
  axis.size = size;
  return success();
}

LogicalResult AxisSolver::unify(Operation *at, unsigned a, unsigned b) {
  a = find(a);
  b = find(b);
  if (a == b) {
    return success();
  }
  if (axes[a].size != kUnknown && failed(bind(at, b, axes[a].size))) {
    return failure();
  }
  axes[b].open |= axes[a].open;
  axes[a].parent = b;
  return success();
}

unsigned AxisSolver::named(StringRef name) {
  auto [it, inserted] = names.try_emplace(name, 0);
  if (inserted) {
    unsigned id = it->second = create();
    auto [head, tail] = name.split('*');
    int64_t factor = 1;
    if (!head.getAsInteger(10, factor)) { // 5, or 5*R
      if (auto size = sizes.find(tail); tail.empty() || size != sizes.end()) {
        axes[id].size = factor * (tail.empty() ? 1 : size->second);
      }
    } else if (name == "B" || name == "T" || name == "S") {
      open(id);
    } else if (auto size = sizes.find(name); size != sizes.end()) {
      axes[id].size = size->second;
    }
  }
  return it->second;
}

// ---- axes of values

/// Sizes of the axes of a tensor or state; nothing for scalars.
static SmallVector<int64_t> getShape(Type type) {
  if (auto state = dyn_cast<StateType>(type)) {
    return SmallVector<int64_t>(state.getTensorType().getShape());
  }
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? SmallVector<int64_t>(tensor.getShape()) : SmallVector<int64_t>();
}

FailureOr<ArrayRef<unsigned>> AxisSolver::of(Operation *at, Value value) {
  auto it = values.find(value);
  if (it != values.end()) {
    return ArrayRef<unsigned>(it->second);
  }
  SmallVector<unsigned> ids;
  ArrayRef<StringAttr> axisNames = getAxisNames(value.getType());
  for (auto [i, size] : llvm::enumerate(getShape(value.getType()))) {
    ids.push_back(axisNames.empty() ? create() : named(axisNames[i].getValue()));
    if (!ShapedType::isDynamic(size) && failed(bind(at, ids.back(), size))) {
      return failure();
    }
  }
  return ArrayRef<unsigned>(values[value] = ids);
}

LogicalResult AxisSolver::same(Operation *at, Value a, Value b, unsigned fromA, unsigned fromB, int64_t count) {
  // of() may move the storage of an earlier answer.
  FailureOr<ArrayRef<unsigned>> first = of(at, a);
  if (failed(first)) {
    return failure();
  }
  SmallVector<unsigned> idsA(*first);
  FailureOr<ArrayRef<unsigned>> idsB = of(at, b);
  if (failed(idsB)) {
    return failure();
  }
  size_t n = count >= 0 ? count : std::min(idsA.size() - fromA, idsB->size() - fromB);
  for (size_t i = 0; i < n; ++i) {
    if (failed(unify(at, idsA[fromA + i], (*idsB)[fromB + i]))) {
      return failure();
    }
  }
  return success();
}

// ---- constraints of ops

LogicalResult AxisSolver::openAxis(Operation *at, Value value, unsigned axis) {
  FailureOr<ArrayRef<unsigned>> ids = of(at, value);
  if (failed(ids)) {
    return failure();
  }
  open((*ids)[axis]);
  return success();
}

LogicalResult AxisSolver::openTokens(Operation *at, Value tokens, Value reset) {
  return failure(failed(openAxis(at, tokens, 0)) || failed(openAxis(at, tokens, 1)) ||
                 (reset && failed(openAxis(at, reset, 0))));
}

LogicalResult AxisSolver::collectRecurrence(RecurrenceOp op) {
  Value first = op.getOver().front(), init = op.getInits().front();
  if (failed(openTokens(op, first, op.getReset())) || failed(openAxis(op, init, 0))) {
    return failure();
  }
  for (auto [arg, value] : llvm::zip_equal(op.getOverArgs(), op.getOver())) {
    if (failed(same(op, value, first, 0, 0, 2)) || failed(same(op, value, arg, 3, 0))) {
      return failure();
    }
  }
  for (auto [arg, value] : llvm::zip_equal(op.getConstArgs(), op.getConsts())) {
    if (failed(same(op, value, arg, 1, 0))) {
      return failure();
    }
  }
  for (auto [arg, value] : llvm::zip_equal(op.getStateArgs(), op.getInits())) {
    if (failed(same(op, value, init, 0, 0, 2)) || failed(same(op, value, arg, 2, 0))) {
      return failure();
    }
  }
  if (!op.getReset() && failed(same(op, init, first, 0, 0, 1))) {
    return failure();
  }
  unsigned nextState = 0;
  for (auto [result, value] : llvm::zip_equal(op.getResults(), op.getYield().getOperands())) {
    if (isa<StateType>(value.getType())) {
      if (failed(same(op, result, op.getInits()[nextState++]))) {
        return failure();
      }
    } else if (failed(same(op, result, first, 0, 0, 2)) || failed(same(op, result, init, 2, 1, 1)) ||
               failed(same(op, result, value, 3, 0))) {
      return failure();
    }
  }
  return success();
}

LogicalResult AxisSolver::collectLayers(LayersOp op) {
  unsigned iters = op.getIter().size();
  for (auto [i, result, operand] : llvm::enumerate(op.getResults(), op.getOperands())) {
    unsigned skip = i < iters ? 0 : 1;
    if (failed(same(op, result, operand))) {
      return failure();
    }
    for (Region &body : op.getBodies()) {
      if (failed(same(op, operand, body.getArgument(i), skip, 0)) ||
          failed(same(op, operand, body.front().getTerminator()->getOperand(i), skip, 0))) {
        return failure();
      }
    }
  }
  return success();
}

LogicalResult AxisSolver::bindWeightAxis(Operation *op, FlatSymbolRefAttr name, unsigned weightAxis, Value value,
                                         unsigned axis) {
  auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(op, name);
  RankedTensorType type = weight.getStoredType();
  FailureOr<ArrayRef<unsigned>> ids = of(op, value);
  if (failed(ids)) {
    return failure();
  }
  if (!type || weightAxis >= type.getRank() || axis >= ids->size()) {
    return op->emitOpError("expected weight ")
           << name << " of rank > " << weightAxis << " for " << value.getType() << ", but got " << weight.getShape();
  }
  return bind(op, (*ids)[axis], type.getDimSize(weightAxis));
}

LogicalResult AxisSolver::collectWeightUse(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](EmbedOp embed) -> LogicalResult {
        unsigned last = cast<RankedTensorType>(embed.getTokens().getType()).getRank();
        return failure(failed(same(op, embed.getTokens(), embed.getResult(), 0, 0, last)) ||
                       failed(bindWeightAxis(op, embed.getWeightAttr(), 1, embed.getResult(), last)));
      })
      .Case([&](LinearOp linear) -> LogicalResult {
        auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(op, linear.getWeightAttr());
        unsigned in = weight.getTransposed() ? 1 : 0;
        unsigned last = cast<RankedTensorType>(linear.getX().getType()).getRank() - 1;
        return failure(failed(same(op, linear.getX(), linear.getResult(), 0, 0, last)) ||
                       failed(bindWeightAxis(op, linear.getWeightAttr(), in, linear.getX(), last)) ||
                       failed(bindWeightAxis(op, linear.getWeightAttr(), 1 - in, linear.getResult(), last)));
      })
      .Case([&](GetOp get) -> LogicalResult {
        for (auto [weightAxis, axis] : llvm::enumerate(get.getOn().value_or(ArrayRef<int64_t>()))) {
          if (failed(bindWeightAxis(op, get.getWeightAttr(), weightAxis, get.getResult(), axis))) {
            return failure();
          }
        }
        return success();
      })
      .Default(success());
}

LogicalResult AxisSolver::collectOp(Operation *op) {
  auto sameAll = [&]() -> LogicalResult { // elementwise: every tensor operand and result
    Value first;
    for (Value value : llvm::concat<Value>(op->getOperands(), op->getResults())) {
      if (!isa<RankedTensorType, StateType>(value.getType())) {
        continue;
      }
      if (first && failed(same(op, first, value))) {
        return failure();
      }
      first = value;
    }
    return success();
  };
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](RecurrenceOp recurrence) { return collectRecurrence(recurrence); })
      .Case([&](LayersOp layers) { return collectLayers(layers); })
      .Case([&](WhenOp when) -> LogicalResult {
        for (Region *region : when.getRegions()) {
          for (auto [result, value] :
               llvm::zip_equal(when.getResults(), region->front().getTerminator()->getOperands())) {
            if (failed(same(op, result, value))) {
              return failure();
            }
          }
        }
        return success();
      })
      .Case<ReadOp>([&](ReadOp read) -> LogicalResult {
        unsigned keys = read.getKeys().size();
        for (auto [axis, key] : llvm::enumerate(read.getKeys())) {
          if (failed(same(op, read.getState(), key, axis, 0, 1))) {
            return failure();
          }
        }
        return same(op, read.getState(), read.getValue(), keys, 0, 1);
      })
      .Case<WriteOp>([&](WriteOp write) -> LogicalResult {
        unsigned keys = write.getKeys().size();
        for (auto [axis, key] : llvm::enumerate(write.getKeys())) {
          if (failed(same(op, write.getState(), key, axis, 0, 1))) {
            return failure();
          }
        }
        return failure(failed(same(op, write.getState(), write.getValue(), keys, 0, 1)) ||
                       failed(same(op, write.getState(), write.getResult())));
      })
      .Case<DecayOp>([&](DecayOp decay) -> LogicalResult {
        if (failed(same(op, decay.getState(), decay.getResult()))) {
          return failure();
        }
        StringRef axis = decay.getAxis();
        unsigned key = decay.getState().getType().getKeys().size();
        if (axis == "all") {
          return success();
        }
        if (axis == "each") {
          return same(op, decay.getState(), decay.getLog());
        }
        if (axis.consume_front("key")) {
          (void)axis.getAsInteger(10, key);
        }
        return same(op, decay.getState(), decay.getLog(), key, 0, 1);
      })
      .Case<TransformOp>([&](TransformOp transform) -> LogicalResult {
        return failure(failed(same(op, transform.getState(), transform.getResult())) ||
                       failed(same(op, transform.getMatrix(), transform.getMatrix(), 1, 2, 1)));
      })
      .Case<MaximumOp>([&](MaximumOp maximum) -> LogicalResult {
        return failure(failed(same(op, maximum.getState(), maximum.getResult())) ||
                       failed(same(op, maximum.getState(), maximum.getAdded())) ||
                       failed(same(op, maximum.getState(), maximum.getValue())));
      })
      .Case<CountOp>([&](CountOp count) { return same(op, count.getState(), count.getResult()); })
      .Case<HoldOp>([&](HoldOp hold) -> LogicalResult {
        return failure(failed(same(op, hold.getState(), hold.getResult())) ||
                       failed(same(op, hold.getState(), hold.getSource())));
      })
      .Case<SetOp>([&](SetOp set) -> LogicalResult {
        return failure(failed(same(op, set.getState(), set.getResult())) ||
                       failed(same(op, set.getState(), set.getValue())));
      })
      .Case<SumOp>([&](SumOp sum) -> LogicalResult {
        unsigned axis = *resolveAxis(op, sum.getAxis(), sum.getX().getType());
        return failure(failed(same(op, sum.getX(), sum.getResult(), 0, 0, axis)) ||
                       failed(same(op, sum.getX(), sum.getResult(), axis + 1, axis)));
      })
      .Case<BroadcastOp>([&](BroadcastOp broadcast) -> LogicalResult {
        for (auto [axis, position] : llvm::enumerate(broadcast.getPositions())) {
          if (failed(same(op, broadcast.getX(), broadcast.getResult(), axis, position, 1))) {
            return failure();
          }
        }
        return success();
      })
      .Case<DotOp>([&](DotOp dot) { return same(op, dot.getLhs(), dot.getRhs()); })
      .Case<MatvecOp>([&](MatvecOp matvec) -> LogicalResult {
        return failure(failed(same(op, matvec.getMatrix(), matvec.getResult(), 0, 0, 1)) ||
                       failed(same(op, matvec.getMatrix(), matvec.getX(), 1, 0, 1)));
      })
      .Case<TokenShiftOp>([&](TokenShiftOp shift) -> LogicalResult {
        return failure(failed(openTokens(op, shift.getX(), shift.getReset())) ||
                       failed(same(op, shift.getX(), shift.getShifted())) ||
                       failed(same(op, shift.getLast(), shift.getNext())) ||
                       failed(same(op, shift.getX(), shift.getLast(), 2, 1)));
      })
      .Case<LastOp>([&](LastOp last) -> LogicalResult {
        return failure(failed(openTokens(op, last.getX(), last.getReset())) ||
                       failed(same(op, last.getX(), last.getResult(), 2, 1)));
      })
      .Case<ReshapeOp>([&](ReshapeOp) { return success(); })
      .Case<func::ReturnOp, YieldOp, FillOp>([&](Operation *) { return success(); })
      .Case<EmbedOp, LinearOp, GetOp>([&](Operation *) { return collectWeightUse(op); })
      .Default([&](Operation *) { return sameAll(); });
}

LogicalResult AxisSolver::solveSignature() {
  auto solve = [&](TypeRange types) {
    return llvm::map_to_vector(types, [&](Type type) -> Type {
      ArrayRef<StringAttr> axisNames = getAxisNames(type);
      if (axisNames.empty()) {
        return type;
      }
      auto tensor = cast<RankedTensorType>(type);
      SmallVector<int64_t> shape(tensor.getShape());
      for (auto [i, name] : llvm::enumerate(axisNames)) {
        const Axis &axis = axes[find(named(name.getValue()))];
        shape[i] = axis.size == kUnknown ? ShapedType::kDynamic : axis.size;
      }
      return RankedTensorType::get(shape, tensor.getElementType());
    });
  };
  function.setFunctionType(
      FunctionType::get(function.getContext(), solve(function.getArgumentTypes()), solve(function.getResultTypes())));
  return success();
}

LogicalResult AxisSolver::collect() {
  for (BlockArgument arg : function.getArguments()) {
    if (failed(of(function, arg))) {
      return failure();
    }
  }
  WalkResult result = function.walk([&](Operation *op) {
    if (op == function) {
      return WalkResult::advance();
    }
    for (Value value : op->getResults()) { // names and static sizes of values that no constraint mentions
      if (failed(of(op, value))) {
        return WalkResult::interrupt();
      }
    }
    return failed(collectOp(op)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

LogicalResult AxisSolver::bindArgument(unsigned argument, unsigned axis, int64_t size) {
  auto axesOf = [&](unsigned i) { return *of(function, function.getArgument(i)); };
  unsigned id = find(axesOf(argument)[axis]);
  if (axes[id].open || axes[id].size == size) {
    return success();
  }
  auto error = [&] {
    return emitError(function.getArgument(argument).getLoc(), "expected axis ")
           << axis << " of argument " << argument << " of '" << function.getSymName() << "' to have ";
  };
  if (size == 0) {
    return error() << "at least 1 element, but got 0";
  }
  if (axes[id].size != kUnknown) {
    for (unsigned i = 0; i <= argument; ++i) {
      for (auto [j, other] : llvm::enumerate(axesOf(i))) {
        if ((i < argument || j < axis) && find(other) == id) {
          return error() << axes[id].size << " elements, as axis " << j << " of argument " << i << ", but got " << size;
        }
      }
    }
    return error() << axes[id].size << " elements, but got " << size;
  }
  axes[id].size = size;
  return success();
}

// ---- types

FailureOr<Type> AxisSolver::solvedType(Operation *at, Value value) {
  Type type = value.getType();
  if (!isa<RankedTensorType, StateType>(type)) {
    return type;
  }
  FailureOr<ArrayRef<unsigned>> ids = of(at, value);
  if (failed(ids)) {
    return failure();
  }
  SmallVector<int64_t> shape;
  int64_t count = 1;
  Operation *parent = value.getParentRegion()->getParentOp();
  int64_t longest = isa<RecurrenceOp>(parent) ? kLongestRegionAxis : kMostElements;
  for (auto [i, id] : llvm::enumerate(*ids)) {
    const Axis &axis = axes[find(id)];
    if (axis.open) {
      shape.push_back(ShapedType::kDynamic);
    } else if (axis.size == 0 || axis.size > longest) {
      return at->emitError("expected axis ") << i << " of a value of type " << type << " to have 1 to " << longest
                                             << " elements, but got " << axis.size;
    } else if (axis.size > kMostElements / count) {
      return at->emitError("expected a value of at most ")
             << kMostElements << " elements per token, but got more in one of type " << type;
    } else if (axis.size == kUnknown) {
      return at->emitError("expected the size of axis ")
             << i << " of a value of type " << type << " to be known, but no weight, argument or type gives it";
    } else {
      shape.push_back(axis.size);
      count *= axis.size;
    }
  }
  if (auto state = dyn_cast<StateType>(type)) {
    return Type(StateType::get(type.getContext(), ArrayRef(shape).drop_back(), shape.back(), state.getElementType()));
  }
  return Type(RankedTensorType::get(shape, cast<RankedTensorType>(type).getElementType()));
}

LogicalResult AxisSolver::rewriteTypes() {
  auto rewrite = [&](Operation *at, Value value) {
    FailureOr<Type> type = solvedType(at, value);
    if (failed(type)) {
      return failure();
    }
    value.setType(*type);
    return success();
  };
  WalkResult result = function.walk([&](Operation *op) {
    for (Value value : op->getResults()) {
      if (failed(rewrite(op, value))) {
        return WalkResult::interrupt();
      }
    }
    for (Region &region : op->getRegions()) {
      for (BlockArgument arg : region.getArguments()) {
        if (failed(rewrite(op, arg))) {
          return WalkResult::interrupt();
        }
      }
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted()) {
    return failure();
  }
  Operation *terminator = function.getBody().front().getTerminator();
  function.setFunctionType(
      FunctionType::get(function.getContext(), function.getBody().getArgumentTypes(), terminator->getOperandTypes()));
  return success();
}
