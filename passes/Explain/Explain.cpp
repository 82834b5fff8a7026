// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Explain/Explain.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace rwkv;

namespace {

class TextWriter {
public:
  TextWriter(raw_ostream &os, RecurrenceOp recurrence, TargetAttr target, SourceLine sourceLine)
      : os(os), recurrence(recurrence), target(target), form(recurrence), sourceLine(sourceLine) {}

  void write() {
    os << locationOf(recurrence->getLoc()) << "recurrence with " << count(form.states.size(), "state") << ", "
       << count(form.reads.size(), "read") << "\n";
    for (auto [i, state] : llvm::enumerate(form.states)) {
      writeState(i, state);
    }
    if (form.strata.size() > 1) {
      os << "\norder: ";
      llvm::interleave(
          form.strata, os,
          [&](const Stratum &stratum) {
            llvm::interleave(stratum.states, os, [&](unsigned state) { os << "S" << state; }, " with ");
          },
          ", then ");
      os << "; what is read from an earlier one is an input of the later ones\n";
    }
    writeForms();
    writeSchedules();
  }

private:
  static std::string count(size_t n, StringRef what) {
    return std::to_string(n) + " " + what.str() + (n == 1 ? "" : "s");
  }

  static std::string locationOf(Location loc) {
    if (auto file = loc->findInstanceOf<FileLineColLoc>()) {
      return llvm::formatv("{0}:{1}:{2}: ", file.getFilename().getValue(), file.getLine(), file.getColumn()).str();
    }
    return "";
  }

  static std::string sizeOf(int64_t size) { return ShapedType::isDynamic(size) ? "?" : std::to_string(size); }

  void writeState(unsigned index, const CarriedState &state) {
    os << "\nstate S" << index << " [";
    for (auto [axis, size] : llvm::enumerate(state.type.getKeys())) {
      os << "key" << axis << " = " << sizeOf(size) << ", ";
    }
    os << "value = " << sizeOf(state.type.getValue()) << "]\n";
    writeReads(index, 0);
    for (auto [i, step] : llvm::enumerate(state.path)) {
      writeEvent(std::to_string(i + 1), describe(step), step.op);
      writeReads(index, i + 1);
    }
    if (state.path.empty()) {
      os << "       it never changes\n";
    }
  }

  /// A number, what happens, and the line of source that says so.
  void writeEvent(StringRef number, const std::string &what, Operation *op) {
    std::string line = sourceLine(op->getLoc());
    std::string text = llvm::formatv("  {0,3}  {1}", number, what).str();
    os << (line.empty() ? text : llvm::formatv("{0,-66}  {1}", text, line).str()) << "\n";
  }

  void writeReads(unsigned state, unsigned position) {
    for (const StateRead &read : form.reads) {
      if (read.state != state || read.position != position) {
        continue;
      }
      std::string what = read.corrects ? "read, fed back into a write" : "read";
      if (!read.branch.empty()) {
        what += ", through a peek of " + count(read.branch.size(), "event");
      }
      writeEvent("", what, read.step.op);
    }
  }

  static std::string axisName(const StateStep &step) {
    switch (step.axis) {
    case StateStep::Axis::all:
      return "all elements by one number";
    case StateStep::Axis::each:
      return "every element by its own number";
    case StateStep::Axis::value:
      return "the value axis";
    case StateStep::Axis::key:
      return "key axis " + std::to_string(step.key);
    }
    llvm_unreachable("all axes are handled");
  }

  std::string describe(const StateStep &step) {
    switch (step.kind) {
    case StateStep::Kind::read:
      return "read";
    case StateStep::Kind::write:
      return step.keys.empty()       ? "add a vector"
             : step.keys.size() == 1 ? "add an outer product"
                                     : "add an outer product of several keys";
    case StateStep::Kind::decay:
      return "decay " + axisName(step) + boundOf(step);
    case StateStep::Kind::transform: {
      int64_t size = cast<RankedTensorType>(step.factor.getType()).getDimSize(1);
      std::string what = axisName(step) + " in blocks of " + sizeOf(size);
      return step.isIsometric ? "turn " + what + ", asserted to be orthogonal" : "mix " + what;
    }
    case StateStep::Kind::maximum:
      return "raise every element to a maximum";
    case StateStep::Kind::overwrite:
      return "overwrite";
    case StateStep::Kind::count:
      return llvm::formatv("count tokens, from 0 again after {0}", step.period).str();
    case StateStep::Kind::hold:
      return "hold another state as it was before this token, if the counter is 0";
    }
    llvm_unreachable("all kinds are handled");
  }

  static std::string boundOf(const StateStep &step) {
    if (!step.bound) {
      return ", no bound is known";
    }
    return llvm::formatv(" in [{0:F4}, {1:F4}], {2}", step.bound->first, step.bound->second,
                         step.isCertified ? "certified" : "asserted")
        .str();
  }

  void writeForms() {
    os << "\nnormal form\n";
    for (const Stratum &stratum : form.strata) {
      os << "  ";
      llvm::interleave(stratum.states, os, [&](unsigned state) { os << "S" << state; }, ", ");
      if (stratum.isHeld) {
        bool counts = form.states[stratum.states.front()].path.front().kind == StateStep::Kind::count;
        os << (counts ? ": known for all tokens" : ": the same for all tokens of a chunk");
      } else if (stratum.hasMatrixForm()) {
        unsigned corrections = llvm::count_if(form.reads, [&](const StateRead &read) {
          return read.corrects && llvm::is_contained(stratum.states, read.state);
        });
        os << ": S' = G S + sum of b z, affine in the past";
        os << (corrections ? llvm::formatv("; z depends on {0}: C tokens are a unit lower triangular system",
                                           count(corrections, "read"))
                                 .str()
                           : std::string("; z does not depend on S: C tokens are matrix products without a system"));
      } else if (stratum.hasElementwiseForm()) {
        os << ": every element on its own, S' = d S + u";
      } else {
        os << ": none";
      }
      os << "\n";
    }
  }

  void writeSchedules() {
    os << "\nschedules\n  step    legal\n";
    for (ScheduleKind kind : {ScheduleKind::scan, ScheduleKind::chunk}) {
      const Refusal &refusal = form.getRefusal(kind);
      os << "  " << llvm::formatv("{0,-8}", stringifyScheduleKind(kind)) << (refusal.op ? "no: " : "legal");
      if (refusal.op) {
        os << refusal.reason << " (" << refusal.rule << ")\n          at " << locationOf(refusal.op->getLoc())
           << sourceLine(refusal.op->getLoc());
      } else if (int64_t limit = form.getChunkLimit(kind); limit < AffineState::kMostTokens) {
        os << ", at most " << limit << " tokens at once because the value axis decays";
      }
      if (form.getPeriod() && !refusal.op) {
        os << ", of lengths that divide " << form.getPeriod();
      }
      os << "\n";
    }
    ScheduleAttr given = recurrence.getScheduleAttr();
    Choice choice{given, std::nullopt};
    if (!given) {
      choice = chooseSchedule(recurrence, form, target, {});
    }
    os << (given ? "  given   " : "  chosen  ") << stringifyScheduleKind(choice.schedule.getKind());
    if (choice.schedule.getKind() != ScheduleKind::step) {
      os << ", C = " << choice.schedule.getChunk();
    }
    if (int64_t tokens = choice.schedule.getLeast()) {
      os << ", fewer than " << tokens << " tokens one by one";
    }
    if (int64_t tasks = choice.schedule.getSplit(); tasks > 1) {
      os << ", " << tasks << " tasks share the values of a head";
    }
    if (int64_t tasks = choice.schedule.getFill()) {
      os << ", long sequences of few heads in segments, for up to " << tasks << " tasks";
    } else if (choice.schedule.getKind() == ScheduleKind::chunk && choice.schedule.getSplit() == 1 && target &&
               target.getUnits() > 0) {
      std::string why = form.whyNotCut();
      os << (why.empty() ? "" : ", sequences in one piece: " + why);
    }
    os << "\n";
    writePrecision();
    writeCosts(choice.schedule);
  }

  /// What is approximated, and why.
  void writePrecision() {
    Precision precision = recurrence.getProductPrecision();
    bool isAskedFor = recurrence.getPrecisionAttr() != nullptr;
    if (!form.isLegal(ScheduleKind::chunk) || (precision == Precision::f32 && !isAskedFor)) {
      return;
    }
    os << "  rounded " << (precision == Precision::f32 ? "no " : "") << "operands of matrix products in a chunk";
    if (precision != Precision::f32) {
      os << ", to " << (precision == Precision::tf32 ? "11" : "8") << " significant bits or more";
    }
    os << " (" << stringifyPrecision(precision) << ", " << (isAskedFor ? "asked for" : "all operands have 16 bits")
       << ")\n";
  }

  void writeCosts(ScheduleAttr chosen) {
    if (!getCost(recurrence, form, target, ScheduleKind::step, 1)) {
      os << "\nSizes are not known: give --function and --argument for predictions.\n";
      return;
    }
    os << "\npredicted for " << target.getChip() << ", per token and head\n"
       << "  schedule    multiply-adds  exponentials     bytes   on chip      time\n";
    auto writeRow = [&](ScheduleKind kind, int64_t tokens) {
      Cost cost = *getCost(recurrence, form, target, kind, tokens);
      bool isChosen = chosen.getKind() == kind && chosen.getChunk() == tokens;
      std::string name =
          stringifyScheduleKind(kind).str() + (kind == ScheduleKind::step ? "" : " " + std::to_string(tokens));
      os << llvm::formatv("{0} {1,-10}{2,14:F0}{3,14:F0}{4,10:F0}{5,10:F0}{6,10:F0}\n", isChosen ? "*" : " ", name,
                          cost.multiplyAdds, cost.functions, cost.bytes, cost.onChip, cost.time);
    };
    writeRow(ScheduleKind::step, 1);
    for (ScheduleKind kind : {ScheduleKind::scan, ScheduleKind::chunk}) {
      SmallVector<int64_t> lengths = {8, 16, 32, 64};
      if (chosen.getKind() == kind && !llvm::is_contained(lengths, chosen.getChunk())) {
        lengths.push_back(chosen.getChunk());
      }
      for (int64_t tokens : lengths) {
        if (form.isLegal(kind) && tokens == form.fitChunk(kind, tokens)) {
          writeRow(kind, tokens);
        }
      }
    }
    os << "  bytes: operands and outputs of a token; on chip: bytes of one head while it runs; time: in vector "
          "instructions\n";
  }

  raw_ostream &os;
  RecurrenceOp recurrence;
  TargetAttr target;
  AffineState form;
  SourceLine sourceLine;
};

} // namespace

void rwkv::explainText(raw_ostream &os, RecurrenceOp recurrence, TargetAttr target, SourceLine sourceLine) {
  TextWriter(os, recurrence, target, sourceLine).write();
}
