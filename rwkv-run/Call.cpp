// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rwkv-run call
#include "rwkv-run/Compile.h"
#include "rwkv-run/Npy.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

namespace rwkv::run {

namespace {

/// An input and where it came from: the file, and the name of the array in it.
struct Input {
  std::string source;
  Array array;
};

Array copyArray(const rwkv_array &view, const std::string &source) {
  Array array{view.dtype, {view.shape, view.shape + view.rank}, {}};
  int64_t bytes = arrayBytes(array.dtype, array.shape);
  if (bytes < 0) {
    throw Error(source + ": expected a size below 2^63 bytes, found shape " + shapeText(array.shape));
  }
  const char *data = static_cast<const char *>(view.data);
  array.data.assign(data, data + bytes);
  return array;
}

/// The arrays of a .safetensors file, or the one of that name.
void readSafetensors(rwkv_runtime *rt, const std::string &path, const std::optional<std::string> &wanted,
                     std::vector<Input> &inputs) {
  CheckpointHandle file = openCheckpoint(rt, path);
  std::string names;
  bool found = false;
  for (int64_t i = 0; i < rwkv_checkpoint_count(file.get()); ++i) {
    const char *name = nullptr;
    rwkv_array array;
    rwkv_status status = rwkv_checkpoint_at(file.get(), i, &name, &array);
    if (status == RWKV_E_UNSUPPORTED && wanted) {
      continue; // not the wanted one, or one that will be reported as missing
    }
    check(rt, status);
    names += (names.empty() ? "" : ", ") + inQuotes(name);
    if (!wanted || *wanted == name) {
      found = true;
      std::string source = path + ":" + name;
      inputs.push_back({source, copyArray(array, source)});
    }
  }
  if (wanted && !found) {
    throw Error(path + ": expected an array " + inQuotes(*wanted) + ", found " + (names.empty() ? "none" : names));
  }
}

std::vector<Input> readInputs(rwkv_runtime *rt, const std::vector<std::string> &arguments) {
  static constexpr std::string_view suffix = ".safetensors";
  std::vector<Input> inputs;
  for (const std::string &argument : arguments) {
    size_t colon = argument.find(std::string(suffix) + ":");
    if (colon != std::string::npos) {
      std::string path = argument.substr(0, colon + suffix.size());
      readSafetensors(rt, path, argument.substr(colon + suffix.size() + 1), inputs);
    } else if (isNpy(readStart(argument, 6))) {
      inputs.push_back({argument, readNpy(argument)});
    } else if (argument.size() >= suffix.size() && argument.substr(argument.size() - suffix.size()) == suffix) {
      readSafetensors(rt, argument, std::nullopt, inputs);
    } else {
      throw Error(argument + ": expected an array, .npy or .safetensors, found something else");
    }
  }
  return inputs;
}

/// Converts every input to the element type that the pack's manifest declares, and checks number and rank. Shapes are
/// left to the runtime, which knows how B, T and S bind.
void convertInputs(const rwkv_pack *pack, const std::string &function, std::vector<Input> &inputs) {
  nlohmann::json manifest = nlohmann::json::parse(rwkv_pack_manifest(pack));
  for (const nlohmann::json &candidate : manifest.at("functions")) {
    if (candidate.at("name") != function) {
      continue;
    }
    const nlohmann::json &args = candidate.at("args");
    if (args.size() != inputs.size()) {
      std::string names;
      for (const nlohmann::json &arg : args) {
        names += (names.empty() ? " (" : ", ") + arg.at("name").get<std::string>();
      }
      throw Error(format("%s: expected %zu inputs%s, found %zu", function.c_str(), args.size(),
                         names.empty() ? "" : (names + ")").c_str(), inputs.size()));
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      std::string what = function + ": argument " + args[i].at("name").get<std::string>() + ": " + inputs[i].source;
      size_t rank = args[i].at("shape").size();
      std::vector<int64_t> &shape = inputs[i].array.shape;
      if (shape.size() != rank) {
        throw Error(format("%s: expected rank %zu, found rank %zu, %s", what.c_str(), rank, shape.size(),
                           shapeText(shape).c_str()));
      }
      std::string wanted = args[i].at("dtype");
      for (rwkv_dtype dtype : {RWKV_F32, RWKV_F16, RWKV_BF16, RWKV_F64, RWKV_I32, RWKV_I64, RWKV_U8}) {
        if (wanted == rwkv_dtype_name(dtype)) {
          inputs[i].array = convertArray(std::move(inputs[i].array), dtype, what);
          break;
        }
      }
    }
    return;
  }
  // The runtime's message lists the functions there are.
}

std::vector<rwkv_array> views(std::vector<Input> &inputs) {
  std::vector<rwkv_array> result;
  for (Input &input : inputs) {
    rwkv_array view = {input.array.data.data(), input.array.dtype, static_cast<int32_t>(input.array.shape.size()), {}};
    std::copy(input.array.shape.begin(), input.array.shape.end(), view.shape);
    result.push_back(view);
  }
  return result;
}

} // namespace

void runCall(const CallOptions &options) {
  Log log(options.quiet, options.progress);
  RuntimeHandle runtime = openDevice(options);
  rwkv_runtime *rt = runtime.get();
  std::vector<Input> inputs = readInputs(rt, options.inputs);
  CompileOptions request;
  request.function = options.function;
  for (const Input &input : inputs) {
    request.inputs.push_back({input.source, /*dtype=*/"", input.array.shape}); // convertInputs
  }
  CheckpointHandle checkpoint;
  if (!options.checkpoint.empty()) {
    checkpoint = openCheckpoint(rt, options.checkpoint);
    request.checkpoint = describeCheckpoint(rt, checkpoint.get(), options.allowUnused);
  }
  PackHandle pack = findPack(rt, options, std::move(request), "function " + options.function, log);
  convertInputs(pack.get(), options.function, inputs);

  // A checkpoint that the function does not use at all is no mistake here: it may be shared by several calls.
  rwkv_bind_options bind = {1};
  rwkv_model *handle = nullptr;
  check(rt, rwkv_model_bind(rt, pack.get(), checkpoint.get(), &bind, &handle));
  ModelHandle model(handle);
  std::vector<rwkv_array> in = views(inputs);
  int64_t arity = 0, results = 0, given = static_cast<int64_t>(in.size());
  const char *name = options.function.c_str();
  check(rt, rwkv_function_arity(handle, name, &arity, &results));
  std::vector<rwkv_array> out(results);
  check(rt, rwkv_function_shapes(handle, name, in.data(), given, out.data(), results));
  std::vector<Array> outputs;
  for (rwkv_array &view : out) {
    Array array{view.dtype, {view.shape, view.shape + view.rank}, {}};
    array.data.resize(static_cast<size_t>(arrayBytes(array.dtype, array.shape)));
    view.data = array.data.data();
    outputs.push_back(std::move(array)); // moving keeps the data where it is
  }
  check(rt, rwkv_call(handle, name, in.data(), given, out.data(), results));

  // All files are complete before the first one gets its name.
  std::vector<OutputFile> files;
  for (size_t i = 0; i < outputs.size(); ++i) {
    Array array = npyCompatible(std::move(outputs[i]));
    files.emplace_back(options.output + std::to_string(i) + ".npy");
    files.back().write(npyHeader(array.dtype, array.shape));
    files.back().write({array.data.data(), array.data.size()});
    files.back().finish();
  }
  for (OutputFile &file : files) {
    file.commit();
  }
}

} // namespace rwkv::run
