// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/passes/Form.h"

#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::test;

static std::string getText(const std::string &ops, const States &states) {
  std::string args, inits, types, yields, yieldTypes;
  for (const State &state : states) {
    const std::string type = "tensor<?x2x" + state.sizes + "xf32>", comma = inits.empty() ? "" : ", ";
    args += ", %in_" + state.name + ": " + type;
    inits += comma + "%" + state.name + " = %in_" + state.name + " : " + type;
    types += comma + type;
    yields += comma + "%" + state.name + "n";
    yieldTypes += comma + (state.sizes == "4x4" ? "!S" : "!rwkv.state<|" + state.sizes + "xf32>");
  }
  return R"(
!x = tensor<?x?x2x4xf32>
!v = tensor<4xf32>
!m = tensor<4x4xf32>
!S = !rwkv.state<4|4xf32>
!V = !rwkv.state<|4xf32>
!N = !rwkv.state<|1xf32>
func.func @f(%in: !x, %in_num: tensor<?x?x2xf32>, %in_each: tensor<?x?x2x4x4xf32>, %in_two: tensor<?x?x2x2x2x2xf32>,
             %in_one: tensor<?x?x2x1x4x4xf32>)" +
         args + ") {\n%after:" + std::to_string(states.size()) + R"( = rwkv.recurrence
    over(%q = %in : !x, %k = %in : !x, %v = %in : !x, %g = %in : !x, %c = %in_num : tensor<?x?x2xf32>,
         %E = %in_each : tensor<?x?x2x4x4xf32>, %R = %in_two : tensor<?x?x2x2x2x2xf32>,
         %Q = %in_one : tensor<?x?x2x1x4x4xf32>)
    init()" +
         inits + ") -> (" + types + ") {\n" + ops + "\nrwkv.yield " + yields + " : " + yieldTypes + "\n}\nreturn\n}\n";
}

Form::Form(const std::string &ops, const States &states, void (*load)(MLIRContext &)) {
  context.loadDialect<RwkvDialect, arith::ArithDialect, math::MathDialect, func::FuncDialect>();
  if (load) {
    load(context);
  }
  const std::string text = getText(ops, states);
  module = parseSourceString<ModuleOp>(text, &context);
  if (!module) {
    llvm::report_fatal_error(StringRef("a test's text is not valid:\n" + text));
  }
  module->walk([&](RecurrenceOp op) { recurrence = op; });
  analysis.emplace(recurrence);
}

Operation *Form::find(StringRef attribute) {
  Operation *found = nullptr;
  module->walk([&](Operation *op) { found = op->hasAttr(attribute) ? op : found; });
  return found;
}

FormKind Form::getForm(unsigned stratum, ScheduleKind kind) const {
  return analysis->getForm(analysis->strata[stratum], kind);
}

std::vector<std::vector<unsigned>> Form::getStrata() const {
  std::vector<std::vector<unsigned>> result;
  for (const Stratum &stratum : analysis->strata) {
    result.emplace_back(stratum.states.begin(), stratum.states.end());
  }
  return result;
}

std::string rwkv::test::kindsOf(ArrayRef<StateStep> steps) {
  static const char *names[] = {"read", "write", "decay", "transform", "maximum", "overwrite", "count", "hold"};
  return llvm::join(llvm::map_range(steps, [](const StateStep &s) { return names[static_cast<int>(s.kind)]; }), " ");
}
