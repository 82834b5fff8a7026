// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Unifies the declared shapes of a model's weights with the shapes in a checkpoint.
#include "passes/Specialize/Specialize.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;

namespace {

std::string formatShape(ArrayRef<int64_t> shape) {
  std::string text = "[";
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(shape, os);
  return text + "]";
}

std::string formatDims(DimsAttr dims) {
  std::string text = "[";
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(dims.getNames(), os, [&](StringAttr name) { os << name.getValue(); });
  return text + "]";
}

/// Integer expressions of rwkv.dim: + - * / and parentheses over integers and names.
class DimExpression {
public:
  DimExpression(StringRef text, const llvm::StringMap<int64_t> &sizes) : text(text), sizes(sizes) {}

  /// A name that is not known, if evaluate() gave neither a value nor an error.
  StringRef getUnknown() const { return unknown; }

  /// The value, or nothing with a reason in `error`; `error` stays empty if only a name is not known yet.
  std::optional<int64_t> evaluate(std::string &error) {
    rest = text;
    std::optional<int64_t> value = parseSum();
    if (value && !rest.ltrim().empty()) {
      reason = "unexpected '" + rest.ltrim().str() + "'";
      value.reset();
    }
    error = reason;
    return value;
  }

private:
  bool take(char c) {
    rest = rest.ltrim();
    return rest.consume_front(StringRef(&c, 1));
  }

  std::optional<int64_t> parseSum() {
    std::optional<int64_t> value = parseProduct();
    while (value) {
      bool plus = take('+');
      if (!plus && !take('-')) {
        break;
      }
      std::optional<int64_t> next = parseProduct();
      if (!next) {
        return next;
      }
      int64_t result = 0;
      if (plus ? llvm::AddOverflow(*value, *next, result) : llvm::SubOverflow(*value, *next, result)) {
        reason = "a number is too large";
        return std::nullopt;
      }
      value = result;
    }
    return value;
  }

  std::optional<int64_t> parseProduct() {
    std::optional<int64_t> value = parseAtom();
    while (value) {
      bool times = take('*');
      if (!times && !take('/')) {
        break;
      }
      std::optional<int64_t> next = parseAtom();
      if (!next) {
        return next;
      }
      if (times) {
        int64_t result = 0;
        if (llvm::MulOverflow(*value, *next, result)) {
          reason = "a number is too large";
          return std::nullopt;
        }
        value = result;
      } else if (*next == 0 || *value % *next != 0) {
        reason = llvm::formatv("{0} is not divisible by {1}", *value, *next);
        return std::nullopt;
      } else {
        value = *value / *next;
      }
    }
    return value;
  }

  std::optional<int64_t> parseAtom() {
    rest = rest.ltrim();
    if (take('(')) {
      std::optional<int64_t> value = parseSum();
      if (value && !take(')')) {
        reason = "expected ')'";
        return std::nullopt;
      }
      return value;
    }
    int64_t number = 0;
    if (!rest.empty() && llvm::isDigit(rest[0])) {
      if (rest.consumeInteger(10, number)) {
        reason = "a number is too large";
        return std::nullopt;
      }
      return number;
    }
    StringRef name = rest.take_while([](char c) { return llvm::isAlnum(c) || c == '_'; });
    if (name.empty()) {
      reason = "expected a number or a name of a size";
      return std::nullopt;
    }
    rest = rest.drop_front(name.size());
    auto it = sizes.find(name);
    if (it == sizes.end()) {
      unknown = name;
      return std::nullopt;
    }
    return it->second;
  }

  StringRef text, rest, unknown;
  const llvm::StringMap<int64_t> &sizes;
  std::string reason;
};

/// One model against one checkpoint.
class Binder {
public:
  Binder(ModelOp model, const SpecializeInput &input, llvm::StringMap<int64_t> &sizes)
      : model(model), input(input), sizes(sizes) {
    for (const ArrayType &tensor : input.checkpoint) {
      if (!tensors.try_emplace(tensor.name, &tensor).second) {
        twice = tensor.name;
      }
    }
  }

  LogicalResult run() {
    if (!twice.empty()) {
      return model.emitError("expected one tensor of each name, but got \"") << twice << "\" twice";
    }
    if (failed(countLayers())) {
      return failure();
    }
    for (WeightOp weight : model.getBody().getOps<WeightOp>()) {
      if (failed(bindWeight(weight))) {
        return failure();
      }
    }
    return failure(failed(solveDims()) || failed(checkUnused()));
  }

private:
  const ArrayType *findTensor(WeightOp weight, int64_t layer) {
    SmallVector<StringRef> keys;
    weight.getKey().split(keys, '|');
    for (StringRef key : keys) {
      std::string name = key.trim().str();
      for (size_t at = name.find("{l}"); at != std::string::npos; at = name.find("{l}")) {
        name.replace(at, 3, std::to_string(layer));
      }
      if (const ArrayType *tensor = tensors.lookup(name)) {
        used.insert(name);
        return tensor;
      }
    }
    return nullptr;
  }

  static bool existsAt(WeightOp weight, int64_t layer) {
    std::string error;
    auto when = weight.getWhen();
    return !when || LayerCondition::parse(*when, error)->holds(layer);
  }

  LogicalResult missing(WeightOp weight, int64_t layer) {
    return weight.emitOpError("expected the checkpoint to hold \"")
           << weight.getKey() << "\"" << (weight.isPerLayer() ? " for layer " + std::to_string(layer) : std::string())
           << ", but found no such tensor";
  }

  /// L: layers from 0 on of which any tensor exists; then all that are declared for it must.
  LogicalResult countLayers() {
    for (int64_t layer = 0;; ++layer) {
      WeightOp absent;
      bool any = false;
      for (WeightOp weight : model.getBody().getOps<WeightOp>()) {
        if (!weight.isPerLayer() || !existsAt(weight, layer)) {
          continue;
        }
        bool found = findTensor(weight, layer);
        any |= found;
        if (!found && !absent) {
          absent = weight;
        }
      }
      if (!any) {
        sizes["L"] = layer;
        return success();
      }
      if (absent) {
        return missing(absent, layer);
      }
    }
  }

  LogicalResult bindWeight(WeightOp weight) {
    int64_t from = 0, to = weight.isPerLayer() ? sizes["L"] : 1;
    const ArrayType *first = nullptr;
    SmallVector<int64_t> shape;
    for (int64_t layer = from; layer < to; ++layer) {
      if (weight.isPerLayer() && !existsAt(weight, layer)) {
        continue;
      }
      const ArrayType *tensor = findTensor(weight, layer);
      if (!tensor) {
        return missing(weight, layer);
      }
      if (!isa<Float32Type, Float16Type, BFloat16Type>(tensor->elementType)) {
        return weight.emitOpError("expected f32, f16 or bf16 in \"")
               << tensor->name << "\", but found " << tensor->elementType;
      }
      if (failed(unifyShape(weight, *tensor, shape))) {
        return failure();
      }
      if (first && tensor->elementType != first->elementType) {
        return weight.emitOpError("expected one dtype in all layers, but found ")
               << first->elementType << " in \"" << first->name << "\" and " << tensor->elementType << " in \""
               << tensor->name << "\"";
      }
      first = first ? first : tensor;
    }
    if (!first) { // declared for layers that this checkpoint does not have
      return success();
    }
    weight.setShapeAttr(TypeAttr::get(RankedTensorType::get(shape, first->elementType)));
    return success();
  }

  /// Drops axes of size 1 where the checkpoint has more axes than declared, then matches axis by axis.
  LogicalResult unifyShape(WeightOp weight, const ArrayType &tensor, SmallVector<int64_t> &shape) {
    auto dims = dyn_cast<DimsAttr>(weight.getShape());
    auto mismatch = [&]() {
      std::string expected = dims ? formatDims(dims) : formatShape(shape);
      if (dims) {
        std::string known;
        llvm::StringSet<> listed;
        for (StringAttr name : dims.getNames()) {
          auto [head, tail] = name.getValue().split('*');
          if (auto it = sizes.find(tail.empty() ? head : tail);
              it != sizes.end() && listed.insert(it->first()).second) {
            known += (known.empty() ? " with " : ", ") + it->first().str() + " = " + std::to_string(it->second);
          }
        }
        expected += known;
      }
      return weight.emitOpError("expected shape ")
             << expected << " of \"" << tensor.name << "\", but found " << formatShape(tensor.shape);
    };
    SmallVector<int64_t> found(tensor.shape);
    size_t rank = dims ? dims.getNames().size() : weight.getStoredType().getRank();
    for (auto it = found.begin(); found.size() > rank && it != found.end();) {
      it = *it == 1 ? found.erase(it) : it + 1;
    }
    if (found.size() != rank) {
      return mismatch();
    }
    if (!dims) {
      shape.assign(weight.getStoredType().getShape().begin(), weight.getStoredType().getShape().end());
      return found == shape ? success() : LogicalResult(mismatch());
    }
    for (auto [name, size] : llvm::zip_equal(dims.getNames(), found)) {
      auto [head, tail] = name.getValue().split('*');
      int64_t factor = 1;
      bool literal = !head.getAsInteger(10, factor);
      StringRef symbol = literal ? tail : head;
      if (size <= 0 || size % factor != 0 || (symbol.empty() && size != factor)) {
        return mismatch();
      }
      if (!symbol.empty()) {
        auto [it, inserted] = sizes.try_emplace(symbol, size / factor);
        if (!inserted && it->second != size / factor) {
          return mismatch();
        }
      }
    }
    shape = found;
    return success();
  }

  LogicalResult solveDims() {
    for (bool progress = true; progress;) {
      progress = false;
      for (DimOp dim : model.getBody().getOps<DimOp>()) {
        std::string error;
        std::optional<int64_t> value = DimExpression(dim.getExpression(), sizes).evaluate(error);
        if (!error.empty()) {
          return dim.emitOpError("expected a valid size \"") << dim.getExpression() << "\": " << error;
        }
        if (!value) {
          continue;
        }
        if (*value <= 0) {
          return dim.emitOpError("expected a valid size \"")
                 << dim.getExpression() << "\": expected a positive size, but got " << *value;
        }
        auto [it, inserted] = sizes.try_emplace(dim.getSymName(), *value);
        if (!inserted && it->second != *value) {
          return dim.emitOpError("expected ") << dim.getSymName() << " = " << dim.getExpression() << ", but found "
                                              << it->second << " and " << *value;
        }
        progress |= inserted;
      }
    }
    for (DimOp dim : model.getBody().getOps<DimOp>()) {
      std::string error;
      DimExpression expression(dim.getExpression(), sizes);
      if (!expression.evaluate(error)) {
        return dim.emitOpError("expected the size ")
               << expression.getUnknown() << " to be known, but no weight or relation gives it";
      }
    }
    return success();
  }

  LogicalResult checkUnused() {
    if (input.allowUnused) {
      return success();
    }
    std::string names;
    unsigned count = 0;
    for (const ArrayType &tensor : input.checkpoint) {
      if (!used.contains(tensor.name) && ++count <= 3) {
        names += (names.empty() ? "\"" : ", \"") + tensor.name + "\"";
      }
    }
    if (count == 0) {
      return success();
    }
    return model.emitOpError("expected every tensor of the checkpoint to be a weight, but found ")
           << count << " that are not: " << names << (count > 3 ? ", .." : "") << " (--allow-unused ignores them)";
  }

  ModelOp model;
  const SpecializeInput &input;
  llvm::StringMap<int64_t> &sizes;
  llvm::StringMap<const ArrayType *> tensors;
  std::string twice; // a name that the checkpoint has more than once
  llvm::StringSet<> used;
};

} // namespace

LogicalResult rwkv::bindCheckpoint(ModelOp model, const SpecializeInput &input, llvm::StringMap<int64_t> &sizes) {
  return Binder(model, input, sizes).run();
}
