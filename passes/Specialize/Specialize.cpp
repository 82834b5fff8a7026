// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Specialize/Specialize.h"

#include "mlir/AsmParser/AsmParser.h"
#include "passes/Passes.h"
#include "passes/Specialize/Axes.h"

namespace rwkv {
#define GEN_PASS_DEF_RWKVSPECIALIZEPASS
#include "passes/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;

/// from + (to - from) * w
static void expandLerp(LerpOp op) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  Value weight = GetOp::create(builder, loc, op.getType(), op.getWeightAttr(), DenseI64ArrayAttr());
  Value difference = arith::SubFOp::create(builder, loc, op.getTo(), op.getFrom());
  Value step = arith::MulFOp::create(builder, loc, difference, weight);
  op.replaceAllUsesWith(arith::AddFOp::create(builder, loc, op.getFrom(), step).getResult());
  op.erase();
}

/// Axis names in attributes become positions, so that types may lose them.
static LogicalResult resolveNames(func::FuncOp function) {
  auto toPosition = [](Operation *op, Attribute axis, Type type, auto set) -> LogicalResult {
    FailureOr<int64_t> position = resolveAxis(op, axis, type);
    if (failed(position)) {
      return failure();
    }
    set(IntegerAttr::get(IntegerType::get(op->getContext(), 64), *position));
    return success();
  };
  SmallVector<LerpOp> lerps;
  function.walk([&](LerpOp op) { lerps.push_back(op); });
  llvm::for_each(lerps, expandLerp);
  WalkResult result = function.walk([&](Operation *op) -> WalkResult {
    if (auto sum = dyn_cast<SumOp>(op)) {
      return toPosition(op, sum.getAxis(), sum.getX().getType(), [&](Attribute a) { sum.setAxisAttr(a); });
    }
    if (auto norm = dyn_cast<NormOp>(op)) {
      return toPosition(op, norm.getAxis(), norm.getX().getType(), [&](Attribute a) { norm.setAxisAttr(a); });
    }
    if (auto norm = dyn_cast<L2NormOp>(op)) {
      return toPosition(op, norm.getAxis(), norm.getX().getType(), [&](Attribute a) { norm.setAxisAttr(a); });
    }
    if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
      if (isa<RankedTensorType>(broadcast.getX().getType())) {
        broadcast.setOn(broadcast.getPositions());
      }
    }
    if (auto get = dyn_cast<GetOp>(op); get && !get.getOn()) {
      auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(op, get.getWeightAttr());
      auto dims = dyn_cast<DimsAttr>(weight.getShape());
      ArrayRef<StringAttr> names = getAxisNames(get.getType());
      SmallVector<int64_t> positions;
      int64_t rank = cast<RankedTensorType>(get.getType()).getRank();
      int64_t weightRank = dims ? dims.getNames().size() : weight.getStoredType().getRank();
      for (int64_t axis = 0; axis < weightRank; ++axis) {
        int64_t position = rank - weightRank + axis; // the last axes, without names
        if (dims && !names.empty()) {
          position = llvm::find(names, dims.getNames()[axis]) - names.begin();
        }
        if (position < 0 || position >= rank || (!positions.empty() && positions.back() >= position)) {
          return op->emitOpError("expected the axes of ")
                 << get.getWeightAttr() << ", " << weight.getShape() << ", to be axes of " << get.getType()
                 << " in the same order";
        }
        positions.push_back(position);
      }
      get.setOn(positions);
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// Tokens are row numbers of the embedding: the runtime checks them.
static void limitTokens(func::FuncOp function) {
  function.walk([&](EmbedOp embed) {
    if (auto arg = dyn_cast<BlockArgument>(embed.getTokens()); arg && arg.getOwner() == &function.getBody().front()) {
      auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(embed, embed.getWeightAttr());
      function.setArgAttr(arg.getArgNumber(), RwkvDialect::kBelowAttr,
                          Builder(function).getI64IntegerAttr(weight.getStoredType().getDimSize(0)));
    }
  });
}

static LogicalResult solveFunction(func::FuncOp function, const llvm::StringMap<int64_t> &sizes,
                                   ArrayRef<ArrayType> arguments) {
  AxisSolver solver(function, sizes);
  if (function.isDeclaration()) {
    return solver.solveSignature();
  }
  if (failed(solver.collect())) {
    return failure();
  }
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    for (auto [axis, size] : llvm::enumerate(argument.shape)) {
      if (failed(solver.bindArgument(i, axis, size))) {
        return failure();
      }
    }
  }
  if (failed(solver.rewriteTypes()) || failed(checkSolved(function))) {
    return failure();
  }
  limitTokens(function);
  return success();
}

static LogicalResult setParams(ModelOp model, const llvm::StringMap<double> &params) {
  for (const auto &param : params) {
    auto op = dyn_cast_or_null<ParamOp>(SymbolTable::lookupSymbolIn(model, param.first()));
    if (!op) {
      std::string known;
      for (ParamOp other : model.getBody().getOps<ParamOp>()) {
        known += (known.empty() ? "" : ", ") + other.getSymName().str();
      }
      return model.emitOpError("expected the name of a param (") << known << "), but got '" << param.first() << "'";
    }
    op.setValueAttr(FloatAttr::get(Float64Type::get(model.getContext()), param.second));
  }
  return success();
}

/// Records the solved sizes as rwkv.dim ops, for the pack's manifest.
static void recordSizes(ModelOp model, const llvm::StringMap<int64_t> &sizes) {
  for (DimOp dim : llvm::make_early_inc_range(model.getBody().getOps<DimOp>())) {
    dim.erase();
  }
  SmallVector<StringRef> names(sizes.keys());
  llvm::sort(names);
  OpBuilder builder = OpBuilder::atBlockBegin(&model.getBody().front());
  for (StringRef name : names) {
    DimOp::create(builder, model.getLoc(), name, std::to_string(sizes.lookup(name)));
  }
}

static LogicalResult solveModel(ModelOp model, const SpecializeInput &input) {
  // Names first: binding replaces the weights' named shapes.
  for (auto function : model.getBody().getOps<func::FuncOp>()) {
    if (failed(resolveNames(function))) {
      return failure();
    }
  }
  llvm::StringMap<int64_t> sizes;
  if (failed(setParams(model, input.params)) || failed(bindCheckpoint(model, input, sizes))) {
    return failure();
  }
  int64_t layers = sizes.lookup("L");
  bool usesLayers = model.walk([](LayersOp) { return WalkResult::interrupt(); }).wasInterrupted();
  if (usesLayers && layers == 0) {
    return model.emitOpError("expected a checkpoint with at least one layer, but found none");
  }
  expandLayers(model, layers);
  for (auto function : model.getBody().getOps<func::FuncOp>()) {
    if (failed(solveFunction(function, sizes, {}))) {
      return failure();
    }
  }
  recordSizes(model, sizes);
  return success();
}

LogicalResult rwkv::specializeModel(ModuleOp module, const SpecializeInput &input) {
  SmallVector<ModelOp> models(module.getOps<ModelOp>());
  if (models.empty()) {
    return module.emitError("expected a 'rwkv.model' in the spec, but found none");
  }
  if (models.size() == 1) {
    return solveModel(models.front(), input);
  }
  // Recognition: the one model that unifies. Try each on a copy with its errors kept back.
  std::string reasons;
  ModelOp match;
  for (ModelOp model : models) {
    OwningOpRef<ModelOp> copy = model.clone();
    std::string error;
    ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diag) {
      error += error.empty() ? diag.str() : "";
      return success();
    });
    if (succeeded(solveModel(*copy, input))) {
      if (match) {
        reasons += "\n  both @" + match.getSymName().str() + " and @" + model.getSymName().str() + " fit";
        match = ModelOp();
        break;
      }
      match = model;
    } else {
      reasons += "\n  @" + model.getSymName().str() + ": " + error;
    }
  }
  if (!match) {
    return module.emitError("expected one model of the spec to fit the checkpoint, but found:") << reasons;
  }
  for (ModelOp model : models) {
    if (model != match) {
      model.erase();
    }
  }
  return solveModel(match, input);
}

LogicalResult rwkv::specializeFunction(ModuleOp module, StringRef name, ArrayRef<ArrayType> arguments) {
  func::FuncOp function;
  std::string known;
  for (auto candidate : module.getOps<func::FuncOp>()) {
    known += (known.empty() ? "" : ", ") + candidate.getSymName().str();
    if (candidate.getSymName() == name) {
      function = candidate;
    }
  }
  if (!function) {
    return module.emitError("expected the name of a function outside of models (")
           << (known.empty() ? "there is none" : known) << "), but got '" << name << "'";
  }
  if (function.isDeclaration()) {
    return function.emitError("expected a function with a body, but got the declaration of '") << name << "'";
  }
  if (arguments.size() != function.getNumArguments()) {
    return function.emitError("expected ")
           << function.getNumArguments() << " arguments for '" << name << "', but got " << arguments.size();
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    const ArrayType &argument = arguments[i];
    auto type = dyn_cast<RankedTensorType>(function.getArgumentTypes()[i]);
    auto mismatch = [&](const Twine &what) {
      std::string array;
      llvm::raw_string_ostream os(array);
      llvm::interleave(argument.shape, os, "x");
      if (argument.elementType) {
        os << (argument.shape.empty() ? "" : "x") << argument.elementType;
      }
      return function.emitError("expected argument ")
             << i << " of '" << name << "' to be " << function.getArgumentTypes()[i] << ", but got " << what.str()
             << " (" << array << ")";
    };
    if (!type || type.getRank() != static_cast<int64_t>(argument.shape.size())) {
      return mismatch("an array of " + Twine(argument.shape.size()) + " axes");
    }
    for (auto [axis, size] : llvm::enumerate(argument.shape)) {
      if (!type.isDynamicDim(axis) && type.getDimSize(axis) != size) {
        return mismatch("size " + Twine(size) + " of axis " + Twine(axis));
      }
    }
    if (argument.elementType && argument.elementType != type.getElementType()) {
      return mismatch("other elements");
    }
  }
  for (Operation &op : llvm::make_early_inc_range(module.getBody()->getOperations())) {
    if (&op != function) {
      op.erase();
    }
  }
  llvm::StringMap<int64_t> sizes;
  return failure(failed(resolveNames(function)) || failed(solveFunction(function, sizes, arguments)));
}

// ---- the pass: checkpoint and arguments as text

namespace {
struct SpecializePass : rwkv::impl::RwkvSpecializePassBase<SpecializePass> {
  using RwkvSpecializePassBase::RwkvSpecializePassBase;

  /// name=8x4xbf16
  FailureOr<ArrayType> parseArray(StringRef text) {
    auto [name, rest] = text.rsplit('=');
    ArrayType array;
    array.name = name.str();
    bool valid = text.contains('=');
    for (StringRef head; valid && rest.contains('x');) {
      std::tie(head, rest) = rest.split('x');
      valid = !head.getAsInteger(10, array.shape.emplace_back()) && array.shape.back() >= 0;
    }
    if (valid) {
      ScopedDiagnosticHandler quiet(&getContext(), [](Diagnostic &) { return success(); });
      array.elementType = parseType(rest, &getContext());
    }
    if (!array.elementType) {
      getOperation().emitError("expected name=8x4xf32, but got '") << text << "'";
      return failure();
    }
    return array;
  }

  void runOnOperation() override {
    SpecializeInput input;
    input.allowUnused = allowUnused;
    std::vector<ArrayType> values;
    for (auto [list, out] : {std::pair(&checkpoint, &input.checkpoint), std::pair(&arguments, &values)}) {
      for (const std::string &text : *list) {
        FailureOr<ArrayType> array = parseArray(text);
        if (failed(array)) {
          return signalPassFailure();
        }
        out->push_back(*array);
      }
    }
    for (const std::string &text : params) {
      auto [name, value] = StringRef(text).split('=');
      if (value.getAsDouble(input.params[name])) {
        getOperation().emitError("expected name=number, but got '") << text << "'";
        return signalPassFailure();
      }
    }
    bool ok = function.empty() ? succeeded(specializeModel(getOperation(), input))
                               : succeeded(specializeFunction(getOperation(), function, values));
    if (!ok) {
      signalPassFailure();
    }
  }
};
} // namespace
