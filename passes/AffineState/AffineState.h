// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a token region does, as mathematics: the normal form from which the parallel forms are derived, or the reason
// why there is none. A pure library: it reads a region and builds nothing.
//
// Between its events a state is S = G (S0 + sum_j G_j^-1 b_j z_j) E: G collects the transitions on key axes, E those on
// the value axis, b_j and z_j are keys and values of earlier writes. A read <a, S> is therefore linear in S0 and in all
// z_j before it, and where every z_j is affine in reads with coefficients that do not depend on the state, C tokens are
// one unit lower triangular system. What must hold for that:
//
//   L1  straight line: no state is overwritten
//   L2  keys, decays, transforms and scales of a state do not depend on reads of states that depend on it
//   L3  values written are affine in such reads, with coefficients equal along the value axis
//   L4  nothing is scaled along the value axis between a read and the write that it feeds
//   L5  transitions act along an axis (a decay of each element on its own has no matrix form)
//
// States that depend on each other form a *stratum*; strata are ordered, and what is read from a lower one is an input
// like any other. Reads that feed only outputs are exempt from all of this, and so are reads of a *held* state, which
// takes another's place every b tokens: chunks that divide b see it as a constant.
#ifndef RWKV_PASSES_AFFINESTATE_AFFINESTATE_H
#define RWKV_PASSES_AFFINESTATE_AFFINESTATE_H

#include "dialect/Rwkv/RwkvDialect.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/DenseMap.h"

#include <map>
#include <vector>

namespace rwkv {

/// A decay by e^-40 = 4e-18 or less forgets; more of it changes no result.
constexpr double kHardForget = -40.0;
/// Natural logarithms of factors that are formed on their own stay within this: e^85 is below the largest f32.
constexpr double kLargestExponent = 85.0;

/// The largest size of the logarithm of a decay per token that a form must allow for.
double getLargestLog(const StateStep &decay);

/// Why a form does not exist: the op that is in the way, the rule (L1 .. L5), and a sentence.
struct Refusal {
  mlir::Operation *op = nullptr;
  llvm::StringRef rule;
  std::string reason;
};

/// One read of a state.
struct StateRead {
  StateStep step;
  unsigned state = 0;
  /// How many events of the state's path come before it in its token.
  unsigned position = 0;
  /// Events behind that which only this read sees: a peek.
  std::vector<StateStep> branch;
  /// Whether a write of its own stratum depends on it.
  bool corrects = false;
};

/// One state: the events of a token that are carried on, in order.
struct CarriedState {
  mlir::BlockArgument arg;
  StateType type;
  std::vector<StateStep> path;
  unsigned stratum = 0;

  /// Whether something happens to a key axis in every token, and all of it keeps lengths: what it all comes to is
  /// inverted by transposing it.
  bool isTurned(unsigned axis) const;
};

/// In which form C tokens of a stratum run at once.
enum class FormKind { none, matrix, elementwise, held };

/// States that depend on each other, in the order of their evaluation.
struct Stratum {
  llvm::SmallVector<unsigned> states;
  /// One state that is the same for all tokens of a chunk, or a counter of tokens.
  bool isHeld = false;
  /// Why its matrix form or its elementwise form does not exist; null op where it does.
  Refusal matrix, elementwise;

  bool hasMatrixForm() const { return !matrix.op; }
  bool hasElementwiseForm() const { return !elementwise.op; }
};

class AffineState {
public:
  /// The longest chunk that anything is laid out for.
  static constexpr int64_t kMostTokens = 1024;
  /// The most tasks that sequences are cut for.
  static constexpr int64_t kMostTasks = 65536;

  explicit AffineState(RecurrenceOp recurrence);

  std::vector<CarriedState> states;
  std::vector<StateRead> reads;
  /// Lower strata come first.
  std::vector<Stratum> strata;

  /// Why the whole region has no chunk form, or no scan; null op where it has.
  const Refusal &getRefusal(ScheduleKind kind) const;
  bool isLegal(ScheduleKind kind) const { return !getRefusal(kind).op; }
  FormKind getForm(const Stratum &stratum, ScheduleKind kind) const;
  /// How many tokens a chunk can have at most: a decayed value axis is a gauge, whose exponents must stay
  /// representable.
  int64_t getChunkLimit(ScheduleKind kind) const;
  /// What the length of a chunk must divide, so that no state is held anew in the middle of one; 0 if nothing is.
  int64_t getPeriod() const;
  /// Why what a chunk does to the states is not one matrix for all their columns and something added; empty if it is.
  std::string whyNotCut() const;
  /// The longest chunk of at most so many tokens that both permit; at least one token.
  int64_t fitChunk(ScheduleKind kind, int64_t tokens) const;

  /// The read that gives `value`, if any.
  std::optional<unsigned> findRead(mlir::Value value) const;
  /// Whether `value` depends on a read of `stratum` or of a higher one.
  bool dependsOn(mlir::Value value, unsigned stratum) const;
  /// Whether all elements of `value` are known to be equal: it is a number.
  static bool isUniform(mlir::Value value);

private:
  /// How a value depends on one read.
  struct Dependence {
    llvm::BitVector coefficients;   // reads that its coefficient depends on
    mlir::Operation *bad = nullptr; // where it first stopped to be affine with uniform coefficients
    llvm::StringRef why;
  };
  using Dependences = std::map<unsigned, Dependence>; // by read, in the order of the region

  void collectPaths(RecurrenceOp recurrence);
  void interpret(RecurrenceOp recurrence);
  void interpretRead(unsigned read);
  void interpretOp(mlir::Operation *op);
  Dependence &addRead(Dependences &to, unsigned read) const;
  void addLinear(Dependences &to, mlir::Value from, mlir::ValueRange coefficients);
  void addBad(Dependences &to, mlir::Value from, mlir::Operation *op, llvm::StringRef why);
  llvm::BitVector readsOf(mlir::Value value) const;
  void findStrata();
  void checkMatrix(Stratum &stratum);
  void checkElementwise(Stratum &stratum);
  void checkHeld(Stratum &stratum);
  void summarise();
  std::optional<unsigned> ownRead(mlir::Value value, const Stratum &stratum) const;

  llvm::DenseMap<mlir::Value, Dependences> dependences;
  llvm::DenseMap<mlir::Value, unsigned> readOf;
  Refusal chunk, scan, none;
};

} // namespace rwkv

#endif // RWKV_PASSES_AFFINESTATE_AFFINESTATE_H
