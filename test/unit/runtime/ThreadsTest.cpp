// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tasks run once each, whatever the number of threads, and give the same bits.
#include "Packs.h"

#include <chrono>
#include <thread>

using namespace rwkvtest;

namespace {

std::string text() {
  const char *x =
      R"([{"name": "x", "role": "input", "dtype": "f32", "shape": ["T"]}])";
  const char *y =
      R"([{"name": "y", "role": "output", "dtype": "f32", "shape": ["T"]}])";
  return manifest(
      R"([{"symbol": "accumulate", "scratch": 0}, {"symbol": "through_scratch", "scratch": 4096},
 {"symbol": "flag", "scratch": 0}])",
      "[" +
          function(
              "sum", x, y, "[]",
              R"([{"repeat": [0, 3000], "steps": [{"launch": 0, "tasks": "T",
 "buffers": [["result", 0], ["arg", 0]]}]}])") +
          "," +
          function(
              "scratch", x, y, "[]",
              R"([{"launch": 1, "tasks": "T", "buffers": [["arg", 0], ["result", 0]]}])") +
          "," +
          function(
              "flag", x, "[]", "[]",
              R"([{"launch": 2, "tasks": "T", "buffers": [["arg", 0]]}])") +
          "]");
}

class ThreadsTest : public testing::TestWithParam<int32_t> {};

TEST_P(ThreadsTest, EveryTaskRunsOnce) {
  Runtime rt = makeRuntime(GetParam());
  EXPECT_EQ(rwkv_runtime_threads(rt.get()), GetParam());
  Pack pack = openPack(rt.get(), text());
  Model model = bindModel(rt.get(), pack.get());
  for (size_t n : {1, 2, 3, 7, 64, 1000}) {
    std::vector<float> x(n, 1), y(n, 0);
    rwkv_array in = arrayOf(x), out = arrayOf(y);
    ASSERT_OK(rwkv_call(model.get(), "sum", &in, 1, &out, 1), rt.get());
    ASSERT_EQ(y, std::vector<float>(n, 3000)) << n;
  }
}

TEST_P(ThreadsTest, ScratchIsPerThreadAndResultsAreTheSame) {
  Runtime one = makeRuntime(1), rt = makeRuntime(GetParam());
  Pack pack1 = openPack(one.get(), text()), pack = openPack(rt.get(), text());
  Model model1 = bindModel(one.get(), pack1.get()),
        model = bindModel(rt.get(), pack.get());
  std::vector<float> x(777), y1(777), y(777);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i) * 0.731f;
  }
  rwkv_array in = arrayOf(x), out1 = arrayOf(y1), out = arrayOf(y);
  ASSERT_OK(rwkv_call(model1.get(), "scratch", &in, 1, &out1, 1), one.get());
  for (int i = 0; i < 20; ++i) {
    std::fill(y.begin(), y.end(), 0.0f);
    ASSERT_OK(rwkv_call(model.get(), "scratch", &in, 1, &out, 1), rt.get());
    ASSERT_EQ(y, y1);
  }
}

TEST_P(ThreadsTest, EveryThreadReportsItsStatus) {
  Runtime rt = makeRuntime(GetParam());
  Pack pack = openPack(rt.get(), text());
  Model model = bindModel(rt.get(), pack.get());
  std::vector<float> x(200);
  for (int round = 0; round < 5; ++round) {
    for (float &element : x) {
      element = 1;
      rwkv_array in = arrayOf(x);
      ASSERT_EQ(rwkv_call(model.get(), "flag", &in, 1, nullptr, 0),
                RWKV_E_BOUND);
      element = 0;
    }
    rwkv_array in = arrayOf(x);
    ASSERT_OK(rwkv_call(model.get(), "flag", &in, 1, nullptr, 0), rt.get());
  }
}

// Workers that sleep are woken: two tasks run at the same time.
TEST(ThreadsMeetTest, SleepingWorkersWake) {
  Runtime rt = makeRuntime(2);
  Pack pack = openPack(
      rt.get(),
      manifest(
          R"([{"symbol": "meet", "scratch": 0}])",
          "[" +
              function(
                  "f", "[]",
                  R"([{"name": "y", "role": "output", "dtype": "i32", "shape": [2]}])",
                  "[]",
                  R"([{"launch": 0, "tasks": 2, "buffers": [["result", 0]]}])") +
              "]"));
  Model model = bindModel(rt.get(), pack.get());
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(i % 5));
    std::vector<int32_t> y(2);
    rwkv_array out = arrayOf(y);
    ASSERT_OK(rwkv_call(model.get(), "f", nullptr, 0, &out, 1), rt.get());
    ASSERT_EQ(y, (std::vector<int32_t>{2, 2})) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Counts, ThreadsTest, testing::Values(1, 2, 3, 9));

} // namespace
