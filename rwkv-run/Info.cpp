// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rwkv-run info
#include "runtime/rwkv_rt_pack.h"
#include "rwkv-run/Compile.h"
#include "rwkv-run/Npy.h"

#include <cstdio>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace rwkv::run {

namespace {

// Keeps the order of the file.
using Json = nlohmann::ordered_json;

/// A size of a plan: 64, T, S+1, ceildiv(T, 16).
std::string exprText(const Json &expr) {
  if (expr.is_string()) {
    return expr.get<std::string>();
  }
  if (!expr.is_array() || expr.size() != 3) {
    return expr.dump();
  }
  std::string op = expr[0], a = exprText(expr[1]), b = exprText(expr[2]);
  return op == "+" || op == "*" ? a + op + b : op + "(" + a + ", " + b + ")";
}

std::string typeText(const Json &value) {
  std::string text = value.at("dtype").get<std::string>() + "[";
  bool first = true;
  for (const Json &extent : value.at("shape")) {
    text += (first ? "" : ", ") + exprText(extent);
    first = false;
  }
  return text + "]";
}

std::string valuesText(const Json &values) {
  std::string text = "(";
  for (const Json &value : values) {
    std::string role = value.at("role");
    text += (text.size() > 1 ? ", " : "") + value.at("name").get<std::string>() + ": " + typeText(value);
    text += role == "state" || role == "sequences" ? " " + role : "";
  }
  return text + ")";
}

std::string pairsText(const Json &object) {
  std::string text;
  for (const auto &[name, value] : object.items()) {
    text += (text.empty() ? "" : ", ") + name + " = " + value.dump();
  }
  return text.empty() ? "none" : text;
}

rwkv_dtype dtypeOf(const std::string &name) {
  for (rwkv_dtype dtype : {RWKV_F32, RWKV_F16, RWKV_BF16, RWKV_F64, RWKV_I32, RWKV_I64, RWKV_U8}) {
    if (name == rwkv_dtype_name(dtype)) {
      return dtype;
    }
  }
  throw Error("expected an element type, found " + inQuotes(name));
}

/// Bytes of one sequence's state: every array of role "state", once, with S = 1.
uint64_t stateBytes(const Json &manifest, std::string &arrays) {
  std::set<std::string> seen;
  uint64_t total = 0;
  for (const Json &function : manifest.at("functions")) {
    for (const Json &value : function.at("args")) {
      std::string name = value.at("name");
      if (value.at("role") != "state" || !seen.insert(name).second) {
        continue;
      }
      std::vector<int64_t> shape;
      for (const Json &extent : value.at("shape")) {
        shape.push_back(extent.is_number_integer() ? extent.get<int64_t>() : 1);
      }
      total += static_cast<uint64_t>(arrayBytes(dtypeOf(value.at("dtype")), shape));
      arrays += (arrays.empty() ? "" : ", ") + name + ": " + typeText(value);
    }
  }
  return total;
}

void showWeights(const Json &weights) {
  uint64_t total = 0;
  size_t width = 4;
  for (const Json &weight : weights) {
    width = std::max(width, weight.at("name").get<std::string>().size());
  }
  printf("weights (%zu):\n", weights.size());
  for (const Json &weight : weights) {
    std::string keys;
    for (const Json &key : weight.at("keys")) {
      keys += (keys.empty() ? "" : " or ") + key.get<std::string>();
    }
    int64_t layers = 1;
    if (weight.contains("from")) {
      int64_t from = weight.at("from"), to = weight.at("to");
      keys += format(" for l = %lld .. %lld", (long long)from, (long long)to - 1);
      layers = to - from;
    }
    std::vector<int64_t> shape = weight.at("shape");
    total += static_cast<uint64_t>(arrayBytes(dtypeOf(weight.at("dtype")), shape)) * static_cast<uint64_t>(layers);
    printf("  %-*s  %-22s  %s\n", static_cast<int>(width), weight.at("name").get<std::string>().c_str(),
           typeText(weight).c_str(), keys.c_str());
  }
  printf("  in all %s\n", sizeText(total).c_str());
}

void showPack(const std::string &path, const Json &manifest, uint64_t fileSize, const std::string &device,
              const std::string &problem) {
  printf("%s: pack %s, %s, made by %s\n", path.c_str(), manifest.at("name").get<std::string>().c_str(),
         sizeText(fileSize).c_str(), manifest.at("generator").get<std::string>().c_str());
  printf("dims: %s\n", pairsText(manifest.at("dims")).c_str());
  printf("params: %s\n", pairsText(manifest.at("params")).c_str());
  printf("targets (%zu):\n", manifest.at("targets").size());
  for (const Json &target : manifest.at("targets")) {
    std::string features;
    for (const Json &feature : target.at("features")) {
      features += " " + feature.get<std::string>();
    }
    printf("  %s  %s  code %s  needs%s\n", target.at("name").get<std::string>().c_str(),
           target.at("arch").get<std::string>().c_str(), sizeText(target.at("size")).c_str(),
           features.empty() ? " nothing more" : features.c_str());
  }
  std::string arrays;
  uint64_t bytes = stateBytes(manifest, arrays);
  printf("state: %s for one sequence%s%s\n", sizeText(bytes).c_str(), arrays.empty() ? "" : "; ", arrays.c_str());
  printf("functions (%zu):\n", manifest.at("functions").size());
  for (const Json &function : manifest.at("functions")) {
    printf("  %s%s -> %s\n", function.at("name").get<std::string>().c_str(), valuesText(function.at("args")).c_str(),
           valuesText(function.at("results")).c_str());
  }
  showWeights(manifest.at("weights"));
  if (!problem.empty()) {
    printf("does not run %s: %s\n", device.empty() ? "here" : ("on " + device).c_str(), problem.c_str());
  }
}

/// The manifest of a pack whose file is well-formed but that has no code for this machine.
std::string manifestOf(const std::string &bytes) {
  rwkv_pack_header header;
  if (bytes.size() < sizeof(header)) {
    throw Error("expected a pack, found a shorter file");
  }
  memcpy(&header, bytes.data(), sizeof(header));
  return bytes.substr(sizeof(header), header.manifest_bytes);
}

void infoPack(rwkv_runtime *rt, const InfoOptions &options) {
  std::string bytes = readFile(options.file, uint64_t(1) << 34), text, problem;
  rwkv_pack *opened = nullptr;
  rwkv_status status = rwkv_pack_read(rt, bytes.data(), bytes.size(), options.file.c_str(), &opened);
  PackHandle pack(opened);
  if (status == RWKV_E_UNSUPPORTED) { // the runtime reports this last, when everything else was found to be right
    text = manifestOf(bytes);
    problem = rwkv_message(rt);
  } else {
    check(rt, status);
    text = rwkv_pack_manifest(opened);
  }
  if (options.json) {
    printf("%s\n", Json::parse(text).dump(2).c_str());
  } else {
    showPack(options.file, Json::parse(text), bytes.size(), options.device, problem);
  }
}

void infoCheckpoint(rwkv_runtime *rt, const InfoOptions &options) {
  CheckpointHandle checkpoint = openCheckpoint(rt, options.file);
  int64_t count = rwkv_checkpoint_count(checkpoint.get());
  std::vector<ArrayInfo> tensors = describeCheckpoint(rt, checkpoint.get(), true);
  Json list = Json::array();
  std::map<std::string, int64_t> types;
  uint64_t total = 0;
  size_t width = 0;
  for (const ArrayInfo &tensor : tensors) {
    total += static_cast<uint64_t>(arrayBytes(dtypeOf(tensor.dtype), tensor.shape));
    ++types[tensor.dtype];
    width = std::max(width, tensor.name.size());
    list.push_back({{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}});
  }
  int64_t others = count - static_cast<int64_t>(tensors.size());
  if (options.json) {
    Json object = {{"tensors", list}, {"bytes", total}, {"unsupported", others}};
    printf("%s\n", object.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return;
  }
  for (const ArrayInfo &tensor : tensors) {
    printf("%-*s  %-4s  %s\n", static_cast<int>(width), tensor.name.c_str(), tensor.dtype.c_str(),
           shapeText(tensor.shape).c_str());
  }
  std::string text;
  for (const auto &[type, number] : types) {
    text += format("%s%lld %s", text.empty() ? "" : ", ", (long long)number, type.c_str());
  }
  printf("%lld tensor%s%s%s%s, %s\n", (long long)tensors.size(), tensors.size() == 1 ? "" : "s",
         text.empty() ? "" : " (", text.c_str(), text.empty() ? "" : ")", sizeText(total).c_str());
  if (others > 0) {
    printf("%lld more of types that this runtime does not have\n", (long long)others);
  }
}

} // namespace

void runInfo(const InfoOptions &options) {
  RuntimeHandle runtime = createRuntime({options.device.empty() ? "host" : options.device.c_str(), 1, 0});
  if (options.file.empty()) {
    printf("device %s: expects packs of target %s\n", options.device.c_str(), rwkv_runtime_target(runtime.get()));
    return;
  }
  std::string start = readStart(options.file, 9);
  if (std::string_view(start).substr(0, 8) == std::string_view(RWKV_PACK_MAGIC, 8)) {
    infoPack(runtime.get(), options);
  } else if (start.size() == 9 && start[8] == '{') {
    infoCheckpoint(runtime.get(), options);
  } else {
    throw Error(options.file + ": expected a pack or a checkpoint (.safetensors), found something else");
  }
}

} // namespace rwkv::run
