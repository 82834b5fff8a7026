// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What one op of a token region does to a state, in the terms that analyses and expansions are written in.
#ifndef RWKV_DIALECT_INTERFACES_STATESTEP_H
#define RWKV_DIALECT_INTERFACES_STATESTEP_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>

namespace rwkv {

/// One access to a state S [K.., V] (section 2.1 of the derivation: every exact recurrence is a line of these).
struct StateStep {
  enum class Kind {
    read,      // y = <keys, S>
    write,     // S + scale * keys (x) value
    decay,     // S * e^factor along `axis`
    transform, // blocks of `factor` [n, p, p] times key axis `key`
    maximum,   // max(S + factor, value), elementwise
    overwrite, // value
    count,     // S + 1 modulo `period`
    hold,      // `source` where `counter` is 0, else S
  };
  enum class Axis { key, value, all, each };

  Kind kind = Kind::read;
  mlir::Operation *op = nullptr;
  mlir::Value state;                              // before
  mlir::Value result;                             // after; of a read, what is read
  llvm::SmallVector<mlir::Value, 2> keys;         // read, write: one per key axis
  mlir::Value value;                              // write, maximum, overwrite
  mlir::Value scale;                              // write: may be null
  mlir::Value factor;                             // decay: natural logarithm; transform: blocks; maximum: what is added
  Axis axis = Axis::all;                          // decay, transform
  mlir::Value source, counter;                    // hold: states
  int64_t period = 0;                             // count: in tokens
  unsigned key = 0;                               // which key axis, if `axis` is one
  std::optional<std::pair<double, double>> bound; // of `factor`; checked when the code runs unless it is certified
  bool isCertified = false;
  bool isIsometric = false; // transform: its blocks' transposes are their inverses; checked when the code runs

  /// Whether it gives a state.
  bool changesState() const { return kind != Kind::read; }
  /// Whether it multiplies what the state holds along a key axis, along all elements with one number, or along `value`.
  bool isTransition() const { return kind == Kind::decay || kind == Kind::transform; }
};

} // namespace rwkv

#endif // RWKV_DIALECT_INTERFACES_STATESTEP_H
