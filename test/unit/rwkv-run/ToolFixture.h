// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tool as a function, and a model for it.
#ifndef RWKV_TEST_UNIT_RWKV_RUN_TOOLFIXTURE_H
#define RWKV_TEST_UNIT_RWKV_RUN_TOOLFIXTURE_H

#include "FakeDriver.h"
#include "rwkv-run/Npy.h"
#include "rwkv-run/Options.h"

#include <cstdlib>
#include <gtest/gtest.h>

namespace rwkv::run::test {

constexpr const char *usage = "\nrwkv-run --help and rwkv-run COMMAND --help say more\n";

struct Result {
  int code;
  std::string out, err;
};

inline Result tool(const std::vector<std::string> &arguments) {
  std::vector<const char *> argv{"rwkv-run"};
  for (const std::string &argument : arguments) {
    argv.push_back(argument.c_str());
  }
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  int code = runTool(static_cast<int>(argv.size()), argv.data());
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

/// A checkpoint whose most likely text is abcabc.., in a folder with a spec that fits it.
class Tool : public testing::Test {
protected:
  void SetUp() override {
    setenv("RWKV_CACHE_DIR", folder.file("cache").c_str(), 1);
    table.assign(256 * 256, 0.0f);
    set('a', 'b', 10);
    set('b', 'c', 10);
    set('c', 'a', 10);
    save();
    writeAll(spec = folder.file("bigram.mlir"), "bigram\n");
    compilations = 0;
  }

  void TearDown() override { unsetenv("RWKV_CACHE_DIR"); }

  void set(int from, int to, float logit) { table[from * 256 + to] = logit; }
  void save() {
    writeAll(checkpoint = folder.file("model.safetensors"), makeSafetensors({{"table", table}}, {256, 256}));
  }

  Result generate(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"generate", checkpoint, "--spec", spec});
    return tool(arguments);
  }
  Result logits(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"logits", checkpoint, "--spec", spec});
    return tool(arguments);
  }
  void writeArray(const std::string &name, rwkv_dtype dtype, const std::vector<int64_t> &shape, std::string_view data) {
    writeAll(folder.file(name), npyHeader(dtype, shape) + std::string(data));
  }

  TemporaryFolder folder;
  std::vector<float> table;
  std::string checkpoint, spec;
};

inline std::string bytesOf(const std::vector<float> &values) {
  return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)};
}

} // namespace rwkv::run::test

#endif // RWKV_TEST_UNIT_RWKV_RUN_TOOLFIXTURE_H
