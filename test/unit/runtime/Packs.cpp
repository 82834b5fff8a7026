// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Packs.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdlib.h>

// Absurd sizes must come back as RWKV_E_MEMORY under AddressSanitizer too.
extern "C" const char *__asan_default_options() {
  return "allocator_may_return_null=1";
}
extern "C" const char *__tsan_default_options() {
  return "allocator_may_return_null=1";
}

namespace rwkvtest {

Runtime makeRuntime(int32_t threads) {
  rwkv_runtime_options options = {"host", threads, 0};
  rwkv_runtime *rt = nullptr;
  EXPECT_EQ(rwkv_runtime_create(&options, &rt), RWKV_OK) << rwkv_message(rt);
  return Runtime(rt);
}

TempFolder::TempFolder() {
  folder = testing::TempDir() + "/rwkv-XXXXXX";
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
}

TempFolder::~TempFolder() { std::filesystem::remove_all(folder); }

std::string TempFolder::write(const std::string &name,
                              const std::string &bytes) const {
  // Some file systems flush a file that is truncated and written again.
  std::filesystem::remove(path(name));
  std::ofstream(path(name), std::ios::binary) << bytes;
  return path(name);
}

std::vector<std::string> TempFolder::list() const {
  std::vector<std::string> names;
  for (const auto &entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
  }
  return names;
}

std::string readFile(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string floats(const std::vector<float> &values) {
  return std::string(reinterpret_cast<const char *>(values.data()),
                     values.size() * sizeof(float));
}

std::string replaced(std::string text, const std::string &from,
                     const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string safetensors(std::string header, const std::string &data) {
  header.resize((header.size() + 7) / 8 * 8, ' ');
  uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char *>(&length), sizeof(length));
  return bytes + header + data;
}

void rehash(std::string &pack) {
  rwkv_pack_header header;
  ASSERT_GE(pack.size(), sizeof(header));
  std::memcpy(&header, pack.data(), sizeof(header));
  XXH128_hash_t hash =
      XXH3_128bits(pack.data() + sizeof(header), pack.size() - sizeof(header));
  header.hash[0] = hash.low64;
  header.hash[1] = hash.high64;
  std::memcpy(pack.data(), &header, sizeof(header));
}

std::string packBytes(const std::string &manifest, const std::string &blobs) {
  rwkv_pack_header header = {};
  std::memcpy(header.magic, RWKV_PACK_MAGIC, sizeof(header.magic));
  header.version = RWKV_PACK_VERSION;
  header.manifest_bytes = manifest.size();
  header.blob_bytes = blobs.size();
  std::string pack(reinterpret_cast<const char *>(&header), sizeof(header));
  pack += manifest;
  pack.resize((pack.size() + RWKV_PACK_ALIGN - 1) / RWKV_PACK_ALIGN *
              RWKV_PACK_ALIGN);
  pack += blobs;
  rehash(pack);
  return pack;
}

static const std::string &kernelObject() {
  static const std::string bytes = readFile(RWKV_TEST_KERNELS);
  return bytes;
}

std::string manifest(const std::string &kernels, const std::string &functions,
                     const std::string &weights, const std::string &targets) {
#if defined(__aarch64__)
  const char *arch = "aarch64";
#else
  const char *arch = "x86_64";
#endif
  std::string here = R"([{"name": "here", "arch": ")" + std::string(arch) +
                     R"(", "features": [], "offset": 0, "size": )" +
                     std::to_string(kernelObject().size()) + "}]";
  return R"({"name": "toy", "generator": "unit test", "dims": {"D": 4, "V": 8},
 "params": {"eps": 1e-5}, "weights": )" +
         weights + ",\n \"functions\": " + functions +
         ",\n \"kernels\": " + kernels +
         ",\n \"targets\": " + (targets.empty() ? here : targets) + "}";
}

std::string function(const std::string &name, const std::string &args,
                     const std::string &results, const std::string &temporaries,
                     const std::string &steps) {
  return "{\"name\": \"" + name + "\", \"args\": " + args +
         ", \"results\": " + results +
         ",\n  \"plan\": {\"temporaries\": " + temporaries +
         ", \"steps\": " + steps + "}}";
}

Pack openPack(rwkv_runtime *rt, const std::string &manifest) {
  std::string bytes = packBytes(manifest, kernelObject());
  rwkv_pack *pack = nullptr;
  EXPECT_OK(rwkv_pack_read(rt, bytes.data(), bytes.size(), "test.pack", &pack),
            rt);
  return Pack(pack);
}

Model bindModel(rwkv_runtime *rt, rwkv_pack *pack,
                rwkv_checkpoint *checkpoint) {
  rwkv_model *model = nullptr;
  EXPECT_OK(rwkv_model_bind(rt, pack, checkpoint, nullptr, &model), rt);
  return Model(model);
}

template <typename T>
static rwkv_array makeArray(std::vector<T> &values, std::vector<int64_t> shape,
                            rwkv_dtype dtype) {
  if (shape.empty()) {
    shape = {static_cast<int64_t>(values.size())};
  }
  rwkv_array array = {};
  array.data = values.data();
  array.dtype = dtype;
  array.rank = static_cast<int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), array.shape);
  return array;
}

rwkv_array arrayOf(std::vector<float> &values, std::vector<int64_t> shape) {
  return makeArray(values, shape, RWKV_F32);
}

rwkv_array arrayOf(std::vector<int32_t> &values, std::vector<int64_t> shape) {
  return makeArray(values, shape, RWKV_I32);
}

// ---- the toy model ----------------------------------------------------------

static std::vector<float> embeddings() {
  std::vector<float> values;
  for (int i = 0; i < 8 * 4; ++i) {
    values.push_back(static_cast<float>((i * 7) % 11 - 5) / 4);
  }
  return values;
}

static std::vector<float> decays(int layer) {
  return layer == 0 ? std::vector<float>{0.5f, 0.75f, 1.0f, -0.5f}
                    : std::vector<float>{0.25f, 1.5f, 0.125f, 0.9f};
}

std::string Toy::checkpointBytes(const std::string &decay) {
  auto tensor = [](const std::string &name, const char *shape,
                   const char *offsets) {
    return "\"" + name + R"(": {"dtype": "F32", "shape": )" + shape +
           ", \"data_offsets\": " + offsets + "}";
  };
  return safetensors(
      "{" + tensor(replaced(decay, "{l}", "1"), "[1, 1, 4]", "[144, 160]") +
          ", " + tensor("emb.weight", "[8, 4]", "[0, 128]") + ", " +
          tensor(replaced(decay, "{l}", "0"), "[4]", "[128, 144]") + "}",
      floats(embeddings()) + floats(decays(0)) + floats(decays(1)));
}

std::string Toy::manifestText() {
  const std::string args = R"([
    {"name": "tokens", "role": "input", "dtype": "i32", "shape": ["B", "T"]},
    {"name": "offsets", "role": "sequences", "dtype": "i32", "shape": [["+", "S", 1]]},
    {"name": "a", "role": "state", "dtype": "f32", "shape": [2, "S", 4]},
    {"name": "n", "role": "state", "dtype": "i32", "shape": ["S"]}])";
  const std::string states = R"(
    {"name": "a", "role": "state", "dtype": "f32", "shape": [2, "S", 4]},
    {"name": "n", "role": "state", "dtype": "i32", "shape": ["S"]}])";
  const std::string temporaries =
      R"([{"dtype": "f32", "shape": ["T", 4]}, {"dtype": "f32", "shape": ["T", 4]}])";
  // x lives in temporary 0, across the repeat; temporary 1 within it.
  const std::string steps = R"([
    {"launch": 0, "tasks": "T", "buffers": [["arg", 0], ["weight", 0], ["temporary", 0]]},
    {"repeat": [0, 2], "steps": [
      {"launch": 1, "tasks": "S", "buffers": [["temporary", 0], ["weight", 1], ["arg", 1], ["arg", 2, "l"],
                                              ["temporary", 1], ["result", 1, "l"]]},
      {"copy": [["temporary", 0], ["temporary", 1]]}]},
    {"launch": 2, "tasks": "S", "buffers": [["arg", 1], ["arg", 3], ["result", 2]]},
)";
  return manifest(
      R"([{"symbol": "embed", "scratch": 0}, {"symbol": "layer", "scratch": 100}, {"symbol": "count", "scratch": 0},
 {"symbol": "head", "scratch": 0}, {"symbol": "last", "scratch": 0}])",
      "[" +
          function(
              "forward", args,
              R"([{"name": "logits", "role": "output", "dtype": "f32", "shape": ["B", "T", 8]},)" +
                  states,
              temporaries,
              steps +
                  R"({"launch": 3, "tasks": "T", "buffers": [["temporary", 0], ["weight", 0], ["result", 0]]}])") +
          ",\n" +
          function(
              "prefill", args,
              R"([{"name": "logits", "role": "output", "dtype": "f32", "shape": ["S", 8]},)" +
                  states,
              temporaries,
              steps +
                  R"({"launch": 4, "tasks": "S", "buffers": [["temporary", 0], ["weight", 0], ["arg", 1],
                                                 ["result", 0]]}])") +
          "]",
      R"([{"name": "emb", "keys": ["emb.weight"], "dtype": "f32", "shape": [8, 4]},
 {"name": "w", "keys": ["other.{l}", "w.{l}"], "dtype": "f32", "shape": [4], "from": 0, "to": 2}])");
}

std::vector<float> Toy::expected(const std::vector<int32_t> &tokens) {
  std::vector<float> emb = embeddings(), logits;
  float state[2][4] = {};
  for (int32_t token : tokens) {
    float x[4];
    for (int d = 0; d < 4; ++d) {
      x[d] = emb[token * 4 + d];
      for (int layer = 0; layer < 2; ++layer) {
        // volatile: no fused multiply-add, as in the kernels
        volatile float product = decays(layer)[d] * state[layer][d];
        x[d] = state[layer][d] = product + x[d];
      }
    }
    for (int v = 0; v < 8; ++v) {
      float sum = 0;
      for (int d = 0; d < 4; ++d) {
        volatile float product = x[d] * emb[v * 4 + d];
        sum += product;
      }
      logits.push_back(sum);
    }
  }
  return logits;
}

Toy::Toy(int32_t threads) : rt(makeRuntime(threads)) {
  pack = openPack(rt.get(), manifestText());
  std::string path = folder.write("toy.safetensors", checkpointBytes());
  rwkv_checkpoint *opened = nullptr;
  EXPECT_OK(rwkv_checkpoint_open(rt.get(), path.c_str(), &opened), rt.get());
  checkpoint.reset(opened);
  model = bindModel(rt.get(), pack.get(), opened);
}

State Toy::state(int64_t sequences) const {
  rwkv_state *created = nullptr;
  EXPECT_OK(rwkv_state_create(model.get(), sequences, &created), rt.get());
  return State(created);
}

std::string contents(rwkv_state *state) {
  std::string bytes;
  const char *name;
  rwkv_array array;
  for (int64_t k = 0; rwkv_state_array(state, k, &name, &array) == RWKV_OK;
       ++k) {
    size_t size = rwkv_dtype_size(array.dtype);
    for (int i = 0; i < array.rank; ++i) {
      size *= static_cast<size_t>(array.shape[i]);
    }
    bytes += name;
    bytes.append(static_cast<const char *>(array.data), size);
  }
  for (int64_t i = 0; i < rwkv_state_sequences(state); ++i) {
    bytes += " " + std::to_string(rwkv_state_position(state, i));
  }
  return bytes;
}

} // namespace rwkvtest
