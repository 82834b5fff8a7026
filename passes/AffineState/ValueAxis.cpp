// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/AffineState/ValueAxis.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

static ArrayRef<int64_t> shapeOf(Type type) {
  if (auto state = dyn_cast<StateType>(type)) {
    return state.getTensorType().getShape();
  }
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getShape() : ArrayRef<int64_t>();
}

static unsigned rankOf(Value value) { return shapeOf(value.getType()).size(); }

unsigned ValueAxis::number(Axis axis) {
  auto [it, isNew] = numbers.try_emplace(axis, numbers.size());
  if (isNew) {
    classes.grow(numbers.size());
  }
  return it->second;
}

void ValueAxis::joinAll(Value a, Value b) {
  for (unsigned axis = 0, rank = std::min(rankOf(a), rankOf(b)); axis < rank; ++axis) {
    join({a, axis}, {b, axis});
  }
}

void ValueAxis::exclude(Axis axis, Operation *op, const char *why) {
  number(axis);
  excluded.push_back({axis, op, why});
}

void ValueAxis::readStep(const StateStep &step) {
  Value state = step.state;
  const unsigned last = rankOf(state) - 1;
  if (step.changesState()) {
    joinAll(step.result, state);
  } else {
    join({step.result, 0}, {state, last});
  }
  for (auto [axis, key] : llvm::enumerate(step.keys)) {
    join({key, 0}, {state, axis});
  }
  if (step.value) {
    step.kind == StateStep::Kind::write ? join({step.value, 0}, {state, last}) : joinAll(step.value, state);
  }
  if (step.source) {
    joinAll(step.source, state);
  }
  if (!step.factor) {
    return;
  }
  if (step.kind == StateStep::Kind::transform) {
    for (unsigned axis = 0; axis < rankOf(step.factor); ++axis) {
      exclude({step.factor, axis}, step.op, "makes a matrix of it");
    }
  } else if (step.kind == StateStep::Kind::maximum || step.axis == StateStep::Axis::each) {
    joinAll(step.factor, state);
  } else if (step.axis == StateStep::Axis::key) {
    join({step.factor, 0}, {state, step.key});
  } else if (step.axis == StateStep::Axis::value) {
    join({step.factor, 0}, {state, last});
  }
}

void ValueAxis::read(Operation *op) {
  auto excludeAll = [&](Value value, const char *why) {
    for (unsigned axis = 0; axis < rankOf(value); ++axis) {
      exclude({value, axis}, op, why);
    }
  };
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](StateStepOpInterface access) { readStep(access.getStep()); })
      .Case([&](FillOp) {})
      .Case([&](SumOp sum) {
        unsigned over = cast<IntegerAttr>(sum.getAxis()).getInt(), axis = 0;
        for (unsigned i = 0; i < rankOf(sum.getX()); ++i) {
          i == over ? exclude({sum.getX(), i}, op, "sums over it") : join({sum.getX(), i}, {sum.getResult(), axis++});
        }
      })
      .Case([&](BroadcastOp broadcast) {
        for (auto [i, position] : llvm::enumerate(broadcast.getPositions())) {
          join({broadcast.getX(), i}, {broadcast.getResult(), position});
        }
      })
      .Case([&](DotOp dot) {
        joinAll(dot.getLhs(), dot.getRhs());
        excludeAll(dot.getLhs(), "sums over it");
      })
      .Case([&](MatvecOp matvec) {
        join({matvec.getMatrix(), 1}, {matvec.getX(), 0});
        exclude({matvec.getX(), 0}, op, "sums over it");
        join({matvec.getMatrix(), 0}, {matvec.getResult(), 0});
      })
      .Case([&](arith::ConstantOp constant) {
        if (!isa<SplatElementsAttr>(constant.getValue())) {
          excludeAll(constant.getResult(), "has numbers of its own for it");
        }
      })
      .Default([&](Operation *) {
        bool pointwise = op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1;
        for (Value operand : op->getOperands()) {
          pointwise ? joinAll(operand, op->getResult(0)) : excludeAll(operand, "is not elementwise");
        }
        for (Value result : op->getResults()) {
          if (!pointwise) {
            excludeAll(result, "is not elementwise");
          }
        }
      });
}

void ValueAxis::refuse(Operation *op, std::string why) {
  if (!obstacle) {
    obstacle = op;
    reason = std::move(why);
  }
}

ValueAxis::ValueAxis(RecurrenceOp recurrence) {
  for (BlockArgument arg : recurrence.getToken().getArguments()) {
    for (unsigned axis = 0; axis < rankOf(arg); ++axis) {
      number({arg, axis});
    }
  }
  for (Operation &op : recurrence.getToken().front().without_terminator()) {
    read(&op);
  }
  BlockArgument widest;
  for (BlockArgument state : recurrence.getStateArgs()) {
    for (unsigned axis = 0; axis + 1 < rankOf(state); ++axis) {
      exclude({state, axis}, recurrence, "has states with keys along it");
    }
    int64_t values = shapeOf(state.getType()).back();
    if (!widest || values > size) {
      widest = state;
      size = values;
    }
  }
  for (BlockArgument state : recurrence.getStateArgs()) {
    if (shapeOf(state.getType()).back() == size) { // also if nothing else makes it the same axis
      join({state, rankOf(state) - 1}, {widest, rankOf(widest) - 1});
    }
  }
  values = classes.findLeader(numbers.lookup({widest, rankOf(widest) - 1}));
  for (const Exclusion &exclusion : excluded) {
    if (isAlong(exclusion.axis.first, exclusion.axis.second)) {
      refuse(exclusion.op, exclusion.why);
    }
  }
  for (auto [i, state] : llvm::enumerate(recurrence.getStateArgs())) {
    if (!isAlong(state, rankOf(state) - 1)) {
      refuse(recurrence, "has a value axis of its own in state " + std::to_string(i));
    }
  }
  auto checkAlone = [&](Value value, const char *what) {
    for (unsigned axis = 0; axis < rankOf(value) && rankOf(value) > 1; ++axis) {
      if (isAlong(value, axis)) {
        refuse(recurrence, std::string("has ") + what + " with other axes beside it");
      }
    }
  };
  for (BlockArgument arg : recurrence.getToken().getArguments().drop_back(recurrence.getInits().size())) {
    checkAlone(arg, "an operand");
  }
  for (Value value : recurrence.getYield().getOperands()) {
    if (!isa<StateType>(value.getType())) {
      checkAlone(value, "a result");
    }
  }
}

bool ValueAxis::isAlong(Value value, unsigned axis) const {
  auto it = numbers.find({value, axis});
  return it != numbers.end() && classes.findLeader(it->second) == values;
}
