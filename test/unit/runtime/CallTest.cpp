// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Calling functions: arguments, sizes, temporaries, plans.
#include "Packs.h"

#include <cmath>
#include <cstring>
#include <map>
#include <random>

using namespace rwkvtest;

namespace {

std::string value(const std::string &name, const std::string &dtype,
                  const std::string &shape, const char *role = "input",
                  const char *more = "") {
  return "{\"name\": \"" + name + "\", \"role\": \"" + role +
         "\", \"dtype\": \"" + dtype + "\", \"shape\": " + shape + more + "}";
}

class CallTest : public testing::Test {
protected:
  /// One function "f" of a pack with one kernel.
  void open(const std::string &kernel, const std::string &args,
            const std::string &results, const std::string &temporaries,
            const std::string &steps) {
    model.reset();
    pack = openPack(
        rt.get(),
        manifest("[{\"symbol\": \"" + kernel + "\", \"scratch\": 0}]",
                 "[" + function("f", args, results, temporaries, steps) + "]"));
    model = bindModel(rt.get(), pack.get());
  }
  rwkv_status call(std::vector<rwkv_array> inputs,
                   std::vector<rwkv_array> outputs) {
    return rwkv_call(model.get(), "f", inputs.data(),
                     static_cast<int64_t>(inputs.size()), outputs.data(),
                     static_cast<int64_t>(outputs.size()));
  }

  Runtime rt = makeRuntime();
  Pack pack;
  Model model;
};

// x [B, T, 3] -> y [B, T, 3] = 0 + x
class AddTest : public CallTest {
protected:
  AddTest() {
    open(
        "accumulate", "[" + value("x", "f32", R"(["B", "T", 3])") + "]",
        "[" + value("y", "f32", R"(["B", "T", 3])", "output") + "]", "[]",
        R"([{"launch": 0, "tasks": ["*", ["*", "B", "T"], 3], "buffers": [["result", 0], ["arg", 0]]}])");
  }
  std::vector<float> x = std::vector<float>(2 * 5 * 3, 1),
                     y = std::vector<float>(2 * 5 * 3);
};

TEST_F(AddTest, Runs) {
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i);
  }
  ASSERT_OK(call({arrayOf(x, {2, 5, 3})}, {arrayOf(y, {2, 5, 3})}), rt.get());
  EXPECT_EQ(x, y);
  int64_t inputs = 0, outputs = 0;
  ASSERT_OK(rwkv_function_arity(model.get(), "f", &inputs, &outputs), rt.get());
  EXPECT_EQ(inputs, 1);
  EXPECT_EQ(outputs, 1);
}

TEST_F(AddTest, KnowsShapes) {
  rwkv_array input = arrayOf(x, {2, 5, 3}), output = {};
  input.data = nullptr; // not needed
  ASSERT_OK(rwkv_function_shapes(model.get(), "f", &input, 1, &output, 1),
            rt.get());
  EXPECT_EQ(output.data, nullptr);
  EXPECT_EQ(output.dtype, RWKV_F32);
  ASSERT_EQ(output.rank, 3);
  EXPECT_EQ(output.shape[0], 2);
  EXPECT_EQ(output.shape[1], 5);
  EXPECT_EQ(output.shape[2], 3);
}

TEST_F(AddTest, RefusesBadArguments) {
  rwkv_array in = arrayOf(x, {2, 5, 3}), out = arrayOf(y, {2, 5, 3});
  auto refuse = [&](rwkv_array input, rwkv_array output, const char *message) {
    EXPECT_FAILS(call({input}, {output}), RWKV_E_ARGUMENT, rt.get(), message);
  };
  EXPECT_FAILS(rwkv_call(model.get(), "g", &in, 1, &out, 1), RWKV_E_ARGUMENT,
               rt.get(),
               "expected a function of the pack (\"f\"), found \"g\"");
  EXPECT_FAILS(rwkv_call(model.get(), nullptr, &in, 1, &out, 1),
               RWKV_E_ARGUMENT, rt.get(), "found NULL");
  EXPECT_FAILS(call({}, {out}), RWKV_E_ARGUMENT, rt.get(),
               "f: expected 1 inputs, found 0");
  EXPECT_FAILS(call({in, in}, {out}), RWKV_E_ARGUMENT, rt.get(), "found 2");
  EXPECT_FAILS(call({in}, {}), RWKV_E_ARGUMENT, rt.get(),
               "f: expected 1 outputs, found 0");
  EXPECT_FAILS(rwkv_call(model.get(), "f", nullptr, 1, &out, 1),
               RWKV_E_ARGUMENT, rt.get(), "found 1, NULL");

  rwkv_array bad = in;
  bad.dtype = RWKV_I32;
  refuse(bad, out, "f: \"x\": expected f32 of rank 3, found i32 of rank 3");
  bad = in;
  bad.rank = 2;
  refuse(bad, out, "expected f32 of rank 3, found f32 of rank 2");
  bad.rank = 1 << 30;
  refuse(bad, out, "rank 1073741824");
  bad = in;
  bad.shape[1] = -5;
  refuse(bad, out, "\"x\": axis 1: expected a size, found -5");
  bad = in;
  bad.shape[2] = 4;
  refuse(bad, out, "\"x\": axis 2: expected size 3, found 4");
  bad = in;
  bad.data = nullptr;
  refuse(bad, out, "\"x\": expected data aligned to 4 bytes, found (nil)");
  bad.data = reinterpret_cast<char *>(x.data()) + 1;
  refuse(bad, out, "\"x\": expected data aligned to 4 bytes");
  bad = out;
  bad.shape[1] = 4;
  refuse(in, bad, "\"y\": axis 1: expected size 5, found 4");
  bad = in;
  bad.data = x.data() + 3;
  bad.shape[1] = out.shape[1] = 1;
  rwkv_array small = in;
  small.shape[1] = 1;
  bad.shape[0] = small.shape[0] = 2;
  refuse(small, bad,
         "result \"y\": expected memory of its own, found an "
         "overlap with \"x\"");
  bad = in;
  bad.shape[0] = INT64_MAX / 8;
  refuse(bad, bad, "f: argument 0 overflows 64 bits");
}

TEST_F(AddTest, EmptyArraysNeedNoData) {
  rwkv_array in = arrayOf(x, {2, 0, 3}), out = arrayOf(y, {2, 0, 3});
  in.data = out.data = nullptr;
  EXPECT_OK(call({in}, {out}), rt.get());
}

TEST_F(CallTest, SymbolsMustAgree) {
  open("which",
       "[" + value("x", "f32", R"(["B", "T"])") + "," +
           value("y", "f32", R"(["T", ["+", "B", 1]])") + "]",
       "[]", "[]", "[]");
  std::vector<float> data(100);
  EXPECT_OK(call({arrayOf(data, {2, 5}), arrayOf(data, {5, 3})}, {}), rt.get());
  EXPECT_FAILS(call({arrayOf(data, {2, 5}), arrayOf(data, {4, 3})}, {}),
               RWKV_E_ARGUMENT, rt.get(),
               "f: \"y\": axis 0: expected T = 5, found 4");
  EXPECT_FAILS(call({arrayOf(data, {2, 5}), arrayOf(data, {5, 4})}, {}),
               RWKV_E_ARGUMENT, rt.get(),
               "\"y\": axis 1: expected size 3, found 4");
}

TEST_F(CallTest, ChecksSequences) {
  open("which",
       "[" + value("x", "f32", R"(["B", "T"])") + "," +
           value("o", "i32", R"([["+", "S", 1]])", "sequences") + "]",
       "[" + value("y", "f32", R"(["S", "B"])", "output") + "]", "[]",
       R"([{"launch": 0, "tasks": "S", "buffers": [["result", 0]]}])");
  std::vector<float> x(10), y(3);
  auto run = [&](std::vector<int32_t> offsets, std::vector<int64_t> shape) {
    return call({arrayOf(x, shape), arrayOf(offsets)}, {arrayOf(y, {3, 1})});
  };
  EXPECT_OK(run({0, 2, 2, 5}, {1, 5}), rt.get());
  EXPECT_FAILS(run({1, 2, 2, 5}, {1, 5}), RWKV_E_ARGUMENT, rt.get(),
               "\"o\"[0]: expected 0, found 1");
  EXPECT_FAILS(run({0, 3, 2, 5}, {1, 5}), RWKV_E_ARGUMENT, rt.get(),
               "\"o\"[2]: expected >= 3, found 2");
  EXPECT_FAILS(run({0, 2, 2, 4}, {1, 5}), RWKV_E_ARGUMENT, rt.get(),
               "\"o\"[3]: expected T = 5, found 4");
  EXPECT_FAILS(run({0, 2, 2, 5}, {2, 5}), RWKV_E_ARGUMENT, rt.get(),
               "\"x\": axis 0: expected B = 1, found 2");
  rwkv_array none = arrayOf(x, {0});
  none.dtype = RWKV_I32;
  EXPECT_FAILS(call({arrayOf(x, {1, 5}), none}, {arrayOf(y, {3, 1})}),
               RWKV_E_ARGUMENT, rt.get(),
               "axis 0: expected S + 1 = 1, found 0");
}

TEST_F(CallTest, ChecksIndices) {
  open("which",
       "[" + value("i", "i32", R"(["T"])", "input", ", \"below\": 8") + "]",
       "[]", "[]", "[]");
  auto run = [&](std::vector<int32_t> i) { return call({arrayOf(i)}, {}); };
  EXPECT_OK(run({0, 7, 3}), rt.get());
  EXPECT_FAILS(run({0, 7, 8}), RWKV_E_ARGUMENT, rt.get(),
               "f: \"i\": position 2: expected 0 .. 7, found 8");
  EXPECT_FAILS(run({0, -1}), RWKV_E_ARGUMENT, rt.get(),
               "position 1: expected 0 .. 7, found -1");
}

TEST_F(CallTest, EvaluatesExpressions) {
  const struct {
    const char *expr;
    int64_t size;
  } cases[] = {
      {R"(["ceildiv", "T", 4])", 3},
      {R"(["ceildiv", "T", 5])", 2},
      {R"(["min", "T", ["*", "B", 3]])", 6},
      {R"(["max", ["+", "T", -9], 0])", 1},
      {R"(["+", ["*", "T", "T"], "B"])", 102},
      {R"(["ceildiv", ["+", "T", -10], 7])", 0},
      {R"(["floordiv", "T", 4])", 2},
      {R"(["floordiv", "T", 5])", 2},
      {R"(["+", ["floordiv", ["+", "T", -11], 7], 1])", 0},
      {R"(["+", ["ceildiv", ["+", "T", -11], 7], 1])", 1},
  };
  for (const auto &c : cases) {
    open("which", "[" + value("x", "f32", R"(["B", "T"])") + "]",
         "[" + value("y", "f32", "[" + std::string(c.expr) + "]", "output") +
             "]",
         "[]", "[]");
    std::vector<float> x(20);
    rwkv_array in = arrayOf(x, {2, 10}), out;
    ASSERT_OK(rwkv_function_shapes(model.get(), "f", &in, 1, &out, 1),
              rt.get());
    EXPECT_EQ(out.shape[0], c.size) << c.expr;
  }
}

TEST_F(CallTest, RefusesAbsurdSizesBeforeRunning) {
  const struct {
    const char *temporary, *tasks;
    rwkv_status status;
    const char *message;
  } cases[] = {
      {R"(["*", "T", 4611686018427387904])", "1", RWKV_E_ARGUMENT,
       "f: temporary 0 overflows 64 bits (B = 0, T = 4, S = 0)"},
      {R"("T", 9223372036854775807)", "1", RWKV_E_ARGUMENT,
       "temporary 0 overflows 64 bits"},
      {R"(["+", "T", -5])", "1", RWKV_E_ARGUMENT, "temporary 0 is negative"},
      {R"(["ceildiv", 1, ["+", "T", -4]])", "1", RWKV_E_ARGUMENT,
       "temporary 0 divides by a number that is not positive"},
      {R"("T", 35184372088832)", "1", RWKV_E_MEMORY,
       "out of memory for 562949953421312 bytes of temporaries"},
      {R"("T", 576460752303423486)", "1", RWKV_E_ARGUMENT, "overflows 64 bits"},
      {R"("T", 500000000000000000)", "1", RWKV_E_MEMORY, "out of memory"},
      {R"("T")", R"(["*", "T", 4611686018427387904])", RWKV_E_ARGUMENT,
       "step 0 has a number of tasks that overflows"},
      {R"("T")", R"(["+", "T", -5])", RWKV_E_ARGUMENT, "step 0 has a number"},
      {R"("T")", R"(["*", "T", 1152921504606846976])", RWKV_E_ARGUMENT,
       "step 0 has too many tasks"},
  };
  for (const auto &c : cases) {
    SCOPED_TRACE(c.temporary);
    open("which", "[" + value("x", "f32", R"(["T"])") + "]",
         "[" + value("y", "f32", R"(["T"])", "output") + "]",
         std::string(R"([{"dtype": "f32", "shape": [)") + c.temporary + "]}]",
         std::string("[{\"launch\": 0, \"tasks\": ") + c.tasks +
             R"(, "buffers": [["result", 0], ["temporary", 0]]}])");
    std::vector<float> x(4), y(4, 7);
    EXPECT_FAILS(call({arrayOf(x)}, {arrayOf(y)}), c.status, rt.get(),
                 c.message);
    EXPECT_EQ(y, std::vector<float>(4, 7)); // untouched
  }
}

TEST_F(CallTest, RefusesStepsThatDoNotFitTheSizes) {
  open("which", "[" + value("x", "f32", R"(["T", 2])") + "]",
       "[" + value("y", "f32", "[6]", "output") + "]", "[]",
       R"([{"copy": [["result", 0], ["arg", 0]]}])");
  std::vector<float> x(8, 3), y(6);
  EXPECT_OK(call({arrayOf(x, {3, 2})}, {arrayOf(y)}), rt.get());
  EXPECT_EQ(y, std::vector<float>(6, 3));
  EXPECT_FAILS(call({arrayOf(x, {4, 2})}, {arrayOf(y)}), RWKV_E_ARGUMENT,
               rt.get(), "f: step 0 copies between buffers of different sizes");

  open(
      "which", "[" + value("x", "f32", R"(["T", 2])") + "]",
      "[" + value("y", "f32", "[2]", "output") + "]", "[]",
      R"([{"repeat": [1, 3], "steps": [{"copy": [["result", 0], ["arg", 0, "l"]]}]}])");
  x = {0, 1, 2, 3, 4, 5, 6, 7};
  y.resize(2);
  EXPECT_OK(call({arrayOf(x, {3, 2})}, {arrayOf(y)}), rt.get());
  EXPECT_EQ(y, (std::vector<float>{4, 5}));
  EXPECT_FAILS(call({arrayOf(x, {2, 2})}, {arrayOf(y)}), RWKV_E_ARGUMENT,
               rt.get(), "step 0 takes more slices of an array than it has");
}

TEST_F(CallTest, RepeatsPassTheLayer) {
  open(
      "layer_index", "[" + value("x", "f32", R"(["T"])") + "]",
      "[" + value("y", "f32", R"([5, "T"])", "output") + "]", "[]",
      R"([{"repeat": [0, 2], "steps": [{"launch": 0, "tasks": "T", "buffers": [["result", 0, "l"]]}]},
 {"repeat": [3, 5], "steps": [{"launch": 0, "tasks": ["*", ["min", 1, ["+", "l", -3]], "T"],
                              "buffers": [["result", 0, "l"]]}]}])");
  std::vector<float> x(2), y(10, -1);
  ASSERT_OK(call({arrayOf(x)}, {arrayOf(y, {5, 2})}), rt.get());
  // Layer 2 is in no repeat, layer 3 has no tasks.
  EXPECT_EQ(y,
            (std::vector<float>{200, 200, 201, 201, -1, -1, -1, -1, 204, 204}));
}

TEST_F(CallTest, TheFirstViolatedBoundFailsTheCall) {
  open("flag", "[" + value("x", "f32", R"(["T"])") + "]",
       "[" + value("y", "f32", R"(["T"])", "output") + "," +
           value("h", "f16", R"([3])", "output") + "," +
           value("k", "i32", R"([2])", "output") + "]",
       "[]",
       R"([{"copy": [["result", 0], ["arg", 0]]},
 {"launch": 0, "tasks": "T", "buffers": [["arg", 0]]}])");
  std::vector<float> x(100), y(100);
  std::vector<uint16_t> h(3, 1);
  std::vector<int32_t> k(2, 1);
  rwkv_array half = {h.data(), RWKV_F16, 1, {3}};
  EXPECT_OK(call({arrayOf(x)}, {arrayOf(y), half, arrayOf(k)}), rt.get());
  x[73] = 1;
  EXPECT_FAILS(call({arrayOf(x)}, {arrayOf(y), half, arrayOf(k)}), RWKV_E_BOUND,
               rt.get(), "f: an asserted bound does not hold for the data");
  for (float v : y) {
    EXPECT_TRUE(std::isnan(v));
  }
  EXPECT_EQ(h, std::vector<uint16_t>(3, 0x7e00));
  EXPECT_EQ(k, std::vector<int32_t>(2, 0));
  x[73] = 0;
  EXPECT_OK(call({arrayOf(x)}, {arrayOf(y), half, arrayOf(k)}), rt.get());
  EXPECT_EQ(y, x);
}

TEST_F(CallTest, AViolatedBoundIsNamed) {
  auto openWith = [&](const std::string &assertions) {
    std::string text = manifest(
        R"([{"symbol": "flag", "scratch": 0}])",
        "[" +
            function(
                "f", "[" + value("x", "f32", R"(["T"])") + "]", "[]", "[]",
                R"([{"launch": 0, "tasks": "T", "buffers": [["arg", 0]]}])") +
            "]");
    model.reset();
    pack = openPack(rt.get(),
                    replaced(text, "\"dims\"",
                             "\"assertions\": " + assertions + ", \"dims\""));
    model = bindModel(rt.get(), pack.get());
  };
  const std::string violated =
      "f: an asserted bound does not hold for the data";
  auto expect = [&](std::vector<float> bits, const std::string &end) {
    EXPECT_FAILS(call({arrayOf(bits)}, {}), RWKV_E_BOUND, rt.get(),
                 (violated + end).c_str());
    const std::string message = rwkv_message(rt.get());
    EXPECT_EQ(message.substr(message.size() - end.size()), end);
  };
  openWith(R"(["a.mlir:3:4: w in [-1, 0]", "b", "c"])");
  std::vector<float> none(5), unknown = {4};
  EXPECT_OK(call({arrayOf(none)}, {}), rt.get());
  expect({0, 1, 0, 1}, ": a.mlir:3:4: w in [-1, 0]");
  expect({0, 2}, ": b");
  expect({3, 2}, ": b; nor do 1 others");
  EXPECT_FAILS(call({arrayOf(unknown)}, {}), RWKV_E_FORMAT, rt.get(),
               "f: a kernel returned an unknown status 8");
  unknown = {32};
  EXPECT_FAILS(call({arrayOf(unknown)}, {}), RWKV_E_FORMAT, rt.get(),
               "f: a kernel returned an unknown status");

  // The last bit is that of all that follow.
  std::string many;
  for (int i = 0; i < 34; ++i) {
    many += (i ? ", \"n" : "\"n") + std::to_string(i) + "\"";
  }
  openWith("[" + many + "]");
  expect({30}, ": n29");
  expect({31}, ": n30, or one of 3 that follow it");
  EXPECT_FAILS(call({arrayOf(unknown)}, {}), RWKV_E_FORMAT, rt.get(),
               "f: a kernel returned an unknown status");

  // Without a list there is one bit.
  openWith("[]");
  expect({1}, "");
  unknown = {2};
  EXPECT_FAILS(call({arrayOf(unknown)}, {}), RWKV_E_FORMAT, rt.get(),
               "f: a kernel returned an unknown status 2");
}

// ---- temporaries ------------------------------------------------------------

// Where the runtime puts temporaries, from the kernel that writes down an
// address.
class ArenaTest : public CallTest {
protected:
  /// Steps: a letter is a use of that temporary, brackets are a repeat, a plus
  /// lets the launch before it run beside the next.
  std::map<char, int64_t> place(const std::string &uses) {
    std::string results, steps;
    std::map<char, size_t> where;
    for (char c : uses) {
      if (c == '[') {
        steps += R"({"repeat": [0, 2], "steps": [)";
      } else if (c == ']') {
        steps.pop_back();
        steps += "]},";
      } else if (c == '+') {
        steps.replace(steps.size() - 2, 2, ", \"beside\": true},");
      } else {
        size_t index = where.emplace(c, where.size()).first->second;
        steps += R"({"launch": 0, "tasks": 1, "buffers": [["result", )" +
                 std::to_string(index) + "], [\"temporary\", " +
                 std::to_string(c - 'a') + "]]},";
      }
    }
    for (size_t i = 0; i < where.size(); ++i) {
      results += (i ? "," : "") +
                 value("r" + std::to_string(i), "i64", "[1]", "output");
    }
    steps.pop_back();
    // Different sizes; d is as large as a and b together.
    open(
        "addresses1", "[" + value("x", "f32", R"(["T"])") + "]",
        "[" + results + "]",
        R"([{"dtype": "f32", "shape": ["T", 17]}, {"dtype": "u8", "shape": ["T", 5]},
 {"dtype": "f64", "shape": ["T", 2]}, {"dtype": "f32", "shape": ["T", 20]}])",
        "[" + steps + "]");
    std::vector<float> x(100);
    std::vector<int64_t> addresses(where.size());
    std::vector<rwkv_array> outputs;
    for (int64_t &address : addresses) {
      outputs.push_back({&address, RWKV_I64, 1, {1}});
    }
    EXPECT_OK(call({arrayOf(x)}, outputs), rt.get());
    std::map<char, int64_t> result;
    for (const auto &[letter, index] : where) {
      EXPECT_EQ(addresses[index] % 64, 0);
      result[letter] = addresses[index];
    }
    return result;
  }
  static bool share(std::map<char, int64_t> &where, char a, char b) {
    const int64_t bytes[] = {100 * 17 * 4, 100 * 5, 100 * 2 * 8, 100 * 20 * 4};
    return where[a] < where[b] + bytes[b - 'a'] &&
           where[b] < where[a] + bytes[a - 'a'];
  }
};

TEST_F(ArenaTest, BuffersAliveTogetherAreApart) {
  auto where = place("abcdabcd");
  for (char a = 'a'; a <= 'd'; ++a) {
    for (char b = 'a'; b < a; ++b) {
      EXPECT_FALSE(share(where, a, b)) << a << b;
    }
  }
}

TEST_F(ArenaTest, BuffersAliveInTurnShareMemory) {
  auto where = place("aabbccdd");
  EXPECT_TRUE(share(where, 'a', 'b') && share(where, 'a', 'c') &&
              share(where, 'a', 'd'));
  where = place("abab[cc]dd");
  EXPECT_FALSE(share(where, 'a', 'b'));
  EXPECT_TRUE(share(where, 'a', 'd') && share(where, 'c', 'd'));
  // Within one body, in turn.
  where = place("[aabb]");
  EXPECT_TRUE(share(where, 'a', 'b'));
  where = place("[abab]");
  EXPECT_FALSE(share(where, 'a', 'b'));
}

// Launches side by side are one point in time: what one of them reads for the
// last time, the other must not write over.
TEST_F(ArenaTest, LaunchesSideBySideShareNoMemory) {
  auto where = place("aabb"); // one after the other they may
  EXPECT_TRUE(share(where, 'a', 'b'));
  where = place("aa+bb");
  EXPECT_FALSE(share(where, 'a', 'b'));
  where = place("a+b+cd");
  EXPECT_FALSE(share(where, 'a', 'b') || share(where, 'a', 'c') ||
               share(where, 'b', 'c'));
  EXPECT_TRUE(share(where, 'a', 'd'));
  // Two groups in turn, also in a repeat and around one.
  where = place("a+bc+d");
  EXPECT_FALSE(share(where, 'a', 'b') || share(where, 'c', 'd'));
  EXPECT_TRUE(share(where, 'a', 'c') || share(where, 'a', 'd'));
  where = place("[aa+bb+cc]");
  EXPECT_FALSE(share(where, 'a', 'b') || share(where, 'b', 'c'));
  EXPECT_TRUE(share(where, 'a', 'c'));
  where = place("[a+b]c+d");
  EXPECT_FALSE(share(where, 'a', 'b') || share(where, 'c', 'd'));
  EXPECT_TRUE(share(where, 'a', 'c') || share(where, 'a', 'd'));
  // Carried around the loop as before.
  where = place("a[b+ac+d]");
  EXPECT_FALSE(share(where, 'a', 'b') || share(where, 'a', 'c') ||
               share(where, 'a', 'd'));
}

TEST_F(ArenaTest, ValuesCarriedAroundALoopAreKept) {
  // a is written before the loop and first used late in it: b must not use its
  // memory at any step, nor c after the last use of a.
  auto where = place("a[babc]d");
  EXPECT_FALSE(share(where, 'a', 'b'));
  EXPECT_FALSE(share(where, 'a', 'c'));
  EXPECT_TRUE(share(where, 'a', 'd'));
  where = place("[bac]d[bb]a"); // used after: kept to the end, and before
  EXPECT_FALSE(share(where, 'a', 'b'));
  EXPECT_FALSE(share(where, 'a', 'c'));
  EXPECT_FALSE(share(where, 'a', 'd'));
  where = place("[ba]c[ad]");
  EXPECT_FALSE(share(where, 'a', 'b'));
  EXPECT_FALSE(share(where, 'a', 'c'));
  EXPECT_FALSE(share(where, 'a', 'd'));
}

TEST_F(ArenaTest, AnyOrderOfUses) {
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    std::string uses;
    for (int k = 0; k < 7; ++k) {
      uses += static_cast<char>('a' + random() % 4);
    }
    auto where = place(uses);
    for (const auto &[a, a_at] : where) {
      for (const auto &[b, b_at] : where) {
        bool together =
            uses.find(a) < uses.rfind(b) && uses.find(b) < uses.rfind(a);
        ASSERT_FALSE(a != b && together && share(where, a, b))
            << uses << ": " << a << b;
      }
    }
  }
}

// Sizes come and go: more of them than are remembered.
TEST_F(AddTest, AnyOrderOfSizes) {
  for (int round = 0; round < 3; ++round) {
    for (int64_t t = 1; t <= 40; t += 3) {
      std::vector<float> in(static_cast<size_t>(t) * 3),
          out(static_cast<size_t>(t) * 3);
      for (size_t i = 0; i < in.size(); ++i) {
        in[i] = static_cast<float>(i) + static_cast<float>(round);
      }
      ASSERT_OK(call({arrayOf(in, {1, t, 3})}, {arrayOf(out, {1, t, 3})}),
                rt.get());
      ASSERT_EQ(in, out);
    }
  }
}

} // namespace
