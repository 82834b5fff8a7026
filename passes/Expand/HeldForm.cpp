// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// States that are held: chunks start where the counter is a multiple of their length, so what is held may change at the
// first token of a chunk only.
#include "passes/Expand/Forms.h"

using namespace mlir;
using namespace rwkv;

namespace {

class HeldForm : public StratumForm {
public:
  HeldForm(Batch &batch, const AffineState &form, const Stratum &stratum, ArrayRef<Value> states)
      : batch(batch), e(batch.e), form(form), step(form.states[stratum.states.front()].path.front()),
        state(states[stratum.states.front()]), states(states) {}

  void run() override {
    if (step.kind == StateStep::Kind::hold) {
      Value counter = e.broadcast(e.sum(stateOf(step.counter), 0), state.getType());
      Value isZero =
          arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, counter, e.constant(0.0, state.getType()));
      state = arith::SelectOp::create(e.b, e.loc, isZero, stateOf(step.source), state);
    }
  }

  Value emitRead(unsigned index) override {
    const StateRead &read = form.reads[index];
    if (step.kind == StateStep::Kind::count) {
      return e.reshape(countFrom(read.position), batch.rows(1, elementType()));
    }
    if (read.step.keys.empty()) {
      return e.broadcast(state, batch.rows(tile::getTileShape(state.getType())[0], elementType()), 1);
    }
    return e.dot(batch.kron(llvm::map_to_vector(read.step.keys, [&](Value key) { return batch.get(key); })), state);
  }

  Value emitFinal(unsigned) override {
    if (step.kind == StateStep::Kind::hold) {
      return state;
    }
    Type number = RankedTensorType::get({1}, elementType());
    return e.slice(countFrom(1), number, {e.index(batch.tokens - 1)});
  }

private:
  Type elementType() { return getElementTypeOrSelf(state.getType()); }
  Value stateOf(Value arg) {
    auto known = llvm::find_if(form.states, [&](const CarriedState &s) { return s.arg == arg; });
    return states[known - form.states.begin()];
  }

  /// [C]: the counter before (0) or after (1) each token.
  Value countFrom(unsigned position) {
    Type type = RankedTensorType::get({batch.tokens}, elementType());
    Value ones = e.constant(1.0, type);
    Value numbers = tile::CumsumOp::create(e.b, e.loc, type, ones, /*exclusive=*/true, batch.tokens);
    Value counts = e.add(e.broadcast(e.sum(state, 0), type), e.add(numbers, e.constant(position, type)));
    Value period = e.constant(static_cast<double>(step.period), type);
    Value isOver = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OGE, counts, period);
    return arith::SelectOp::create(e.b, e.loc, isOver, e.sub(counts, period), counts);
  }

  Batch &batch;
  TileEmitter &e;
  const AffineState &form;
  const StateStep &step;
  Value state;
  SmallVector<Value> states;
};

} // namespace

std::unique_ptr<StratumForm> rwkv::createHeldForm(Batch &batch, const AffineState &form, const Stratum &stratum,
                                                  ArrayRef<Value> states) {
  return std::make_unique<HeldForm>(batch, form, stratum, states);
}
