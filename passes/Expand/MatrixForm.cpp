// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// States that many tokens share through matrix products. With S0 the states before the chunk and z_j the values written
// in it,
//
//   read i:  y_i = <a~_i, S0> + sum over writes j before it of score_ij z_j
//   write j: z_j = v_j + sum over reads i that feed it of gamma_ji y_i
//
// where a~ and the scores hold the transitions on key axes (see KeyFrames.h). Eliminating the y_i leaves one unit lower
// triangular system for the z_j that are fed by reads. Decays of the value axis are a gauge: values are kept relative
// to the middle of the chunk.
#include "passes/Expand/Forms.h"
#include "passes/Expand/KeyFrames.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;

namespace {

class MatrixForm : public StratumForm {
public:
  MatrixForm(Batch &batch, const AffineState &form, const Stratum &stratum, ArrayRef<Value> states, FormPart part)
      : batch(batch), e(batch.e), form(form), stratum(stratum), states(states.begin(), states.end()), part(part),
        level(&stratum - form.strata.data()) {}

  void run() override {
    for (unsigned state : stratum.states) {
      addState(state);
    }
    for (unsigned state : stratum.states) {
      KeyFrames &keyFrames = frames.try_emplace(state, batch, form, state).first->second;
      keyFrames.emit(earlyReads(state));
      initial[state] = keyFrames.enter(initial[state]);
    }
    solve();
    for (Write &write : writes) {
      write.solved = write.solved ? write.solved : write.known.constant;
    }
  }

  Value emitRead(unsigned index) override {
    const StateRead &read = form.reads[index];
    KeyFrames &keyFrames = frames.at(read.state);
    if (isLate(read)) { // its key has become known
      keyFrames.emit({index});
    }
    Value y = knownPart(index);
    for (Write &write : writes) {
      if (write.state == read.state && write.isCorrected()) {
        y = e.dot(keyFrames.score(index, write.event), write.solved, y);
      }
    }
    const ValueFrame &frame = valueFrames[read.state];
    if (!frame.at.empty()) {
      y = e.mul(y, batch.exp(frame.at[read.position]));
    }
    for (auto [i, step] : llvm::enumerate(read.branch)) {
      if (isValueDecay(step)) {
        e.checkBound(step, batch.get(step.factor));
        y = e.mul(y, batch.exp(batch.get(step.factor)));
      } else if (step.kind == StateStep::Kind::write) {
        y = e.add(y, batch.scaleRows(batch.get(step.value), peekScore(read, i)));
      }
    }
    return y;
  }

  Value emitFinal(unsigned index) override {
    KeyFrames &keyFrames = frames.at(index);
    Value state = keyFrames.decayInitial(initial[index]);
    for (Write &write : writes) {
      if (write.state == index) {
        state = keyFrames.addWrite(state, write.event, write.solved);
      }
    }
    return gauge(keyFrames.leave(state), valueFrames[index].end, /*inverse=*/false);
  }

private:
  /// constant + sum of coefficient * read, for all tokens: [C, V], [C]; null is zero.
  struct Affine {
    Value constant;
    llvm::MapVector<unsigned, Value> reads;
  };

  struct Write {
    unsigned state = 0, event = 0; // which event of the state's path
    Affine known;
    Value solved;
    bool isCorrected() const { return !known.reads.empty(); }
  };

  // ---- values that are affine in reads of this stratum

  Value sum(Value x, Value y) { return !x ? y : !y ? x : e.add(x, y); }

  Affine combine(const Affine &x, const Affine &y) {
    Affine result = x;
    result.constant = sum(x.constant, y.constant);
    for (auto &[read, coefficient] : y.reads) {
      result.reads[read] = sum(result.reads.lookup(read), coefficient);
    }
    return result;
  }

  Affine scale(const Affine &x, Value numbers) {
    Affine result;
    result.constant = x.constant ? batch.scaleRows(x.constant, numbers) : Value();
    for (auto &[read, coefficient] : x.reads) {
      result.reads[read] = e.mul(coefficient, numbers);
    }
    return result;
  }

  /// What is missing on one side is zero.
  Value choose(Value condition, Value x, Value y) {
    Value known = x ? x : y;
    if (!known) {
      return known;
    }
    Value zero = e.constant(0.0, known.getType());
    return batch.choose(condition, x ? x : zero, y ? y : zero);
  }

  Affine choose(Value condition, const Affine &x, const Affine &y) {
    Affine result;
    result.constant = choose(condition, x.constant, y.constant);
    for (const Affine *side : {&x, &y}) {
      for (auto &[read, coefficient] : side->reads) {
        result.reads[read] = choose(condition, x.reads.lookup(read), y.reads.lookup(read));
      }
    }
    return result;
  }

  Value ones() { return e.constant(1.0, RankedTensorType::get({batch.tokens}, elementType())); }
  Type elementType() { return form.states[stratum.states.front()].type.getElementType(); }

  /// The analysis has made sure that there is such a form. Each value is looked at once.
  Affine affineOf(Value value) {
    auto known = affines.find(value);
    if (known != affines.end()) {
      return known->second;
    }
    Affine found = findAffine(value);
    affines.try_emplace(value, found);
    return found;
  }

  Affine findAffine(Value value) {
    if (!form.dependsOn(value, level)) {
      return {part == FormPart::all ? batch.get(value) : Value(), {}};
    }
    if (std::optional<unsigned> read = form.findRead(value)) {
      return affineOfRead(*read);
    }
    Operation *op = value.getDefiningOp();
    return llvm::TypeSwitch<Operation *, Affine>(op)
        .Case([&](arith::AddFOp add) { return combine(affineOf(add.getLhs()), affineOf(add.getRhs())); })
        .Case([&](arith::SubFOp sub) { return combine(affineOf(sub.getLhs()), negate(affineOf(sub.getRhs()))); })
        .Case([&](arith::NegFOp neg) { return negate(affineOf(neg.getOperand())); })
        .Case([&](arith::MulFOp mul) {
          bool left = form.dependsOn(mul.getLhs(), level);
          return scale(affineOf(left ? mul.getLhs() : mul.getRhs()),
                       batch.getNumber(left ? mul.getRhs() : mul.getLhs()));
        })
        .Case([&](arith::DivFOp div) {
          Value inverse = arith::DivFOp::create(e.b, e.loc, ones(), batch.getNumber(div.getRhs()));
          return scale(affineOf(div.getLhs()), inverse);
        })
        .Case([&](arith::SelectOp select) {
          return choose(batch.getNumber(select.getCondition()), affineOf(select.getTrueValue()),
                        affineOf(select.getFalseValue()));
        })
        .Default([](Operation *) -> Affine { llvm_unreachable("not affine"); });
  }

  Affine negate(const Affine &x) {
    auto neg = [&](Value v) { return arith::NegFOp::create(e.b, e.loc, v).getResult(); };
    Affine result;
    result.constant = x.constant ? neg(x.constant) : Value();
    for (auto &[read, coefficient] : x.reads) {
      result.reads[read] = neg(coefficient);
    }
    return result;
  }

  /// A read of the carried state, and of what only this read sees.
  Affine affineOfRead(unsigned index) {
    Affine result;
    result.reads[index] = ones();
    const StateRead &read = form.reads[index];
    for (auto [i, step] : llvm::enumerate(read.branch)) {
      if (step.kind == StateStep::Kind::write) {
        result = combine(result, scale(affineOf(step.value), peekScore(read, i)));
      }
    }
    return result;
  }

  /// [C]: what a read sees of the value of write `event` of its branch.
  Value peekScore(const StateRead &read, unsigned event) {
    const StateStep &write = read.branch[event];
    Value score;
    for (unsigned axis = 0; axis < write.keys.size(); ++axis) {
      Value key = batch.get(write.keys[axis]);
      for (const StateStep &step : ArrayRef<StateStep>(read.branch).drop_front(event + 1)) {
        key = frames::push(batch, key, step, axis);
      }
      Value dot = e.sum(e.mul(batch.get(read.step.keys[axis]), key), 1);
      score = score ? e.mul(score, dot) : dot;
    }
    auto times = [&](Value numbers) { score = score ? e.mul(score, numbers) : numbers; };
    if (write.scale) {
      times(batch.get(write.scale));
    }
    for (const StateStep &step : ArrayRef<StateStep>(read.branch).drop_front(event + 1)) {
      if (step.kind == StateStep::Kind::decay && step.axis == StateStep::Axis::all) {
        times(batch.exp(batch.get(step.factor)));
      }
    }
    return score ? score : ones();
  }

  // ---- the value axis

  static bool isValueDecay(const StateStep &step) {
    return step.kind == StateStep::Kind::decay && step.axis == StateStep::Axis::value;
  }

  /// Sums of logarithms [C, V] relative to the middle of the chunk, before each event of the path and after the last;
  /// empty if nothing decays the value axis.
  struct ValueFrame {
    SmallVector<Value> at;
    Value start, end; // [V]: from the start to the middle, from the middle to the end
  };

  ValueFrame makeValueFrame(const CarriedState &state) {
    ValueFrame frame;
    Value total;
    for (const StateStep &step : state.path) {
      if (isValueDecay(step)) {
        e.checkBound(step, batch.get(step.factor));
        total = sum(total, frames::clampedLog(batch, step));
      }
    }
    if (!total) {
      return frame;
    }
    int64_t columns = state.type.getValue();
    Type row = TileEmitter::tileType({columns}, elementType());
    Value before = tile::CumsumOp::create(e.b, e.loc, total.getType(), total, /*exclusive=*/true, batch.tokens);
    Value middle = e.slice(before, row, {e.index(batch.tokens / 2), e.index(0)});
    Value current = e.sub(before, e.broadcast(middle, before.getType(), 1));
    frame.at.push_back(current);
    for (const StateStep &step : state.path) {
      current = isValueDecay(step) ? e.add(current, frames::clampedLog(batch, step)) : current;
      frame.at.push_back(current);
    }
    frame.start = middle;
    frame.end = e.slice(current, row, {e.index(batch.tokens - 1), e.index(0)});
    return frame;
  }

  Value gauge(Value x, Value log, bool inverse) {
    if (!log) {
      return x;
    }
    Value power = inverse ? arith::NegFOp::create(e.b, e.loc, log).getResult() : log;
    Value factor = batch.exp(power);
    return e.mul(x, e.broadcast(factor, x.getType(), 1));
  }

  // ---- the system

  void addState(unsigned index) {
    const CarriedState &state = form.states[index];
    ValueFrame &frame = valueFrames[index] = makeValueFrame(state);
    initial[index] = gauge(states[index], frame.start, /*inverse=*/false);
    for (auto [i, step] : llvm::enumerate(state.path)) {
      if (step.kind != StateStep::Kind::write) {
        continue;
      }
      Write write{index, static_cast<unsigned>(i), affineOf(step.value), Value()};
      if (part == FormPart::linear && !write.isCorrected()) {
        continue;
      }
      if (step.scale) {
        write.known = scale(write.known, batch.get(step.scale));
      }
      if (!frame.at.empty() && write.known.constant) {
        write.known.constant = gauge(write.known.constant, frame.at[i], /*inverse=*/true);
      }
      if (!write.known.constant) {
        Type type = batch.rows(state.type.getValue(), elementType());
        write.known.constant = e.constant(0.0, type);
      }
      writes.push_back(write);
    }
  }

  /// Reads whose keys do not depend on this stratum.
  SmallVector<unsigned> earlyReads(unsigned state) {
    SmallVector<unsigned> result;
    for (auto [i, read] : llvm::enumerate(form.reads)) {
      if (read.state == state && !isLate(read)) {
        result.push_back(i);
      }
    }
    return result;
  }

  bool isLate(const StateRead &read) {
    auto depends = [&](Value value) {
      return value && !isa<StateType>(value.getType()) && form.dependsOn(value, level);
    };
    return llvm::any_of(read.step.keys, depends) || llvm::any_of(read.branch, [&](const StateStep &step) {
             return step.isTransition() && depends(step.factor);
           });
  }

  /// What a read sees before the system is solved: of the initial state, and of writes that are known.
  Value knownPart(unsigned read) {
    Value &known = knownParts[read];
    if (known) {
      return known;
    }
    unsigned state = form.reads[read].state;
    KeyFrames &keyFrames = frames.at(state);
    known = keyFrames.readInitial(read, initial[state]);
    for (Write &write : writes) {
      if (write.state == state && !write.isCorrected()) {
        known = e.dot(keyFrames.score(read, write.event), write.known.constant, known);
      }
    }
    return known;
  }

  Operation *opOf(const Write &write) { return form.states[write.state].path[write.event].op; }

  void solve() {
    SmallVector<Write *> unknowns;
    for (Write &write : writes) {
      if (write.isCorrected()) {
        unknowns.push_back(&write);
      }
    }
    // Within a token a value may need what was written before it, to any state.
    llvm::sort(unknowns, [&](const Write *a, const Write *b) { return opOf(*a)->isBeforeInBlock(opOf(*b)); });
    int64_t count = unknowns.size(), rows = batch.tokens;
    if (count == 0) {
      return;
    }
    int64_t columns = form.states[stratum.states.front()].type.getValue();
    Type square = RankedTensorType::get({rows, rows}, elementType());
    Value lower = e.constant(0.0, RankedTensorType::get({count * rows, count * rows}, elementType()));
    Value rhs = e.constant(0.0, RankedTensorType::get({count * rows, columns}, elementType()));
    for (auto [i, row] : llvm::enumerate(unknowns)) {
      Value right = row->known.constant;
      SmallVector<Value> blocks(count);
      for (auto &[read, coefficient] : row->known.reads) {
        right = e.add(right, batch.scaleRows(knownPart(read), coefficient));
        for (auto [j, column] : llvm::enumerate(unknowns)) {
          if (column->state == form.reads[read].state) {
            Value score = frames.at(column->state).score(read, column->event);
            Value negative = arith::NegFOp::create(e.b, e.loc, e.mul(score, e.broadcast(coefficient, square, 0)));
            blocks[j] = sum(blocks[j], negative);
          }
        }
      }
      rhs = count == 1 ? right : e.insert(right, rhs, {e.index(i * rows), e.index(0)});
      for (auto [j, block] : llvm::enumerate(blocks)) {
        if (block) {
          lower = count == 1 ? block : e.insert(block, lower, {e.index(i * rows), e.index(j * rows)});
        }
      }
    }
    Value solution = tile::SolveUnitLowerOp::create(e.b, e.loc, rhs.getType(), lower, rhs, count);
    for (auto [i, write] : llvm::enumerate(unknowns)) {
      write->solved = e.slice(solution, batch.rows(columns, elementType()), {e.index(i * rows), e.index(0)});
    }
  }

  Batch &batch;
  TileEmitter &e;
  const AffineState &form;
  const Stratum &stratum;
  SmallVector<Value> states;
  FormPart part;
  unsigned level;
  std::map<unsigned, KeyFrames> frames;
  std::map<unsigned, ValueFrame> valueFrames;
  llvm::DenseMap<unsigned, Value> initial, knownParts;
  llvm::DenseMap<Value, Affine> affines;
  std::vector<Write> writes;
};

} // namespace

std::unique_ptr<StratumForm> rwkv::createMatrixForm(Batch &batch, const AffineState &form, const Stratum &stratum,
                                                    ArrayRef<Value> states, FormPart part) {
  return std::make_unique<MatrixForm>(batch, form, stratum, states, part);
}
