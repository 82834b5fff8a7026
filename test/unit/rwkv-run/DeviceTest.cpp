// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tool on GPUs, with the stand-ins for the compiler and for their driver.
#include "ToolFixture.h"
#include "test/unit/runtime/fake_driver.h"

#include <cstring>
#include <dlfcn.h>

using namespace rwkv::run;
using namespace rwkv::run::test;

namespace {

/// Two GPUs that are not there.
class Gpus : public Tool {
protected:
  void SetUp() override {
    Tool::SetUp();
    setenv("RWKV_LIBCUDA", RWKV_TEST_DRIVER, 1);
    void *library = dlopen(RWKV_TEST_DRIVER, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    ASSERT_NE(library, nullptr) << dlerror();
    void *address = dlsym(library, "fake_driver");
    fake_driver_function function;
    memcpy(&function, &address, sizeof(address));
    driver = function();
    *driver = {};
    driver->devices = 2;
    driver->major = 9;
    driver->version = 12040;
    driver->threads = driver->function_threads = 1024;
    driver->shared = 232448;
    driver->memory = 64 << 20;
    driver->scratch = 4096;
  }

  void TearDown() override {
    EXPECT_EQ(driver->blocks, 0u);
    EXPECT_EQ(driver->contexts, 0);
    unsetenv("RWKV_LIBCUDA");
    Tool::TearDown();
  }

  fake_control *driver = nullptr;
};

TEST_F(Gpus, Run) {
  std::vector<std::string> some = {"--prompt", "a", "--tokens", "3", "--temperature", "0"}, more = some;
  EXPECT_EQ(generate(some).out, "bca");
  EXPECT_EQ(driver->launch_count, 0) << "the host is the default";
  more.insert(more.end(), {"--device", "cuda"});
  Result result = generate(more);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out, "bca");
  EXPECT_GE(driver->launch_count, 3);
  EXPECT_EQ(compilations, 2) << "a pack of the host is none for the device";
  more.back() = "cuda:1";
  EXPECT_EQ(generate(more).out, "bca");
  more.insert(more.end(), {"--threads", "7"}); // a device has none of ours
  EXPECT_EQ(generate(more).out, "bca");
  EXPECT_EQ(compilations, 2) << "two devices of a kind share a pack";
  driver->major = 8;
  EXPECT_EQ(generate(more).out, "bca");
  EXPECT_EQ(compilations, 3) << "another kind of device is another target";

  std::string onHost = folder.file("host.npy"), onDevice = folder.file("device.npy");
  EXPECT_EQ(logits({"--tokens", "5,97,7", "--all", "-o", onHost}).err, "");
  EXPECT_EQ(logits({"--tokens", "5,97,7", "--all", "-o", onDevice, "--device", "cuda"}).err, "");
  EXPECT_EQ(readAll(onHost), readAll(onDevice));
}

TEST_F(Gpus, Graphs) {
  std::vector<std::string> arguments = {"--prompt", "a", "--tokens", "8", "--temperature", "0", "--device", "cuda"};
  EXPECT_EQ(generate(arguments).out, "bcabcabc");
  EXPECT_GT(driver->replayed, 0);
  driver->replayed = driver->instantiated = 0;
  arguments.push_back("--no-graphs");
  EXPECT_EQ(generate(arguments).out, "bcabcabc");
  EXPECT_EQ(driver->instantiated, 0);
  EXPECT_EQ(driver->replayed, 0);
}

TEST_F(Gpus, Call) {
  auto bytes = [](const std::vector<int32_t> &values) {
    return std::string_view(reinterpret_cast<const char *>(values.data()), values.size() * 4);
  };
  writeArray("tokens.npy", RWKV_I32, {1, 2}, bytes({'x', 'a'}));
  writeArray("cu.npy", RWKV_I32, {2}, bytes({0, 2}));
  writeArray("count.npy", RWKV_F32, {1}, bytesOf({3}));
  std::vector<std::string> arguments = {"call", spec, "prefill"};
  for (const char *name : {"tokens.npy", "cu.npy", "count.npy"}) {
    arguments.push_back(folder.file(name));
  }
  arguments.insert(arguments.end(), {"--checkpoint", checkpoint, "--device", "cuda:1", "-o", folder.file("y")});
  Result result = tool(arguments);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(driver->launch_count, 3);
  EXPECT_EQ(readAll(folder.file("y1.npy")), npyHeader(RWKV_F32, {1}) + bytesOf({5}));
}

TEST_F(Gpus, Info) {
  EXPECT_EQ(tool({"info", "--device", "cuda"}).out, "device cuda: expects packs of target sm_90a\n");
  EXPECT_EQ(tool({"info", "--device", "host"}).out, "device host: expects packs of target host\n");
  std::string pack = folder.file("model.pack");
  auto says = [&](const std::string &target, const std::string &device) {
    writeAll(pack, makeBigramPack(target));
    Result result = tool({"info", pack, "--device", device});
    EXPECT_EQ(result.err, "");
    size_t at = result.out.find("does not run ");
    return at == std::string::npos ? "" : result.out.substr(at, result.out.find('\n', at) - at);
  };
  EXPECT_EQ(says("sm_90a", "cuda"), "");
  EXPECT_EQ(says("host", "host"), "");
  EXPECT_EQ(
      says("sm_120a", "cuda").find("does not run on cuda: " + pack + ": expected a target for this device (Fake 0"),
      0u);
  EXPECT_EQ(says("sm_90a", "host").find("does not run on host: " + pack + ": expected a target for this machine"), 0u);
  EXPECT_EQ(tool({"info", checkpoint, "--device", "cuda"}).code, 0);
}

TEST_F(Gpus, AreNotThere) {
  auto all = [&](const std::string &device) {
    std::vector<std::vector<std::string>> lines = {{"generate", checkpoint, "--prompt", "a"},
                                                   {"logits", checkpoint, "--tokens", "1"},
                                                   {"call", spec, "prefill", "-o", folder.file("y")},
                                                   {"info"}};
    std::vector<Result> results;
    for (std::vector<std::string> &line : lines) {
      line.insert(line.end(), {"--device", device});
      results.push_back(tool(line));
      EXPECT_EQ(results.back().out, "");
      EXPECT_EQ(results.back().err, results.front().err) << line[0];
      EXPECT_EQ(results.back().code, results.front().code) << line[0];
    }
    return results.front();
  };
  for (const char *device : {"gpu", "cuda:", "cuda:x", "cuda1", "CUDA", "sm_90a", "x86-64-v3"}) {
    Result result = all(device);
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.err,
              std::string("rwkv-run: error: --device: expected \"host\", \"cuda\" or \"cuda:N\", found \"") + device +
                  "\"" + usage);
  }
  EXPECT_EQ(all("cuda:2").err,
            "rwkv-run: error: device \"cuda:2\": expected a number below 2, as there are so many devices\n");
  driver->devices = 0;
  Result none = all("cuda");
  EXPECT_EQ(none.code, 1);
  EXPECT_EQ(none.err,
            "rwkv-run: error: device \"cuda\": expected a device, found none: CUDA_ERROR_NO_DEVICE (100): in words\n");
  EXPECT_EQ(compilations, 0);
}

} // namespace
