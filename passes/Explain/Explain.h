// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the compiler understood of a recurrence, for people: in words, and as a picture.
#ifndef RWKV_PASSES_EXPLAIN_EXPLAIN_H
#define RWKV_PASSES_EXPLAIN_EXPLAIN_H

#include "passes/Cost/Cost.h"
#include "llvm/Support/raw_ostream.h"

namespace rwkv {

/// Gives the line of source that a location names, trimmed; empty if there is none.
using SourceLine = llvm::function_ref<std::string(mlir::Location)>;

/// States, their events and reads, strata, bounds, the legality of every schedule, the chosen one and its predicted
/// cost.
void explainText(llvm::raw_ostream &os, RecurrenceOp recurrence, TargetAttr target, SourceLine sourceLine);

/// The same as an SVG: states as lanes from top to bottom, events on them, what is read and where it goes, schedules
/// below.
void explainPicture(llvm::raw_ostream &os, RecurrenceOp recurrence, TargetAttr target, SourceLine sourceLine);

} // namespace rwkv

#endif // RWKV_PASSES_EXPLAIN_EXPLAIN_H
