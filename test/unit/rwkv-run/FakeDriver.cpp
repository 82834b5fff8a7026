// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Understands four specs, by their first word:
//   bigram         fits a checkpoint whose first tensor is "table"
//   copy DTYPE     a function of the requested name that copies an array of rank 1
//   warn           as bigram, with a warning and a remark
//   anything else  does not compile
#include "FakeDriver.h"
#include "runtime/rwkv_rt_pack.h"
#include "rwkv-opt/Driver.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#if defined(__aarch64__)
#define TEST_ARCH "aarch64"
#else
#define TEST_ARCH "x86_64"
#endif

namespace rwkv::run::test {

int compilations = 0;

std::string readAll(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void writeAll(const std::string &path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "rwkv-run-test-XXXXXX").string();
  path = mkdtemp(name.data());
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path); }

std::vector<std::string> TemporaryFolder::names() const {
  std::vector<std::string> result;
  for (const auto &entry : std::filesystem::directory_iterator(path)) {
    result.push_back(entry.path().filename().string());
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::string makePack(const std::string &manifest, const std::string &blob) {
  rwkv_pack_header header = {};
  memcpy(header.magic, RWKV_PACK_MAGIC, sizeof(header.magic));
  header.version = RWKV_PACK_VERSION;
  header.manifest_bytes = manifest.size();
  header.blob_bytes = blob.size();
  size_t end = sizeof(header) + manifest.size();
  std::string rest = manifest;
  rest.append((end + RWKV_PACK_ALIGN - 1) / RWKV_PACK_ALIGN * RWKV_PACK_ALIGN - end, '\0');
  rest += blob;
  XXH128_hash_t hash = XXH3_128bits(rest.data(), rest.size());
  header.hash[0] = hash.low64;
  header.hash[1] = hash.high64;
  return std::string(reinterpret_cast<const char *>(&header), sizeof(header)) + rest;
}

// Manifests are text here: initializer lists of the JSON library take some arrays of pairs for objects.
static std::string manifestOf(const std::string &name, const std::string &rest) {
  return R"({"name":")" + name + R"(","generator":"test",)" + rest + "}";
}

std::string makeCopyPack(const std::string &name, const std::string &dtype, int rank) {
  std::string shape = R"(["T")";
  for (int i = 1; i < rank; ++i) {
    shape += ",2";
  }
  auto value = [&](const char *which) {
    return std::string(R"({"name":")") + which + R"(","role":"input","dtype":")" + dtype + R"(","shape":)" + shape +
           "]}";
  };
  return makePack(
      manifestOf("copy", R"("dims":{},"params":{},"weights":[],"functions":[{"name":")" + name + R"(","args":[)" +
                             value("x") + R"(],"results":[)" + value("y") +
                             R"(],"plan":{"temporaries":[],"steps":[{"copy":[["result",0],["arg",0]]}]}}],)" +
                             R"("kernels":[],"targets":[])"));
}

std::string makeBigramPack(const std::string &target) {
  std::string state = R"({"name":"count","role":"state","dtype":"f32","shape":["S"]})";
  auto function = [&](const std::string &name, const std::string &kernel, const std::string &shape) {
    std::string launch = R"({"launch":)" + kernel + R"(,"tasks":"S","buffers":)" +
                         R"([["arg",0],["arg",1],["weight",0],["arg",2],["result",0],["result",1]]})";
    // The same three times: plans of fewer steps are not replayed.
    return R"({"name":")" + name + R"(","args":[{"name":"tokens","role":"input","dtype":"i32","shape":["B","T"]},)" +
           R"({"name":"cu","role":"sequences","dtype":"i32","shape":[["+","S",1]]},)" + state +
           R"(],"results":[{"name":"logits","role":"input","dtype":"f32","shape":)" + shape + "}," + state +
           R"(],"plan":{"temporaries":[],"steps":[)" + launch + "," + launch + "," + launch + "]}}";
  };
  bool host = target == "host";
  std::string code = host ? readAll(RWKV_TEST_KERNELS) // as the driver of test/unit/runtime/fake_driver.c takes it
                          : std::string(".version 8.0\n// object: ") + RWKV_TEST_KERNELS + "\n";
  std::string sizes = host ? R"(","scratch":0})" : R"(","scratch":0,"threads":32,"shared":0})";
  return makePack(
      manifestOf("bigram",
                 R"("dims":{"V":256},"params":{"scale":0.5},)"
                 R"("weights":[{"name":"table","keys":["table"],"dtype":"f32","shape":[256,256]}],"functions":[)" +
                     function("prefill", "0", R"(["S",256])") + "," + function("forward", "1", R"(["B","T",256])") +
                     R"(],"kernels":[{"symbol":"bigram_prefill)" + sizes + R"(,{"symbol":"bigram_forward)" + sizes +
                     R"(],"targets":[{"name":")" + target + R"(","arch":")" + (host ? TEST_ARCH : "nvptx64") +
                     R"(","features":[)" + (host ? "" : '"' + target + '"') + R"(],"offset":0,"size":)" +
                     std::to_string(code.size()) + "}]"),
      code);
}

std::string makeSafetensors(const std::vector<std::pair<std::string, std::vector<float>>> &arrays,
                            const std::vector<int64_t> &shape) {
  nlohmann::ordered_json header;
  std::string data;
  for (const auto &[name, values] : arrays) {
    size_t begin = data.size();
    data.append(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  uint64_t length = text.size();
  return std::string(reinterpret_cast<const char *>(&length), sizeof(length)) + text + data;
}

} // namespace rwkv::run::test

namespace rwkv {

using namespace run::test;

CompileResult compileToPack(const std::string &spec, const std::string &name, const CompileOptions &options) {
  ++compilations;
  if (options.progress) {
    options.progress("step 1");
  }
  CompileResult result;
  std::string word = spec.substr(0, spec.find_first_of(" \n"));
  if (word == "copy") {
    std::string rest = spec.substr(5);
    result = {true, makeCopyPack(options.function, rest.substr(0, rest.find_first_of(" \n")), 1), ""};
  } else if (word != "bigram" && word != "warn") {
    result.diagnostics = name + ":1:1: error: expected a spec, found '" + word + "'\n" + name + ":1:1: note: here\n";
  } else if (options.checkpoint.empty() || options.checkpoint[0].name != "table") {
    result.diagnostics = name + ":2:3: error: expected tensor \"table\", found none\n";
  } else {
    result = {true, makeBigramPack(options.target), ""};
    if (word == "warn") {
      result.diagnostics = name + ":1:1: remark: chunked\n" + name + ":2:2: warning: careful\n" + name +
                           ":3:3: note: because\n" + name + ":4:4: remark: fused\n";
    }
  }
  return result;
}

std::string compileKey(const std::string &spec, const CompileOptions &options) {
  std::string key = spec + '\0' + options.target + '\0' + options.schedule + '\0' + options.function;
  for (const auto &[name, value] : options.params) {
    key += '\0' + name + std::to_string(value);
  }
  return key;
}

} // namespace rwkv
