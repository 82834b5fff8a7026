// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// States whose elements run on their own: S' = D S + U with D and U known for all tokens before the states are. A scan
// gives the state before every token; what lies between that and a read is elementwise.
#include "passes/Expand/Forms.h"

using namespace mlir;
using namespace rwkv;

namespace {

/// One state.
class Elements {
public:
  Elements(Batch &batch, const CarriedState &state) : batch(batch), e(batch.e), state(state) {
    for (int64_t key : this->state.type.getKeys()) {
      keys *= key;
    }
    values = this->state.type.getValue();
    type = batch.rows(keys * values, this->state.type.getElementType());
  }

  void run(Value before) {
    Map map = identity();
    for (const StateStep &step : state.path) {
      apply(map, step, /*check=*/true);
    }
    Value flat = e.reshape(before, TileEmitter::tileType({keys * values}, state.type.getElementType()));
    Type all = RankedTensorType::get({batch.tokens + 1, keys * values}, state.type.getElementType());
    Value factor = map.factor ? map.factor : e.constant(map.isMaximum ? 0.0 : 1.0, type);
    Value added = map.added ? map.added : e.constant(0.0, type);
    auto kind = map.isMaximum ? tile::ScanKind::maxplus : tile::ScanKind::affine;
    rows = tile::ScanOp::create(e.b, e.loc, all, kind, factor, added, flat);
    previous = e.slice(rows, type, {e.index(0), e.index(0)});
    last = e.reshape(e.slice(rows, flat.getType(), {e.index(batch.tokens), e.index(0)}), before.getType());
  }

  Value emitRead(const StateRead &read) {
    Map map = identity();
    for (const StateStep &step : ArrayRef<StateStep>(state.path).take_front(read.position)) {
      apply(map, step, /*check=*/false);
    }
    for (const StateStep &step : read.branch) {
      apply(map, step, /*check=*/true);
    }
    Value elements = previous;
    if (map.factor) {
      elements = map.isMaximum ? e.add(map.factor, elements) : e.mul(map.factor, elements);
    }
    if (map.added) {
      elements = map.isMaximum ? max(elements, map.added) : e.add(elements, map.added);
    }
    return read.step.keys.empty() ? elements
                                  : batch.sumPieces(e.mul(batch.stretch(keysOf(read.step), values), elements), keys);
  }

  Value last; // the state after the chunk

private:
  /// x -> factor * x + added, or max(factor + x, added); null for what does nothing.
  struct Map {
    Value factor, added;
    bool isMaximum = false;
  };

  Map identity() {
    Map map;
    map.isMaximum = llvm::any_of(state.path, [](const StateStep &s) { return s.kind == StateStep::Kind::maximum; });
    return map;
  }

  Value max(Value x, Value y) { return arith::MaximumFOp::create(e.b, e.loc, x, y); }

  void apply(Map &map, const StateStep &step, bool check) {
    switch (step.kind) {
    case StateStep::Kind::decay: {
      Value factor = factorOf(step, check);
      map.factor = map.factor ? e.mul(map.factor, factor) : factor;
      map.added = map.added ? e.mul(map.added, factor) : Value();
      break;
    }
    case StateStep::Kind::write: {
      Value outer = outerOf(step);
      map.added = map.added ? e.add(map.added, outer) : outer;
      break;
    }
    case StateStep::Kind::maximum: {
      Value plus = batch.get(step.factor), floor = batch.get(step.value);
      map.factor = map.factor ? e.add(map.factor, plus) : plus;
      map.added = map.added ? max(e.add(map.added, plus), floor) : floor;
      break;
    }
    default:
      llvm_unreachable("has no elementwise form");
    }
  }

  Value factorOf(const StateStep &step, bool check) {
    Value &known = factors[step.op];
    if (known) {
      return known;
    }
    Value log = batch.get(step.factor);
    if (check) {
      e.checkBound(step, log);
    }
    return known = spread(batch.exp(log), step);
  }

  /// Along all elements of the state.
  Value spread(Value x, const StateStep &step) {
    switch (step.axis) {
    case StateStep::Axis::all:
      return e.broadcast(x, type, 0);
    case StateStep::Axis::each:
      return x;
    case StateStep::Axis::value:
      return batch.repeat(x, keys);
    case StateStep::Axis::key: {
      int64_t before = 1, after = values;
      for (auto [i, size] : llvm::enumerate(state.type.getKeys())) {
        (i < step.key ? before : after) *= i == step.key ? 1 : size;
      }
      return batch.repeat(batch.stretch(x, after), before);
    }
    }
    llvm_unreachable("all axes are handled");
  }

  Value keysOf(const StateStep &step) {
    return batch.kron(llvm::map_to_vector(step.keys, [&](Value key) { return batch.get(key); }));
  }

  Value outerOf(const StateStep &step) {
    Value value = batch.get(step.value);
    if (step.scale) {
      value = batch.scaleRows(value, batch.get(step.scale));
    }
    return step.keys.empty() ? value : e.mul(batch.stretch(keysOf(step), values), batch.repeat(value, keys));
  }

  Batch &batch;
  TileEmitter &e;
  const CarriedState &state;
  int64_t keys = 1, values = 1;
  Type type;
  Value rows, previous; // the state before each token
  llvm::DenseMap<Operation *, Value> factors;
};

class ElementwiseForm : public StratumForm {
public:
  ElementwiseForm(Batch &batch, const AffineState &form, const Stratum &stratum, ArrayRef<Value> states) : form(form) {
    for (unsigned state : stratum.states) {
      elements.try_emplace(state, batch, form.states[state]);
      initial[state] = states[state];
    }
  }

  void run() override {
    for (auto &[state, element] : elements) {
      element.run(initial[state]);
    }
  }

  Value emitRead(unsigned read) override { return elements.at(form.reads[read].state).emitRead(form.reads[read]); }
  Value emitFinal(unsigned state) override { return elements.at(state).last; }

private:
  const AffineState &form;
  std::map<unsigned, Elements> elements;
  std::map<unsigned, Value> initial;
};

} // namespace

std::unique_ptr<StratumForm> rwkv::createElementwiseForm(Batch &batch, const AffineState &form, const Stratum &stratum,
                                                         ArrayRef<Value> states) {
  return std::make_unique<ElementwiseForm>(batch, form, stratum, states);
}
