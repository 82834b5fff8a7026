// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Pack/Pack.h"

#include "runtime/rwkv_rt_pack.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace rwkv;
using llvm::json::Array;
using llvm::json::Object;

std::string rwkv::spellElement(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << getElementTypeOrSelf(type);
  return text;
}

bool rwkv::isSequences(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getRank() == 1 && tensor.isDynamicDim(0) && tensor.getElementType().isInteger(32);
}

bool rwkv::isPacked(func::FuncOp function) { return llvm::any_of(function.getArgumentTypes(), isSequences); }

Array rwkv::spellShape(Type type, bool packed) {
  if (isSequences(type)) {
    return Array{Array{"+", "S", 1}};
  }
  auto tensor = cast<RankedTensorType>(type);
  bool perToken = tensor.getNumDynamicDims() == 2;
  Array shape;
  unsigned open = 0;
  for (int64_t size : tensor.getShape()) {
    if (!ShapedType::isDynamic(size)) {
      shape.push_back(size);
    } else {
      shape.push_back(!perToken ? (packed ? "S" : "B") : (open++ == 0 ? "B" : "T"));
    }
  }
  return shape;
}

/// Layers for which a weight exists: [from, to).
static std::pair<int64_t, int64_t> getLayerRange(WeightOp weight, int64_t layers) {
  std::string error;
  auto when = weight.getWhen();
  auto holds = [&](int64_t l) { return !when || LayerCondition::parse(*when, error)->holds(l); };
  int64_t from = 0, to = layers;
  while (from < to && !holds(from)) {
    ++from;
  }
  while (to > from && !holds(to - 1)) {
    --to;
  }
  return {from, to};
}

static Array spellKeys(StringRef key) {
  SmallVector<StringRef> keys;
  key.split(keys, '|');
  Array array;
  for (StringRef part : keys) {
    array.push_back(part.trim());
  }
  return array;
}

namespace {
class ManifestBuilder {
public:
  ManifestBuilder(ModuleOp module, const llvm::StringMap<KernelInfo> &infos) : module(module), infos(infos) {}

  FailureOr<Object> run() {
    addKernels();
    auto models = module.getOps<ModelOp>();
    std::string name = "functions";
    if (!models.empty()) {
      ModelOp model = *models.begin();
      name = model.getSymName().str();
      addModel(model);
      for (auto function : model.getBody().getOps<func::FuncOp>()) {
        if (failed(addFunction(function))) {
          return failure();
        }
      }
    }
    for (auto function : module.getOps<func::FuncOp>()) {
      if (failed(addFunction(function))) {
        return failure();
      }
    }
    Object manifest{{"name", name},
                    {"generator", "rwkv-mlir"},
                    {"dims", std::move(dims)},
                    {"params", std::move(params)},
                    {"weights", std::move(weights)},
                    {"functions", std::move(functions)},
                    {"kernels", std::move(kernels)}};
    if (auto assertions = module->getAttrOfType<ArrayAttr>(tile::FlagOp::kAssertions)) {
      Array texts;
      for (auto text : assertions.getAsRange<StringAttr>()) {
        texts.push_back(text.getValue());
      }
      manifest["assertions"] = std::move(texts);
    }
    return manifest;
  }

private:
  void addKernels() {
    for (auto kernel : module.getOps<tile::KernelOp>()) {
      kernelIndex[kernel.getSymName()] = kernels.size();
      KernelInfo info = infos.lookup(kernel.getSymName());
      Object entry{{"symbol", kernel.getSymName()}, {"scratch", info.scratch}};
      if (info.lanes) {
        entry["threads"] = info.lanes;
        entry["shared"] = info.shared;
      }
      kernels.push_back(std::move(entry));
    }
  }

  void addModel(ModelOp model) {
    int64_t layers = 0;
    for (DimOp dim : model.getBody().getOps<DimOp>()) {
      int64_t value = 0;
      (void)dim.getExpression().getAsInteger(10, value);
      dims[dim.getSymName()] = value;
      layers = dim.getSymName() == "L" ? value : layers;
    }
    for (ParamOp param : model.getBody().getOps<ParamOp>()) {
      params[param.getSymName()] = param.getValue().convertToDouble();
    }
    for (WeightOp weight : model.getBody().getOps<WeightOp>()) {
      RankedTensorType type = weight.getStoredType();
      if (!type) { // for layers that this checkpoint does not have
        continue;
      }
      Object entry{{"name", weight.getSymName()},
                   {"keys", spellKeys(weight.getKey())},
                   {"dtype", spellElement(type)},
                   {"shape", spellShape(type, false)}};
      if (weight.isPerLayer()) {
        auto [from, to] = getLayerRange(weight, layers);
        entry["from"] = from;
        entry["to"] = to;
      }
      weightIndex[weight.getSymName()] = weights.size();
      weights.push_back(std::move(entry));
    }
  }

  LogicalResult addFunction(func::FuncOp function) {
    bool packed = isPacked(function);
    Array args, results;
    for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
      auto state = function.getArgAttrOfType<StringAttr>(i, RwkvDialect::kStateAttr);
      auto below = function.getArgAttrOfType<IntegerAttr>(i, RwkvDialect::kBelowAttr);
      StringRef role = state ? "state" : isSequences(type) ? "sequences" : "input";
      Object value{{"name", state ? state.getValue().str() : "arg" + std::to_string(i)},
                   {"role", role},
                   {"dtype", spellElement(type)},
                   {"shape", spellShape(type, packed)}};
      if (below) {
        value["below"] = below.getInt();
      }
      args.push_back(std::move(value));
    }
    for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
      auto state = function.getResultAttrOfType<StringAttr>(i, RwkvDialect::kStateAttr);
      results.push_back(Object{{"name", state ? state.getValue().str() : "result" + std::to_string(i)},
                               {"role", state ? "state" : "output"},
                               {"dtype", spellElement(type)},
                               {"shape", spellShape(type, packed)}});
    }
    FailureOr<Object> plan = buildPlan(function, weightIndex, kernelIndex);
    if (failed(plan)) {
      return failure();
    }
    functions.push_back(Object{{"name", function.getSymName()},
                               {"args", std::move(args)},
                               {"results", std::move(results)},
                               {"plan", std::move(*plan)}});
    return success();
  }

  ModuleOp module;
  const llvm::StringMap<KernelInfo> &infos;
  llvm::StringMap<int64_t> kernelIndex, weightIndex;
  Object dims, params;
  Array weights, functions, kernels;
};
} // namespace

FailureOr<Object> rwkv::buildManifest(ModuleOp module, const llvm::StringMap<KernelInfo> &infos) {
  return ManifestBuilder(module, infos).run();
}

std::string rwkv::assemblePack(Object manifest, const TargetInfo &target, StringRef code) {
  static_assert(llvm::endianness::native == llvm::endianness::little, "packs are little-endian");
  Array features;
  for (const std::string &feature : target.required.empty() ? target.features : target.required) {
    features.push_back(feature);
  }
  manifest["targets"] = Array{Object{{"name", target.chip},
                                     {"arch", target.triple.substr(0, target.triple.find('-'))},
                                     {"features", std::move(features)},
                                     {"offset", 0},
                                     {"size", static_cast<int64_t>(code.size())}}};
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(manifest));

  rwkv_pack_header header = {};
  std::memcpy(header.magic, RWKV_PACK_MAGIC, sizeof(header.magic));
  header.version = RWKV_PACK_VERSION;
  header.manifest_bytes = text.size();
  header.blob_bytes = code.size();
  std::string payload = text;
  payload.append((RWKV_PACK_ALIGN - (sizeof(header) + text.size()) % RWKV_PACK_ALIGN) % RWKV_PACK_ALIGN, '\0');
  payload += code;
  llvm::XXH128_hash_t hash =
      llvm::xxh3_128bits(ArrayRef(reinterpret_cast<const uint8_t *>(payload.data()), payload.size()));
  header.hash[0] = hash.low64;
  header.hash[1] = hash.high64;
  return std::string(reinterpret_cast<const char *>(&header), sizeof(header)) + payload;
}
