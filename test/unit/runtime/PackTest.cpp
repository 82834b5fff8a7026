// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pack file: header, hash, targets and code; and mutated packs.
#include "Packs.h"

#include <cstring>
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

using namespace rwkvtest;

namespace {

class PackTest : public testing::Test {
protected:
  rwkv_status read(const std::string &bytes) {
    rwkv_pack *out = reinterpret_cast<rwkv_pack *>(this);
    rwkv_status status =
        rwkv_pack_read(rt.get(), bytes.data(), bytes.size(), "p.pack", &out);
    EXPECT_EQ(out != nullptr, status == RWKV_OK);
    pack.reset(out);
    return status;
  }
  void refuse(const std::string &bytes, const std::string &message) {
    EXPECT_FAILS(read(bytes), RWKV_E_FORMAT, rt.get(), "p.pack: ");
    EXPECT_NE(std::string(rwkv_message(rt.get())).find(message),
              std::string::npos)
        << rwkv_message(rt.get()) << "\nlacks: " << message;
  }

  Runtime rt = makeRuntime();
  Pack pack;
};

template <typename T> std::string with(std::string pack, size_t at, T value) {
  std::memcpy(pack.data() + at, &value, sizeof(value));
  return pack;
}

// A pack of copies only: it needs no code, so it can run whatever its
// manifest was changed to.
std::string copies() {
  return manifest(
      "[]",
      "[" +
          function(
              "f",
              R"([{"name": "x", "role": "input", "dtype": "f32", "shape": [2, "B", 3]},
 {"name": "i", "role": "input", "dtype": "i32", "shape": ["B", "T"], "below": 9}])",
              R"([{"name": "y", "role": "output", "dtype": "f32", "shape": [2, "B", 3]},
 {"name": "j", "role": "output", "dtype": "i32", "shape": ["B", ["max", "T", 1]]}])",
              R"([{"dtype": "f32", "shape": [["*", "B", 3]]}, {"dtype": "i32", "shape": ["T", "B"]},
 {"dtype": "f32", "shape": [2, "B", 3]}])",
              R"([{"copy": [["temporary", 2], ["arg", 0]]},
 {"repeat": [0, 2], "steps": [{"copy": [["temporary", 0], ["arg", 0, "l"]]},
  {"copy": [["result", 0, "l"], ["temporary", 0]]}]},
 {"copy": [["temporary", 1], ["arg", 1]]}, {"copy": [["result", 1], ["temporary", 1]]},
 {"copy": [["result", 0], ["temporary", 2]]}])") +
          "]",
      "[]", "[]");
}

TEST_F(PackTest, RefusesBadHeaders) {
  const std::string good = packBytes(copies(), "blob");
  ASSERT_OK(read(good), rt.get());
  EXPECT_EQ(rwkv_pack_manifest(pack.get()), copies());

  refuse("", "a header of 48 bytes, found 0 bytes");
  refuse(good.substr(0, 47), "found 47 bytes");
  refuse(with(good, 0, 'r'), "starting with \"RWKVPACK\"");
  refuse(with(good, 8, 2u), "expected pack version 1, found 2");
  refuse(with(good, 12, 1u), "expected 0 in the reserved field, found 1");
  refuse(with(good, 16, uint64_t(0)), "a manifest of 1 .. 67108864 bytes");
  refuse(with(good, 16, ~uint64_t(0)), "found 18446744073709551615");
  refuse(with(good, 16, uint64_t(64 << 20)), "found a file of");
  refuse(with(good, 24, uint64_t(5)), "and 5 bytes of blobs, found a file of");
  refuse(with(good, 24, ~uint64_t(0)), "found a file of");
  refuse(with(good, 24, ~uint64_t(0) - 4095), "found a file of");
  refuse(with(good, 32, uint64_t(1)), "expected contents with hash");
  refuse(with(good, 40, uint64_t(1)), "expected contents with hash");
  refuse(good + "x", "found a file of");

  std::string padded = with(good, 48 + copies().size(), 'x');
  refuse(padded, "expected contents with hash");
  rehash(padded);
  refuse(padded, "expected zero padding after the manifest, found 120");
  std::string nul = with(good, 48 + 20, '\0');
  rehash(nul);
  refuse(nul, "manifest: expected text, found a NUL at byte 20");
}

TEST_F(PackTest, OpensFiles) {
  TempFolder folder;
  std::string path = folder.write("a.pack", packBytes(copies(), ""));
  rwkv_pack *out = nullptr;
  ASSERT_OK(rwkv_pack_open(rt.get(), path.c_str(), &out), rt.get());
  pack.reset(out);
  path = folder.write("empty", "");
  EXPECT_FAILS(rwkv_pack_open(rt.get(), path.c_str(), &out), RWKV_E_FORMAT,
               rt.get(), "empty: expected a pack with a header");
  EXPECT_EQ(out, nullptr);
  path = folder.path("");
  EXPECT_FAILS(rwkv_pack_open(rt.get(), path.c_str(), &out), RWKV_E_IO,
               rt.get(), "found a directory");
}

TEST_F(PackTest, EveryTruncationIsRefused) {
  const std::string good = packBytes(copies(), "blob");
  for (size_t size = 0; size < good.size(); ++size) {
    ASSERT_EQ(read(good.substr(0, size)), RWKV_E_FORMAT) << size;
    std::string bytes = good.substr(0, size);
    if (size >= sizeof(rwkv_pack_header)) {
      rehash(bytes); // so that more than the hash is tested
      ASSERT_EQ(read(bytes), RWKV_E_FORMAT) << size;
    }
  }
  // Also with sizes in the header that fit: the manifest itself ends early.
  for (size_t size = 1; size < copies().size(); ++size) {
    refuse(packBytes(copies().substr(0, size), ""), "manifest: ");
  }
}

TEST_F(PackTest, EveryFlippedBitIsRefused) {
  const std::string good = packBytes(copies(), "blob");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bytes = good;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << i % 8));
    ASSERT_EQ(read(bytes), RWKV_E_FORMAT) << i;
  }
}

// Calls f, if it still is something like f, and checks only that nothing is
// read or written that should not be (by the sanitizers).
void callMutated(rwkv_runtime *rt, rwkv_pack *pack) {
  rwkv_model *bound = nullptr;
  if (rwkv_model_bind(rt, pack, nullptr, nullptr, &bound) != RWKV_OK) {
    return;
  }
  Model model(bound);
  std::vector<float> x(2 * 2 * 3, 1);
  std::vector<int32_t> i(2 * 4, 1);
  rwkv_array inputs[] = {arrayOf(x, {2, 2, 3}), arrayOf(i, {2, 4})};
  rwkv_array outputs[2];
  if (rwkv_function_shapes(bound, "f", inputs, 2, outputs, 2) != RWKV_OK) {
    return;
  }
  std::vector<std::vector<char>> data;
  for (rwkv_array &output : outputs) {
    size_t bytes = rwkv_dtype_size(output.dtype);
    for (int k = 0; k < output.rank; ++k) {
      bytes *= static_cast<size_t>(output.shape[k]);
    }
    if (bytes > 1 << 20) {
      return;
    }
    data.emplace_back(bytes);
    output.data = data.back().data();
  }
  rwkv_call(bound, "f", inputs, 2, outputs, 2);
}

TEST_F(PackTest, SurvivesEveryChangedByteOfTheManifest) {
  const std::string good = copies();
  int opened = 0, refused = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    for (char c : std::string("0179-\"{}[],:lBTSx\x80")) {
      std::string text = good;
      text[i] = c;
      rwkv_status status = read(packBytes(text, ""));
      if (status == RWKV_OK) {
        ++opened;
        callMutated(rt.get(), pack.get());
      } else {
        ++refused;
        ASSERT_STRNE(rwkv_message(rt.get()), "");
      }
    }
    std::string text = good;
    read(packBytes(text.erase(i, 1), ""));
    if (pack) {
      callMutated(rt.get(), pack.get());
    }
  }
  EXPECT_GT(opened, 100);
  EXPECT_GT(refused, 1000);
}

TEST_F(PackTest, ChoosesTheFirstTargetThatFits) {
  const std::string object = readFile(RWKV_TEST_KERNELS);
  const std::string kernels = R"([{"symbol": "which", "scratch": 0}])";
  auto target = [&](const char *name, const char *arch, const char *features) {
    return std::string("{\"name\": \"") + name + "\", \"arch\": \"" + arch +
           "\", \"features\": " + features +
           ", \"offset\": 0, \"size\": " + std::to_string(object.size()) + "}";
  };
  auto build = [&](const std::string &targets, const std::string &blobs) {
    return packBytes(manifest(kernels, "[]", "[]", "[" + targets + "]"), blobs);
  };
#if defined(__x86_64__)
  const char *arch = "x86_64", *other = "aarch64", *feature = R"(["sse2"])";
#else
  const char *arch = "aarch64", *other = "x86_64", *feature = R"(["neon"])";
#endif
  const std::string far = target("far", other, "[]"),
                    new_ = target("new", arch, R"(["nosuch1", "nosuch2"])"),
                    old = target("old", arch, feature);
  EXPECT_OK(read(build(far + "," + new_ + "," + old, object)), rt.get());
  EXPECT_FAILS(read(build(far + "," + new_, object)), RWKV_E_UNSUPPORTED,
               rt.get(), "expected a target for this machine");
  EXPECT_FAILS(read(build(far + "," + new_, object)), RWKV_E_UNSUPPORTED,
               rt.get(),
               std::string("found far (") + other + "); new (" + arch +
                   ", missing here: nosuch1 nosuch2)");
  EXPECT_FAILS(read(build("", object)), RWKV_E_UNSUPPORTED, rt.get(),
               "found none");

  std::string rubbish(object.size(), 'x');
  refuse(build(old, rubbish), "target old: expected a shared object, found:");
  refuse(packBytes(manifest(R"([{"symbol": "absent", "scratch": 0}])", "[]",
                            "[]", "[" + old + "]"),
                   object),
         "expected the kernel \"absent\", found none");
}

#if defined(__x86_64__)
TEST_F(PackTest, KnowsTheFeaturesOfThisProcessor) {
  // What the compiler's own detection says, for what both know.
  const struct {
    const char *name;
    bool here;
  } features[] = {
      {"avx", __builtin_cpu_supports("avx") != 0},
      {"avx2", __builtin_cpu_supports("avx2") != 0},
      {"fma", __builtin_cpu_supports("fma") != 0},
      {"f16c", __builtin_cpu_supports("f16c") != 0},
      {"bmi2", __builtin_cpu_supports("bmi2") != 0},
      {"sse4.2", __builtin_cpu_supports("sse4.2") != 0},
      {"avx512f", __builtin_cpu_supports("avx512f") != 0},
      {"avx512bw", __builtin_cpu_supports("avx512bw") != 0},
      {"avx512vl", __builtin_cpu_supports("avx512vl") != 0},
      {"avx512dq", __builtin_cpu_supports("avx512dq") != 0},
      {"avx512bf16", __builtin_cpu_supports("avx512bf16") != 0},
      {"avx512vnni", __builtin_cpu_supports("avx512vnni") != 0},
      {"avx512vbmi", __builtin_cpu_supports("avx512vbmi") != 0},
  };
  const std::string object = readFile(RWKV_TEST_KERNELS);
  for (const auto &feature : features) {
    std::string bytes = packBytes(
        manifest(
            R"([{"symbol": "which", "scratch": 0}])", "[]", "[]",
            std::string(R"([{"name": "t", "arch": "x86_64", "features": [")") +
                feature.name + R"("], "offset": 0, "size": )" +
                std::to_string(object.size()) + "}]"),
        object);
    EXPECT_EQ(read(bytes), feature.here ? RWKV_OK : RWKV_E_UNSUPPORTED)
        << feature.name;
  }
}

#if defined(__linux__)
TEST_F(PackTest, MatrixTilesNeedTheProcessorAndTheKernel) {
  const std::string object = readFile(RWKV_TEST_KERNELS);
  const std::string bytes = packBytes(
      manifest(
          R"([{"symbol": "which", "scratch": 0}])", "[]", "[]",
          R"([{"name": "t", "arch": "x86_64", "features": ["amx-tile", "amx-bf16"], "offset": 0, "size": )" +
              std::to_string(object.size()) + "}]"),
      object);
  unsigned a, b, c, d = 0;
  const bool has = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) &&
                   (d >> 24 & 1);
  const rwkv_status status = read(bytes);
  if (status != RWKV_OK) {
    EXPECT_EQ(status, RWKV_E_UNSUPPORTED);
    EXPECT_FAILS(status, RWKV_E_UNSUPPORTED, rt.get(),
                 has ? "amx-tile (the kernel refuses it: "
                     : "t (x86_64, missing here: amx-tile amx-bf16)");
    return;
  }
  EXPECT_TRUE(has);
  constexpr int getPermission = 0x1022, tileData = 18;
  uint64_t granted = 0;
  syscall(SYS_arch_prctl, getPermission, &granted);
  EXPECT_TRUE(granted >> tileData & 1) << "the kernel was not asked";
}
#endif
#endif

// The object of one pack must never be taken for that of another.
TEST_F(PackTest, PacksDoNotShareCode) {
  const std::string functions =
      "[" +
      function(
          "f", "[]",
          R"([{"name": "y", "role": "output", "dtype": "f32", "shape": [1]}])",
          "[]", R"([{"launch": 0, "tasks": 1, "buffers": [["result", 0]]}])") +
      "]";
  auto open = [&](const char *file) {
    const std::string object = readFile(file);
    std::string text =
        manifest(R"([{"symbol": "which", "scratch": 0}])", functions);
    size_t at = text.rfind("\"size\": ");
    text = text.substr(0, at) + "\"size\": " + std::to_string(object.size()) +
           "}]}";
    std::string bytes = packBytes(text, object);
    rwkv_pack *out = nullptr;
    EXPECT_OK(rwkv_pack_read(rt.get(), bytes.data(), bytes.size(), "p", &out),
              rt.get());
    return Pack(out);
  };
  auto run = [&](rwkv_pack *pack) {
    Model model = bindModel(rt.get(), pack);
    std::vector<float> y = {0};
    rwkv_array output = arrayOf(y);
    EXPECT_OK(rwkv_call(model.get(), "f", nullptr, 0, &output, 1), rt.get());
    return y[0];
  };
  {
    Pack a = open(RWKV_TEST_KERNELS), b = open(RWKV_TEST_OTHER_KERNELS);
    EXPECT_EQ(run(a.get()), 1);
    EXPECT_EQ(run(b.get()), 2);
    a.reset();
    EXPECT_EQ(run(b.get()), 2);
  }
  EXPECT_EQ(run(open(RWKV_TEST_KERNELS).get()), 1);
  EXPECT_EQ(run(open(RWKV_TEST_OTHER_KERNELS).get()), 2);
}

} // namespace
