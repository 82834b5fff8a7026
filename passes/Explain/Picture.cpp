// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Explain/Explain.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace rwkv;

namespace {

constexpr int kLane = 300, kRow = 46, kLeft = 110, kTop = 96, kBox = 150, kBoxHeight = 28;

class PictureWriter {
public:
  PictureWriter(raw_ostream &os, RecurrenceOp recurrence, TargetAttr target, SourceLine sourceLine)
      : os(os), recurrence(recurrence), target(target), form(recurrence), sourceLine(sourceLine) {}

  void write() {
    // Events in the order of the program: one row each.
    for (Operation &op : recurrence.getToken().front().without_terminator()) {
      if (isa<StateStepOpInterface>(op)) {
        rowOf[&op] = rows++;
      }
    }
    int width = std::max<int>(760, kLeft + kLane * static_cast<int>(form.states.size()) + 220);
    int bottom = kTop + rows * kRow + 56, height = bottom + 150;
    os << llvm::formatv(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"13\">\n",
        width, height);
    os << "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
          "orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" fill=\"#555\"/></marker></defs>\n";
    os << llvm::formatv("<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n", width, height);
    text(20, 28, "One token, from top to bottom", "font-size=\"17\" font-weight=\"bold\"");
    text(20, 48,
         "Boxes change a state, circles read it; arrows lead from a read to what depends on it, blue where it is "
         "corrected.",
         "fill=\"#555\"");
    for (unsigned state = 0; state < form.states.size(); ++state) {
      drawLane(state, bottom - 30);
    }
    for (const StateRead &read : form.reads) {
      drawRead(read);
    }
    drawSchedules(bottom + 10, width);
    os << "</svg>\n";
  }

private:
  static std::string escape(StringRef text) {
    std::string result;
    for (char c : text) {
      result += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
    }
    return result;
  }

  void text(int x, int y, StringRef what, StringRef style = "") {
    os << llvm::formatv("<text x=\"{0}\" y=\"{1}\" {2}>{3}</text>\n", x, y, style, escape(what));
  }

  int laneX(unsigned state) { return kLeft + kLane * static_cast<int>(state) + kBox / 2; }
  int rowY(Operation *op) { return kTop + 30 + kRow * static_cast<int>(rowOf.lookup(op)); }

  static StringRef colour(const StateStep &step) {
    switch (step.kind) {
    case StateStep::Kind::write:
      return "#cfe8cf";
    case StateStep::Kind::decay:
      return "#fbe3b8";
    case StateStep::Kind::transform:
      return "#d9d2f0";
    default:
      return "#f2c6c6";
    }
  }

  static std::string label(const StateStep &step) {
    switch (step.kind) {
    case StateStep::Kind::write:
      return "write";
    case StateStep::Kind::transform:
      return "transform key" + std::to_string(step.key);
    case StateStep::Kind::maximum:
      return "maximum";
    case StateStep::Kind::overwrite:
      return "set";
    case StateStep::Kind::count:
      return "count to " + std::to_string(step.period);
    case StateStep::Kind::hold:
      return "hold";
    default:
      break;
    }
    switch (step.axis) {
    case StateStep::Axis::key:
      return "decay key" + std::to_string(step.key);
    case StateStep::Axis::value:
      return "decay value";
    case StateStep::Axis::each:
      return "decay each";
    case StateStep::Axis::all:
      return "decay all";
    }
    llvm_unreachable("all axes are handled");
  }

  void drawLane(unsigned index, int bottom) {
    const CarriedState &state = form.states[index];
    int x = laneX(index);
    std::string name = "S" + std::to_string(index) + " [";
    for (int64_t key : state.type.getKeys()) {
      name += (ShapedType::isDynamic(key) ? "K" : std::to_string(key)) + " x ";
    }
    name += (ShapedType::isDynamic(state.type.getValue()) ? "V" : std::to_string(state.type.getValue())) + "]";
    text(x - 40, kTop - 12, name, "font-weight=\"bold\"");
    os << llvm::formatv("<line x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\" stroke=\"#333\" stroke-width=\"3\" "
                        "marker-end=\"url(#tip)\"/>\n",
                        x, kTop - 4, bottom);
    for (const StateStep &step : state.path) {
      drawBox(x, step, "");
    }
  }

  void drawBox(int x, const StateStep &step, StringRef style) {
    int y = rowY(step.op);
    os << llvm::formatv("<g><title>{0}</title><rect x=\"{1}\" y=\"{2}\" width=\"{3}\" height=\"{4}\" rx=\"5\" "
                        "fill=\"{5}\" stroke=\"#333\" {6}/>",
                        escape(sourceLine(step.op->getLoc())), x - kBox / 2, y - kBoxHeight / 2, kBox, kBoxHeight,
                        colour(step), style);
    os << llvm::formatv("<text x=\"{0}\" y=\"{1}\" text-anchor=\"middle\">{2}</text></g>\n", x, y + 5, label(step));
  }

  void drawRead(const StateRead &read) {
    int x = laneX(read.state), y = rowY(read.step.op);
    for (const StateStep &step : read.branch) { // a peek: beside the lane
      drawBox(x + kBox / 2 + 20, step, "stroke-dasharray=\"4 3\"");
    }
    int from = read.branch.empty() ? x : x + kBox / 2 + 20;
    os << llvm::formatv(
        "<g><title>{0}</title><circle cx=\"{1}\" cy=\"{2}\" r=\"9\" fill=\"{3}\" stroke=\"#333\"/></g>\n",
        escape(sourceLine(read.step.op->getLoc())), from, y, read.corrects ? "#9fc5f0" : "white");
    bool isOutput = llvm::any_of(recurrence.getYield().getOperands(), [&](Value value) {
      return !isa<StateType>(value.getType()) && dependsOnRead(value, read);
    });
    if (isOutput) {
      os << llvm::formatv("<line x1=\"{0}\" y1=\"{1}\" x2=\"{2}\" y2=\"{1}\" stroke=\"#555\" "
                          "marker-end=\"url(#tip)\"/>\n",
                          from + 9, y, from + 70);
      text(from + 74, y + 5, "out", "fill=\"#555\"");
    }
    for (auto [i, state] : llvm::enumerate(form.states)) {
      for (const StateStep &step : state.path) {
        bool isFed = llvm::any_of(step.op->getOperands(), [&](Value operand) {
          return !isa<StateType>(operand.getType()) && dependsOnRead(operand, read);
        });
        if (!isFed) {
          continue;
        }
        int tx = laneX(i) - kBox / 2, ty = rowY(step.op);
        os << llvm::formatv("<path d=\"M{0} {1} C {2} {1}, {2} {3}, {4} {3}\" fill=\"none\" stroke=\"{5}\" "
                            "stroke-width=\"1.6\" marker-end=\"url(#tip)\"/>\n",
                            from - 9, y, std::min(from, tx) - 60, ty, tx - 2, read.corrects ? "#2a6fb8" : "#999");
      }
    }
  }

  static bool dependsOnRead(Value value, const StateRead &read) {
    if (value == read.step.result) {
      return true;
    }
    Operation *op = value.getDefiningOp();
    return op && !isa<StateStepOpInterface>(op) &&
           llvm::any_of(op->getOperands(), [&](Value operand) { return dependsOnRead(operand, read); });
  }

  void drawSchedules(int y, int width) {
    ScheduleAttr chosen = recurrence.getScheduleAttr();
    if (!chosen) {
      chosen = chooseSchedule(recurrence, form, target, {}).schedule;
    }
    os << llvm::formatv("<line x1=\"20\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\" stroke=\"#bbb\"/>\n", y - 8, width - 20);
    for (ScheduleKind kind : {ScheduleKind::step, ScheduleKind::scan, ScheduleKind::chunk}) {
      const Refusal &refusal = form.getRefusal(kind);
      y += 26;
      bool isChosen = chosen.getKind() == kind;
      std::string name = stringifyScheduleKind(kind).str();
      if (isChosen && kind != ScheduleKind::step) {
        name += ", C = " + std::to_string(chosen.getChunk());
      }
      os << llvm::formatv("<rect x=\"20\" y=\"{0}\" width=\"120\" height=\"22\" rx=\"11\" fill=\"{1}\" stroke=\"#333\" "
                          "stroke-width=\"{2}\"/>\n",
                          y - 16, refusal.op ? "#f2c6c6" : "#cfe8cf", isChosen ? 2.5 : 1.0);
      os << llvm::formatv("<text x=\"80\" y=\"{0}\" text-anchor=\"middle\">{1}</text>\n", y, name);
      text(150, y, refusal.op ? refusal.rule.str() + ": " + refusal.reason : isChosen ? "legal, chosen" : "legal");
      if (refusal.op) {
        y += 16;
        text(150, y, sourceLine(refusal.op->getLoc()), "fill=\"#555\" font-family=\"monospace\" font-size=\"12\"");
      }
    }
  }

  raw_ostream &os;
  RecurrenceOp recurrence;
  TargetAttr target;
  AffineState form;
  SourceLine sourceLine;
  llvm::DenseMap<Operation *, unsigned> rowOf;
  unsigned rows = 0;
};

} // namespace

void rwkv::explainPicture(raw_ostream &os, RecurrenceOp recurrence, TargetAttr target, SourceLine sourceLine) {
  PictureWriter(os, recurrence, target, sourceLine).write();
}
