// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Launches that run side by side, and launches of some tasks.
#include "Packs.h"

#include <chrono>
#include <thread>

using namespace rwkvtest;

namespace {

std::string launch(int kernel, const std::string &tasks, const std::string &buffers, bool beside) {
  return R"({"launch": )" + std::to_string(kernel) + ", \"tasks\": " + tasks + ", \"buffers\": [" + buffers + "]" +
         (beside ? ", \"beside\": true}" : "}");
}

const char *const kX = R"([{"name": "x", "role": "input", "dtype": "f32", "shape": ["T"]}])";

std::string outputs(int count) {
  std::string list;
  for (int i = 0; i < count; ++i) {
    list += (i ? ", " : "") + (R"({"name": "y)" + std::to_string(i)) +
            R"(", "role": "output", "dtype": "f32", "shape": ["T"]})";
  }
  return "[" + list + "]";
}

/// `count` functions of x through scratch, each of another result; all side by
/// side, or one after the other. Number `empty` has no tasks, number 1 at most
/// one.
std::string fan(const std::string &name, int count, int empty, bool beside) {
  std::string steps;
  for (int i = 0; i < count; ++i) {
    steps += (i ? ", " : "") + launch(0,
                                      i == empty ? "0"
                                      : i == 1   ? R"(["min", "T", 1])"
                                                 : "\"T\"",
                                      R"(["arg", 0], ["result", )" + std::to_string(i) + "]", beside && i + 1 < count);
  }
  return function(name, kX, outputs(count), "[]", "[" + steps + "]");
}

const char *const kKernels =
    R"([{"symbol": "through_scratch", "scratch": 4096}, {"symbol": "accumulate", "scratch": 0},
 {"symbol": "flag", "scratch": 0}, {"symbol": "meet", "scratch": 0}, {"symbol": "meet_second", "scratch": 0}])";

class BesideTest : public testing::TestWithParam<int32_t> {
protected:
  void open(const std::string &functions) {
    model.reset(); // of an earlier call: a runtime is destroyed last
    pack.reset();
    rt = makeRuntime(GetParam());
    pack = openPack(rt.get(), manifest(kKernels, "[" + functions + "]"));
    model = bindModel(rt.get(), pack.get());
  }

  std::vector<std::vector<float>> call(const char *name, size_t count, std::vector<float> x) {
    std::vector<std::vector<float>> results(count, std::vector<float>(x.size(), 0));
    std::vector<rwkv_array> out;
    for (std::vector<float> &result : results) {
      out.push_back(arrayOf(result, {static_cast<int64_t>(result.size())}));
    }
    rwkv_array in = arrayOf(x, {static_cast<int64_t>(x.size())});
    EXPECT_OK(rwkv_call(model.get(), name, &in, 1, out.data(), count), rt.get());
    return results;
  }

  Runtime rt;
  Pack pack;
  Model model;
};

std::vector<float> ramp(size_t size) {
  std::vector<float> x(size);
  for (size_t i = 0; i < size; ++i) {
    x[i] = static_cast<float>(i) * 0.731f + 1;
  }
  return x;
}

TEST_P(BesideTest, TheSameAsOneAfterTheOther) {
  for (int count : {2, 3}) {
    for (int empty = -1; empty < count; ++empty) {
      open(fan("beside", count, empty, true) + "," + fan("after", count, empty, false));
      for (size_t size : {0, 1, 2, 5, 100, 1000}) {
        std::vector<float> x = ramp(size);
        auto expected = call("after", static_cast<size_t>(count), x);
        for (int round = 0; round < 3; ++round) {
          ASSERT_EQ(call("beside", static_cast<size_t>(count), x), expected) << count << " " << empty << " " << size;
        }
        for (int i = 0; i < count && size > 1; ++i) {
          EXPECT_EQ(expected[static_cast<size_t>(i)].back() == 0, i == empty || i == 1);
        }
      }
    }
  }
}

// Two launches of one kernel, each with some of the tasks; the last token
// belongs to neither.
TEST_P(BesideTest, LaunchesOfSomeTasks) {
  const std::string half = R"(["floordiv", "T", 2])";
  auto some = [&](const std::string &tasks, const std::string &from, bool beside) {
    return replaced(launch(0, tasks, R"(["arg", 0], ["result", 0])", beside), "\"buffers\"",
                    "\"from\": " + from + ", \"buffers\"");
  };
  for (bool beside : {false, true}) {
    open(function("f", kX, outputs(1), "[]",
                  "[" + some(half, "0", beside) + "," +
                      some(R"(["max", ["+", "T", ["+", -1, ["*", )" + half + R"(, -1]]], 0])", half, false) + "]") +
         "," + fan("whole", 1, -1, false));
    for (size_t size : {0, 1, 2, 5, 100, 1000}) {
      std::vector<float> x = ramp(size);
      auto expected = call("whole", 1, x);
      if (size > 0) {
        expected[0].back() = 0;
      }
      ASSERT_EQ(call("f", 1, x), expected) << beside << " " << size;
    }
  }
}

TEST_P(BesideTest, TasksHaveNumbersThatFit) {
  auto from = [&](const std::string &name, const std::string &first) {
    return function(name, kX, outputs(1), "[]",
                    "[" +
                        replaced(launch(0, "\"T\"", R"(["arg", 0], ["result", 0])", false), "\"buffers\"",
                                 "\"from\": " + first + ", \"buffers\"") +
                        "]");
  };
  open(from("negative", R"(["+", "T", -5])") + "," + from("large", R"(["*", "T", 1000000000000000000])"));
  std::vector<float> x(4, 1), y(4, 0);
  rwkv_array in = arrayOf(x), out = arrayOf(y);
  EXPECT_FAILS(rwkv_call(model.get(), "negative", &in, 1, &out, 1), RWKV_E_ARGUMENT, rt.get(), "negative");
  EXPECT_FAILS(rwkv_call(model.get(), "large", &in, 1, &out, 1), RWKV_E_ARGUMENT, rt.get(), "too many tasks");
}

TEST_P(BesideTest, NoTasksAtAll) {
  const std::string steps = "[" + launch(0, "0", R"(["arg", 0], ["result", 0])", true) + "," +
                            launch(0, "0", R"(["arg", 0], ["result", 0])", false) + "]";
  open(function("f", kX, outputs(1), "[]", steps));
  EXPECT_EQ(call("f", 1, ramp(9))[0], std::vector<float>(9, 0));
}

// A group is over before what comes next begins: many rounds of three
// accumulations side by side, each of them then added to the result.
TEST_P(BesideTest, TheNextStepWaitsForAllOfThem) {
  const std::string body = launch(1, "\"T\"", R"(["temporary", 0], ["arg", 0])", true) + "," +
                           launch(1, "\"T\"", R"(["temporary", 1], ["arg", 0])", true) + "," +
                           launch(1, "\"T\"", R"(["temporary", 2], ["arg", 0])", false) + "," +
                           launch(1, "\"T\"", R"(["result", 0], ["temporary", 0])", false) + "," +
                           launch(1, "\"T\"", R"(["result", 0], ["temporary", 1])", false) + "," +
                           launch(1, "\"T\"", R"(["result", 0], ["temporary", 2])", false);
  std::string zero, steps;
  for (int i = 0; i < 3; ++i) {
    zero += R"({"copy": [["temporary", )" + std::to_string(i) + R"(], ["arg", 1]]},)";
  }
  steps = "[" + zero + R"({"copy": [["result", 0], ["arg", 1]]},)" + R"({"repeat": [0, 100], "steps": [)" + body +
          "]}," + R"({"copy": [["result", 1], ["temporary", 0]]},)" +
          R"({"copy": [["result", 2], ["temporary", 1]]},)" + R"({"copy": [["result", 3], ["temporary", 2]]}])";
  const std::string two =
      R"([{"name": "x", "role": "input", "dtype": "f32", "shape": ["T"]},
 {"name": "z", "role": "input", "dtype": "f32", "shape": ["T"]}])";
  const std::string temporary = R"({"dtype": "f32", "shape": ["T"]})";
  open(function("f", two, outputs(4), "[" + temporary + "," + temporary + "," + temporary + "]", steps));
  for (int64_t size : {1, 3, 64, 777}) {
    std::vector<float> x(static_cast<size_t>(size), 1), z(x.size(), 0);
    std::vector<std::vector<float>> y(4, z);
    rwkv_array in[] = {arrayOf(x), arrayOf(z)};
    rwkv_array out[] = {arrayOf(y[0]), arrayOf(y[1]), arrayOf(y[2]), arrayOf(y[3])};
    for (int round = 0; round < 20; ++round) {
      ASSERT_OK(rwkv_call(model.get(), "f", in, 2, out, 4), rt.get());
      // 1 + 2 + .. + 100, three times.
      ASSERT_EQ(y[0], std::vector<float>(x.size(), 3 * 5050));
      for (size_t i = 1; i < 4; ++i) {
        ASSERT_EQ(y[i], std::vector<float>(x.size(), 100));
      }
    }
  }
}

TEST_P(BesideTest, EveryLaunchReportsItsStatus) {
  for (int which = 0; which < 3; ++which) {
    std::string steps;
    for (int i = 0; i < 3; ++i) {
      steps += (i ? "," : "") +
               (i == which ? launch(2, "\"T\"", R"(["arg", 0])", i < 2)
                           : launch(0, "\"T\"", R"(["arg", 0], ["result", )" + std::to_string(i) + "]", i < 2));
    }
    open(function("f", kX, outputs(3), "[]", "[" + steps + "]"));
    std::vector<float> x(50, 0), y[3] = {x, x, x};
    rwkv_array in = arrayOf(x), out[] = {arrayOf(y[0]), arrayOf(y[1]), arrayOf(y[2])};
    EXPECT_OK(rwkv_call(model.get(), "f", &in, 1, out, 3), rt.get());
    x[31] = 1;
    EXPECT_FAILS(rwkv_call(model.get(), "f", &in, 1, out, 3), RWKV_E_BOUND, rt.get(),
                 "f: an asserted bound does not hold for the data");
  }
}

INSTANTIATE_TEST_SUITE_P(Counts, BesideTest, testing::Values(1, 2, 4));

// One task each, which wait for each other: they do run at the same time.
TEST(BesideMeetTest, LaunchesRunAtTheSameTime) {
  Runtime rt = makeRuntime(2);
  Pack pack = openPack(
      rt.get(),
      manifest(kKernels,
               "[" +
                   function("f", "[]", R"([{"name": "y", "role": "output", "dtype": "i32", "shape": [2]}])", "[]",
                            "[" + launch(3, "1", R"(["result", 0])", true) + "," +
                                launch(4, "1", R"(["result", 0])", false) + "]") +
                   "]"));
  Model model = bindModel(rt.get(), pack.get());
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(i % 4));
    std::vector<int32_t> y(2);
    rwkv_array out = arrayOf(y);
    ASSERT_OK(rwkv_call(model.get(), "f", nullptr, 0, &out, 1), rt.get());
    ASSERT_EQ(y, (std::vector<int32_t>{2, 2})) << i;
  }
}

// ---- the format -------------------------------------------------------------

class BesideFormatTest : public testing::Test {
protected:
  rwkv_status read(const std::string &steps) {
    std::string bytes =
        packBytes(manifest(kKernels, "[" + function("f", kX, outputs(2), "[]", "[" + steps + "]") + "]"),
                  readFile(RWKV_TEST_KERNELS));
    rwkv_pack *out = nullptr;
    rwkv_status status = rwkv_pack_read(rt.get(), bytes.data(), bytes.size(), "p.pack", &out);
    rwkv_pack_close(out);
    return status;
  }
  void refuse(const std::string &steps, const std::string &message) {
    EXPECT_EQ(read(steps), RWKV_E_FORMAT) << steps;
    EXPECT_EQ(rwkv_message(rt.get()), "p.pack: manifest: functions[0].plan." + message);
  }

  Runtime rt = makeRuntime();
  const std::string buffers = R"(["arg", 0], ["result", 0])";
  const std::string open = launch(0, "\"T\"", buffers, true);
  const std::string closed = launch(0, "\"T\"", buffers, false);
  const std::string copy = R"({"copy": [["result", 1], ["arg", 0]]})";
};

TEST_F(BesideFormatTest, FollowedByALaunch) {
  EXPECT_OK(read(open + "," + closed), rt.get());
  EXPECT_OK(read(open + "," + open + "," + closed + "," + copy), rt.get());
  EXPECT_OK(read(copy + "," + open + "," + closed + "," + open + "," + closed), rt.get());
  const std::string none = "expected a launch after one that runs \"beside\" it, found none";
  refuse(open, "steps: " + none);
  refuse(closed + "," + open, "steps: " + none);
  refuse(open + "," + open, "steps: " + none);
  // The next step of the plan is not the next step of the repeat.
  refuse(R"({"repeat": [0, 2], "steps": [)" + open + "]}," + closed, "steps[0].steps: " + none);
  const std::string launchFirst = "expected a launch, which the one before runs beside, found ";
  refuse(open + "," + copy, "steps[1]: " + launchFirst + "an object");
  refuse(closed + "," + open + R"(,{"repeat": [0, 2], "steps": [)" + closed + "]}",
         "steps[2]: " + launchFirst + "an object");
}

TEST_F(BesideFormatTest, ATaskToStartAt) {
  auto with = [&](const std::string &first) {
    return replaced(closed, "\"buffers\"", "\"from\": " + first + ", \"buffers\"");
  };
  EXPECT_OK(read(with("\"T\"")), rt.get());
  EXPECT_OK(read(R"({"repeat": [0, 2], "steps": [)" + with("\"l\"") + "]}"), rt.get());
  refuse(with("\"l\""), "steps[0].from: expected \"l\" inside a repeat only");
  refuse(with("\"S\""), "steps[0].from: expected symbols that an argument's shape binds");
  refuse(with("\"x\""), "steps[0].from: expected an integer, \"B\", \"T\", \"S\", \"l\" or "
                        "[\"+\"|\"*\"|\"ceildiv\"|\"floordiv\"|\"min\"|\"max\", expression, expression], found \"x\"");
}

TEST_F(BesideFormatTest, IsABoolean) {
  auto with = [&](const std::string &value) { return replaced(open, "true", value) + "," + closed; };
  EXPECT_OK(read(with("false")), rt.get());
  refuse(with("1"), "steps[0].beside: expected true or false, found 1");
  refuse(with("\"true\""), "steps[0].beside: expected true or false, found \"true\"");
  refuse(with("null"), "steps[0].beside: expected true or false, found null");
  refuse(R"({"copy": [["result", 1], ["arg", 0]], "beside": true},)" + closed, "steps[0]: unknown field \"beside\"");
}

} // namespace
