// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The host side of a function as the steps of a launch plan: buffers for values, copies where a value must move.
#include "lowering/Pack/Pack.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;
using llvm::json::Array;
using llvm::json::Object;

namespace {

/// A buffer of the plan, as the manifest spells it; `layer` adds the slice of the current layer.
struct Ref {
  std::string kind;
  int64_t index = 0;
  bool layer = false;

  Array spell() const {
    Array array{kind, index};
    if (layer) {
      array.push_back("l");
    }
    return array;
  }
  bool operator==(const Ref &other) const { return kind == other.kind && index == other.index && layer == other.layer; }
};

class PlanBuilder {
public:
  PlanBuilder(func::FuncOp function, const llvm::StringMap<int64_t> &weights, const llvm::StringMap<int64_t> &kernels)
      : function(function), weights(weights), kernels(kernels), packed(isPacked(function)) {}

  FailureOr<Object> run() {
    for (BlockArgument arg : function.getArguments()) {
      refs[arg] = {"arg", arg.getArgNumber()};
    }
    Block &body = function.getBody().front();
    Operation *terminator = body.getTerminator();
    for (OpOperand &operand : terminator->getOpOperands()) {
      wanted.try_emplace(operand.get(), Ref{"result", operand.getOperandNumber()});
    }
    for (Operation &op : body.without_terminator()) {
      auto layers = dyn_cast<LayersOp>(op);
      if (layers ? failed(addLayers(layers, terminator)) : failed(addOp(&op))) {
        return failure();
      }
    }
    for (OpOperand &operand : terminator->getOpOperands()) {
      if (failed(copy({"result", operand.getOperandNumber()}, operand.get(), terminator))) {
        return failure();
      }
    }
    return Object{{"temporaries", std::move(temporaries)}, {"steps", std::move(steps)}};
  }

private:
  Ref createTemporary(Type type) {
    temporaries.push_back(Object{{"dtype", spellElement(type)}, {"shape", spellShape(type, packed)}});
    return {"temporary", static_cast<int64_t>(temporaries.size()) - 1};
  }

  FailureOr<Ref> find(Value value, Operation *at) {
    auto it = refs.find(value);
    if (it == refs.end()) {
      return at->emitOpError("uses a value that no launch makes");
    }
    return it->second;
  }

  LogicalResult copy(Ref to, Value value, Operation *at) {
    FailureOr<Ref> from = find(value, at);
    if (failed(from)) {
      return failure();
    }
    if (!(*from == to)) {
      steps.push_back(Object{{"copy", Array{to.spell(), from->spell()}}});
    }
    return success();
  }

  LogicalResult addOp(Operation *op) {
    if (isa<tile::SizeOp>(op) || isa_and_nonnull<arith::ArithDialect>(op->getDialect())) {
      return success(); // numbers of tasks
    }
    auto launch = dyn_cast<tile::LaunchOp>(op);
    if (!launch) {
      return op->emitOpError("cannot be part of a launch plan");
    }
    SmallVector<Ref> reads, writes;
    for (Value input : launch.getInputs()) {
      FailureOr<Ref> ref = find(input, op);
      if (failed(ref)) {
        return failure();
      }
      reads.push_back(*ref);
    }
    Array buffers;
    for (const Ref &ref : reads) {
      buffers.push_back(ref.spell());
    }
    for (Attribute weight : launch.getWeights()) {
      buffers.push_back(Ref{"weight", weights.lookup(cast<FlatSymbolRefAttr>(weight).getValue())}.spell());
    }
    for (auto [i, result] : llvm::enumerate(launch.getResults())) {
      auto it = wanted.find(findLast(result));
      Ref ref = !launch.getInto().empty() ? refs[launch.getInto()[i]]
                : it != wanted.end()      ? it->second
                                          : createTemporary(result.getType());
      refs[result] = ref;
      writes.push_back(ref);
      buffers.push_back(ref.spell());
    }
    FailureOr<llvm::json::Value> tasks = spell(launch.getTasks());
    if (failed(tasks)) {
      return failure();
    }
    Object step{
        {"launch", kernels.lookup(launch.getKernel())}, {"tasks", std::move(*tasks)}, {"buffers", std::move(buffers)}};
    if (launch.getFrom()) {
      FailureOr<llvm::json::Value> from = spell(launch.getFrom());
      if (failed(from)) {
        return failure();
      }
      step["from"] = std::move(*from);
    }
    joinNeighbours(reads, writes);
    steps.push_back(std::move(step));
    return success();
  }

  /// Lets the launch in front run beside the one that comes now if none of their group touches what another one writes.
  void joinNeighbours(ArrayRef<Ref> reads, ArrayRef<Ref> writes) {
    auto meet = [](ArrayRef<Ref> a, ArrayRef<Ref> b) {
      return llvm::any_of(a, [&](const Ref &ref) { return llvm::is_contained(b, ref); });
    };
    bool neighbour = !steps.empty() && steps.back().getAsObject()->get("launch");
    if (neighbour && !meet(reads, sideWrites) && !meet(writes, sideReads) && !meet(writes, sideWrites)) {
      (*steps.back().getAsObject())["beside"] = true;
    } else {
      sideReads.clear();
      sideWrites.clear();
    }
    llvm::append_range(sideReads, reads);
    llvm::append_range(sideWrites, writes);
  }

  /// The result that is written over this one last.
  static Value findLast(Value result) {
    for (OpOperand &use : result.getUses()) {
      auto over = dyn_cast<tile::LaunchOp>(use.getOwner());
      unsigned first =
          over && !over.getInto().empty() ? over.getInto().getBeginOperandIndex() : use.getOperandNumber() + 1;
      if (use.getOperandNumber() >= first) {
        return findLast(over.getResult(use.getOperandNumber() - first));
      }
    }
    return result;
  }

  /// A number of a task, or of tasks, as an expression.
  FailureOr<llvm::json::Value> spell(Value number) {
    if (APInt constant; matchPattern(number, m_ConstantInt(&constant))) {
      return llvm::json::Value(constant.getSExtValue());
    }
    Operation *op = number.getDefiningOp();
    if (auto size = dyn_cast_or_null<tile::SizeOp>(op)) {
      return llvm::json::Value(tile::stringifySize(size.getSize()));
    }
    StringRef spelling = llvm::TypeSwitch<Operation *, StringRef>(op)
                             .Case<arith::AddIOp, arith::SubIOp>([](auto) { return "+"; })
                             .Case([](arith::MulIOp) { return "*"; })
                             .Case([](arith::CeilDivUIOp) { return "ceildiv"; })
                             .Case([](arith::DivUIOp) { return "floordiv"; })
                             .Case([](arith::MinUIOp) { return "min"; })
                             .Case([](arith::MaxUIOp) { return "max"; })
                             .Default([](Operation *) { return ""; });
    if (spelling.empty()) {
      emitError(number.getLoc(), "expected a number of tasks made of sizes, +, *, division, min and max");
      return failure();
    }
    FailureOr<llvm::json::Value> left = spell(op->getOperand(0)), right = spell(op->getOperand(1));
    if (failed(left) || failed(right)) {
      return failure();
    }
    if (isa<arith::SubIOp>(op)) {
      right = llvm::json::Value(Array{"*", std::move(*right), -1});
    }
    return llvm::json::Value(Array{spelling, std::move(*left), std::move(*right)});
  }

  // ---- layers: iter values live in temporaries that every layer reads and writes, stacks are addressed by layer

  LogicalResult addLayers(LayersOp op, Operation *terminator) {
    unsigned iters = op.getIter().size();
    SmallVector<Ref> places;
    for (Value value : op.getIter()) {
      FailureOr<Ref> ref = find(value, op);
      if (failed(ref)) {
        return failure();
      }
      if (ref->kind == "temporary" && value.hasOneUse()) {
        places.push_back(*ref);
        continue;
      }
      places.push_back(createTemporary(value.getType()));
      if (failed(copy(places.back(), value, op))) {
        return failure();
      }
    }
    SmallVector<Ref> slicesIn, slicesOut;
    for (auto [operand, result] : llvm::zip_equal(op.getEach(), op.getResults().drop_front(iters))) {
      FailureOr<Ref> in = find(operand, op);
      if (failed(in)) {
        return failure();
      }
      auto out = wanted.find(result);
      if (in->kind != "arg" || out == wanted.end()) {
        return op.emitOpError("expected 'each' values to be arguments, and their new values results, of the function");
      }
      slicesIn.push_back({in->kind, in->index, true});
      slicesOut.push_back({out->second.kind, out->second.index, true});
      refs[result] = out->second;
    }
    for (auto [i, body] : llvm::enumerate(op.getBodies())) {
      Array outer = std::move(steps);
      steps = Array();
      if (failed(addBody(body.front(), places, slicesIn, slicesOut))) {
        return failure();
      }
      Array inner = std::move(steps);
      steps = std::move(outer);
      ArrayRef<int64_t> bounds = *op.getBounds();
      steps.push_back(Object{{"repeat", Array{bounds[i], bounds[i + 1]}}, {"steps", std::move(inner)}});
    }
    for (auto [result, place] : llvm::zip(op.getResults(), places)) {
      refs[result] = place;
    }
    return success();
  }

  LogicalResult addBody(Block &body, ArrayRef<Ref> places, ArrayRef<Ref> slicesIn, ArrayRef<Ref> slicesOut) {
    Operation *yield = body.getTerminator();
    for (auto [arg, ref] : llvm::zip_equal(body.getArguments(), llvm::concat<const Ref>(places, slicesIn))) {
      refs[arg] = ref;
    }
    for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
      if (i >= places.size()) {
        wanted.try_emplace(value, slicesOut[i - places.size()]);
      } else if (mayWriteInPlace(value, body.getArgument(i))) {
        wanted.try_emplace(value, places[i]);
      }
    }
    for (Operation &op : body.without_terminator()) {
      if (failed(addOp(&op))) {
        return failure();
      }
    }
    // What could not be written in place is moved. A value that another copy overwrites goes through a temporary.
    SmallVector<std::pair<Ref, Value>> moves;
    for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
      moves.push_back({i < places.size() ? places[i] : slicesOut[i - places.size()], value});
    }
    for (auto &[to, value] : moves) {
      auto arg = dyn_cast<BlockArgument>(value);
      if (arg && arg.getOwner() == &body && arg.getArgNumber() < places.size() && !(refs[value] == to)) {
        Ref staged = createTemporary(value.getType());
        if (failed(copy(staged, value, yield))) {
          return failure();
        }
        refs[value] = staged;
      }
    }
    for (auto &[to, value] : moves) {
      if (failed(copy(to, value, yield))) {
        return failure();
      }
    }
    return success();
  }

  /// Whether the launch that makes `value` may write over `arg`: nothing reads `arg` from then on.
  static bool mayWriteInPlace(Value value, BlockArgument arg) {
    Operation *maker = value.getDefiningOp();
    return maker && maker->getBlock() == arg.getOwner() && llvm::all_of(arg.getUsers(), [&](Operation *user) {
             return user->getBlock() == maker->getBlock() && user->isBeforeInBlock(maker);
           });
  }

  func::FuncOp function;
  const llvm::StringMap<int64_t> &weights, &kernels;
  bool packed;
  llvm::DenseMap<Value, Ref> refs;
  llvm::DenseMap<Value, Ref> wanted; // where a value should be made, if it can be
  Array temporaries, steps;
  SmallVector<Ref> sideReads, sideWrites; // of the launches that run side by side so far
};

} // namespace

FailureOr<Object> rwkv::buildPlan(func::FuncOp function, const llvm::StringMap<int64_t> &weights,
                                  const llvm::StringMap<int64_t> &kernels) {
  return PlanBuilder(function, weights, kernels).run();
}
