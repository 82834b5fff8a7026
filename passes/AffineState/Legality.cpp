// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The rules that keep a stratum from a form: what is in the way, and why.
#include "passes/AffineState/AffineState.h"

using namespace mlir;
using namespace rwkv;

static StringRef describeOperand(const StateStep &step, Value operand) {
  if (llvm::is_contained(step.keys, operand)) {
    return "the key";
  }
  if (operand == step.scale) {
    return "the scale";
  }
  return step.kind == StateStep::Kind::transform ? "the matrix" : "the logarithm";
}

static bool isPeriodic(const StateStep &step) {
  return step.kind == StateStep::Kind::count || step.kind == StateStep::Kind::hold;
}

/// A state that is taken from another one at some tokens is constant between them.
void AffineState::checkHeld(Stratum &stratum) {
  auto isHeld = [&](unsigned index) { return llvm::any_of(states[index].path, isPeriodic); };
  auto held = llvm::find_if(stratum.states, isHeld);
  if (held == stratum.states.end()) {
    return;
  }
  const CarriedState &state = states[*held];
  auto periodic = llvm::find_if(state.path, isPeriodic);
  auto refuse = [&](Operation *op, const Twine &reason) {
    stratum.matrix = stratum.elementwise = {op, "L1", reason.str()};
  };
  // So it is where others need it and it needs them: what holds or counts depends on no read.
  if (state.path.size() > 1) {
    Operation *other = state.path[periodic == state.path.begin() ? 1 : 0].op;
    return refuse(other, "it changes a state that counts tokens or is held from one token to the next");
  }
  refuse(periodic->op, "it has no other form than that of what it holds");
  for (const StateRead &read : reads) {
    if (states[read.state].arg == state.arg && !read.branch.empty()) {
      return refuse(read.branch.front().op, "a read sees a held state changed");
    }
  }
  if (periodic->kind == StateStep::Kind::hold) {
    auto counter = llvm::find_if(states, [&](const CarriedState &s) { return s.arg == periodic->counter; });
    if (counter == states.end() || counter->path.size() != 1 || counter->path.front().kind != StateStep::Kind::count) {
      return refuse(periodic->op, "it is not known at which tokens the state is held: its counter is not the state "
                                  "before the token, or does not count tokens");
    }
    if (!isa<BlockArgument>(periodic->source)) {
      return refuse(periodic->op, "what it holds is not a state as it was before the token");
    }
    for (const StateRead &read : reads) {
      if (states[read.state].arg == state.arg && read.position == 0) {
        return refuse(read.step.op, "it reads what was held before this token");
      }
    }
  }
  stratum.isHeld = true;
}

void AffineState::checkMatrix(Stratum &stratum) {
  auto refuse = [&](Operation *op, StringRef rule, const Twine &reason) {
    if (!stratum.matrix.op) {
      stratum.matrix = {op, rule, reason.str()};
    }
  };
  auto refuseBranch = [&](const StateStep &step) {
    bool elementwise = step.kind == StateStep::Kind::maximum || step.axis == StateStep::Axis::each;
    if (elementwise && step.kind != StateStep::Kind::write) {
      refuse(step.op, "L5", "a read sees each element changed on its own: there is no matrix form");
    } else if (step.kind == StateStep::Kind::overwrite || isPeriodic(step)) {
      refuse(step.op, "L1", "a read sees an overwritten state");
    }
  };
  for (const StateRead &read : reads) {
    if (llvm::is_contained(stratum.states, read.state)) {
      llvm::for_each(read.branch, refuseBranch);
    }
  }
  for (unsigned index : stratum.states) {
    const CarriedState &state = states[index];
    llvm::SmallDenseMap<unsigned, int64_t> blocks;
    for (auto [position, step] : llvm::enumerate(state.path)) {
      if (step.kind == StateStep::Kind::overwrite) {
        refuse(step.op, "L1", "it overwrites the state, which is then no longer affine in its past");
        continue;
      }
      if (step.kind == StateStep::Kind::maximum) {
        refuse(step.op, "L5", "a maximum acts on each element on its own: there is no matrix form");
        continue;
      }
      if (step.kind == StateStep::Kind::decay && step.axis == StateStep::Axis::each) {
        refuse(step.op, "L5", "it decays each element on its own: there is no matrix form");
        continue;
      }
      if (step.kind == StateStep::Kind::transform) {
        int64_t size = cast<RankedTensorType>(step.factor.getType()).getDimSize(1);
        if (blocks.try_emplace(step.key, size).first->second != size) {
          refuse(step.op, "L5", "blocks of another size on the same axis: they do not fold into one transition");
        }
      }
      for (Value operand : step.op->getOperands()) {
        bool isValue =
            step.kind == StateStep::Kind::write && operand == step.value && !llvm::is_contained(step.keys, operand);
        if (isa<StateType>(operand.getType()) || isValue) {
          continue;
        }
        if (std::optional<unsigned> read = ownRead(operand, stratum)) {
          refuse(step.op, "L2",
                 describeOperand(step, operand) +
                     " depends on what this token reads from the state, so the transition is not known "
                     "before the state is");
        }
      }
      if (step.kind != StateStep::Kind::write) {
        continue;
      }
      auto it = dependences.find(step.value);
      if (it == dependences.end()) {
        continue;
      }
      for (const auto &[read, dependence] : it->second) {
        if (!llvm::is_contained(stratum.states, reads[read].state)) {
          continue;
        }
        reads[read].corrects = true;
        if (dependence.bad) {
          std::string why = dependence.why.empty()
                                ? "what is read goes through '" + dependence.bad->getName().getStringRef().str() + "'"
                                : "what is read is not used as it is: " + dependence.why.str();
          refuse(dependence.bad, "L3",
                 why + ", so the value written is not affine in it with one coefficient for the "
                       "whole value axis");
          continue;
        }
        for (unsigned factor : dependence.coefficients.set_bits()) {
          if (llvm::is_contained(stratum.states, reads[factor].state)) {
            refuse(step.op, "L3", "the coefficient of what is read depends on the state itself");
          }
        }
        // The value frames of read and write must be one.
        const CarriedState &source = states[reads[read].state];
        bool same = reads[read].state == index;
        unsigned from = same ? reads[read].position : 0, to = same ? position : source.path.size();
        auto isValueDecay = [](const StateStep &s) {
          return s.kind == StateStep::Kind::decay && s.axis == StateStep::Axis::value;
        };
        SmallVector<const StateStep *> between;
        auto collect = [&](ArrayRef<StateStep> steps) {
          for (const StateStep &s : steps) {
            if (isValueDecay(s)) {
              between.push_back(&s);
            }
          }
        };
        collect(ArrayRef<StateStep>(source.path).slice(from, to > from ? to - from : 0));
        collect(reads[read].branch);
        if (!same) {
          collect(state.path);
        }
        if (!between.empty()) {
          refuse(between.front()->op, "L4", "the value axis is scaled between a read and the write that it feeds");
        }
      }
    }
  }
}

void AffineState::checkElementwise(Stratum &stratum) {
  auto refuse = [&](Operation *op, StringRef rule, const Twine &reason) {
    if (!stratum.elementwise.op) {
      stratum.elementwise = {op, rule, reason.str()};
    }
  };
  auto isMaximum = [](const StateStep &step) { return step.kind == StateStep::Kind::maximum; };
  auto isRaised = [&](unsigned state) { return llvm::any_of(states[state].path, isMaximum); };
  for (const StateRead &read : reads) {
    // Its operands may depend on anything: the states of all tokens are known before what only a read sees.
    for (const StateStep &step : read.branch) {
      if (!llvm::is_contained(stratum.states, read.state)) {
        break;
      }
      if (step.kind == StateStep::Kind::overwrite || isPeriodic(step)) {
        refuse(step.op, "L1", "a read sees an overwritten state");
      } else if (step.kind == StateStep::Kind::transform) {
        refuse(step.op, "L5", "a read sees the elements of a state mixed");
      } else if (isMaximum(step) && !isRaised(read.state)) {
        refuse(step.op, "L5", "a read sees a state raised that nothing else raises");
      } else if (!isMaximum(step) && isRaised(read.state)) {
        refuse(step.op, "L5", "a read sees a state changed that is also raised by a maximum");
      }
    }
  }
  for (unsigned index : stratum.states) {
    for (const StateStep &step : states[index].path) {
      if (step.kind == StateStep::Kind::overwrite) {
        refuse(step.op, "L1", "it overwrites the state, which is then no longer affine in its past");
      } else if (step.kind == StateStep::Kind::transform) {
        refuse(step.op, "L5", "it mixes the elements of a state");
      } else if (isRaised(index) && !isMaximum(step)) {
        refuse(step.op, "L5", "the state is also raised by a maximum");
      }
      for (Value operand : step.op->getOperands()) {
        if (!isa<StateType>(operand.getType()) && ownRead(operand, stratum)) {
          refuse(step.op, "L2",
                 "it depends on what this token reads from the state, so elements do not run on their own");
        }
      }
    }
  }
}
