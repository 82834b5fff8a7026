// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the text of a token region to its analysis.
#ifndef RWKV_TEST_UNIT_PASSES_FORM_H
#define RWKV_TEST_UNIT_PASSES_FORM_H

#include "passes/AffineState/AffineState.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace rwkv::test {

/// A state: its name, and its sizes per head. What it is after the token is called `%<name>n`.
struct State {
  std::string name, sizes = "4x4";
};
using States = std::vector<State>;

/// A token region and what is known of it. Its arguments: q, k, v, g vectors, c a number, E a matrix, R two 2 x 2
/// blocks, Q one 4 x 4 block. Ops are found by unit attributes. Ends the test program if the text is not valid.
class Form {
public:
  explicit Form(const std::string &ops, const States &states = {{"S"}}, void (*load)(mlir::MLIRContext &) = nullptr);

  const AffineState *operator->() const { return &*analysis; }
  mlir::Operation *find(llvm::StringRef attribute);
  mlir::Value valueOf(llvm::StringRef attribute) { return find(attribute)->getResult(0); }
  FormKind getForm(unsigned stratum, ScheduleKind kind) const;
  /// The states of each stratum.
  std::vector<std::vector<unsigned>> getStrata() const;

  RecurrenceOp recurrence;

private:
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::optional<AffineState> analysis;
};

/// The kinds of steps, in words.
std::string kindsOf(llvm::ArrayRef<StateStep> steps);

} // namespace rwkv::test

#endif // RWKV_TEST_UNIT_PASSES_FORM_H
