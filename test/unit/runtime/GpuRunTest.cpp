// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model on a GPU: calls, sequences, states, and what becomes of them when
// something fails.
#include "Gpu.h"

#include <cmath>
#include <cstring>

using namespace rwkvtest;

namespace {

const int64_t kLengths[] = {5, 0, 2};

class GpuRunTest : public GpuToyTest {
protected:
  std::vector<int32_t> tokens = {3, 1, 4, 1, 5, 2, 7};
  std::vector<float> logits = std::vector<float>(3 * 8, 7);

  rwkv_status prefill(rwkv_state *state) {
    return rwkv_prefill(model.get(), state, tokens.data(), kLengths,
                        logits.data());
  }
};

TEST_F(GpuRunTest, GivesWhatTheHostGives) {
  State there = state(model.get(), 3), here = host.state(3);
  std::vector<float> expected(3 * 8);
  ASSERT_OK(prefill(there.get()), rt.get());
  ASSERT_OK(rwkv_prefill(host.model.get(), here.get(), tokens.data(), kLengths,
                         expected.data()),
            host.rt.get());
  EXPECT_EQ(floats(logits), floats(expected)); // NaN too
  EXPECT_EQ(contents(there.get()), contents(here.get()));
  std::vector<int32_t> next = {1, 2, 3};
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(rwkv_decode(model.get(), there.get(), next.data(), logits.data()),
              rt.get());
    ASSERT_OK(
        rwkv_decode(host.model.get(), here.get(), next.data(), expected.data()),
        host.rt.get());
    EXPECT_EQ(logits, expected);
    EXPECT_EQ(contents(there.get()), contents(here.get()));
  }
  std::vector<float> all(7 * 8), all_expected(7 * 8);
  ASSERT_OK(
      rwkv_score(model.get(), there.get(), tokens.data(), kLengths, all.data()),
      rt.get());
  ASSERT_OK(rwkv_score(host.model.get(), here.get(), tokens.data(), kLengths,
                       all_expected.data()),
            host.rt.get());
  EXPECT_EQ(all, all_expected);
  // Without logits the state goes on all the same.
  ASSERT_OK(rwkv_decode(model.get(), there.get(), next.data(), nullptr),
            rt.get());
  ASSERT_OK(rwkv_decode(host.model.get(), here.get(), next.data(), nullptr),
            host.rt.get());
  EXPECT_EQ(contents(there.get()), contents(here.get()));
}

TEST_F(GpuRunTest, LaunchesGridsOfTasks) {
  State there = state(model.get(), 3);
  fake->launch_count = 0;
  ASSERT_OK(prefill(there.get()), rt.get());
  const struct {
    const char *kernel;
    unsigned grid;
  } expected[] = {
      {"embed", 7}, {"layer", 3}, {"layer", 3}, {"count", 3}, {"last", 3}};
  ASSERT_EQ(fake->launch_count, 5);
  for (int i = 0; i < 5; ++i) {
    EXPECT_STREQ(fake->launches[i].kernel, expected[i].kernel);
    EXPECT_EQ(fake->launches[i].grid, expected[i].grid);
    EXPECT_EQ(fake->launches[i].block, 64u);
    EXPECT_EQ(fake->launches[i].shared, 1024u);
    EXPECT_EQ(fake->launches[i].first, 0u);
  }
}

TEST_F(GpuRunTest, CallsOnArraysOfTheHost) {
  std::vector<int32_t> offsets = {0, 3, 5}, n(2), n1(2);
  std::vector<float> a(16), a1(16), out(16);
  std::vector<int32_t> t = {3, 1, 4, 1, 5};
  rwkv_array inputs[] = {arrayOf(t, {1, 5}), arrayOf(offsets),
                         arrayOf(a, {2, 2, 4}), arrayOf(n)};
  rwkv_array outputs[] = {arrayOf(out, {2, 8}), arrayOf(a1, {2, 2, 4}),
                          arrayOf(n1)};
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(rwkv_call(model.get(), "prefill", inputs, 4, outputs, 3),
              rt.get());
    EXPECT_EQ(n1, (std::vector<int32_t>{3, 2}));
    std::vector<float> rows = Toy::expected({3, 1, 4}),
                       second = Toy::expected({1, 5});
    EXPECT_EQ(std::vector<float>(out.begin(), out.begin() + 8),
              std::vector<float>(rows.begin() + 16, rows.end()));
    EXPECT_EQ(std::vector<float>(out.begin() + 8, out.end()),
              std::vector<float>(second.begin() + 8, second.end()));
  }
  EXPECT_EQ(a, std::vector<float>(16));
  EXPECT_EQ(fake->queued, 0);
}

TEST_F(GpuRunTest, StatesComeAndGo) {
  State one = state(model.get(), 3);
  ASSERT_OK(prefill(one.get()), rt.get());
  const std::string full = contents(one.get());

  rwkv_state *clone = nullptr;
  ASSERT_OK(rwkv_state_clone(one.get(), &clone), rt.get());
  State two(clone);
  EXPECT_EQ(contents(clone), full);
  ASSERT_OK(rwkv_state_reset(clone, 0), rt.get());
  ASSERT_OK(rwkv_state_copy(clone, 1, one.get(), 2), rt.get());
  // The same on the host, from a file.
  const std::string path = host.folder.path("state.safetensors");
  ASSERT_OK(rwkv_state_save(one.get(), path.c_str()), rt.get());
  State here = host.state(3);
  ASSERT_OK(rwkv_state_load(here.get(), path.c_str()), host.rt.get());
  EXPECT_EQ(contents(here.get()), full);
  ASSERT_OK(rwkv_state_reset(here.get(), 0), host.rt.get());
  ASSERT_OK(rwkv_state_copy(here.get(), 1, here.get(), 2), host.rt.get());
  EXPECT_EQ(contents(here.get()), contents(clone));
  // From the host, by file and by copies.
  ASSERT_OK(rwkv_state_save(here.get(), path.c_str()), host.rt.get());
  ASSERT_OK(rwkv_state_load(one.get(), path.c_str()), rt.get());
  EXPECT_EQ(contents(one.get()), contents(here.get()));
  State fresh = state(model.get(), 3), back = host.state(3);
  for (int64_t i = 0; i < 3; ++i) {
    ASSERT_OK(rwkv_state_copy(fresh.get(), i, here.get(), i), rt.get());
    ASSERT_OK(rwkv_state_copy(back.get(), i, fresh.get(), i), host.rt.get());
  }
  EXPECT_EQ(contents(fresh.get()), contents(here.get()));
  EXPECT_EQ(contents(back.get()), contents(here.get()));
  // Between two devices.
  Runtime other_rt = open("cuda:1");
  Pack other_pack = openPack(other_rt.get(), forDevice(Toy::manifestText()));
  Model other = bindModel(other_rt.get(), other_pack.get(), checkpoint.get());
  State far = state(other.get(), 1);
  ASSERT_OK(rwkv_state_copy(far.get(), 0, one.get(), 1), other_rt.get());
  ASSERT_OK(rwkv_state_reset(one.get(), 1), rt.get());
  ASSERT_OK(rwkv_state_copy(one.get(), 1, far.get(), 0), rt.get());
  EXPECT_EQ(contents(one.get()), contents(here.get()));
}

TEST_F(GpuRunTest, AViolatedBoundLeavesTheStateAlone) {
  State one = state(model.get(), 3), here = host.state(3);
  const char *name;
  rwkv_array a;
  ASSERT_OK(rwkv_state_array(here.get(), 0, &name, &a), host.rt.get());
  static_cast<float *>(a.data)[12 + 4 + 2] = 1e6f; // layer 1, sequence 1
  ASSERT_OK(rwkv_state_copy(one.get(), 1, here.get(), 1), rt.get());
  const std::string before = contents(one.get());
  std::vector<int32_t> next = {1, 2, 3};
  EXPECT_FAILS(rwkv_decode(model.get(), one.get(), next.data(), logits.data()),
               RWKV_E_BOUND, rt.get(), "prefill: an asserted bound");
  EXPECT_EQ(contents(one.get()), before);
  for (float v : logits) {
    EXPECT_TRUE(std::isnan(v));
  }
  ASSERT_OK(rwkv_state_reset(one.get(), 1), rt.get());
  EXPECT_OK(rwkv_decode(model.get(), one.get(), next.data(), logits.data()),
            rt.get());
}

TEST_F(GpuRunTest, WithoutMemoryNothingChanges) {
  State one = state(model.get(), 3);
  ASSERT_OK(rwkv_decode(model.get(), one.get(), tokens.data(), nullptr),
            rt.get());
  const std::string before = contents(one.get());
  const size_t blocks = fake->blocks;
  rwkv_state *none = nullptr;
  for (int after = 0; after < 4; ++after) {
    fail("cuMemAllocFromPoolAsync", CU_ERROR_OUT_OF_MEMORY, after);
    EXPECT_FAILS(rwkv_state_create(model.get(), 2, &none), RWKV_E_MEMORY,
                 rt.get(),
                 "out of memory for the state of 2 sequences, 36 bytes each, "
                 "twice");
    EXPECT_EQ(none, nullptr);
    ASSERT_OK(rwkv_finish(rt.get()), rt.get());
    EXPECT_EQ(fake->blocks, blocks);
  }
  // A long call needs more temporaries and staging than what there is.
  std::vector<int32_t> many(1000, 1);
  const int64_t lengths[] = {400, 200, 400};
  std::vector<float> untouched(3 * 8, 7);
  const char *const what[] = {"bytes of temporaries",
                              "bytes of arguments and results"};
  for (int after = 0; after < 2; ++after) {
    fail("cuMemAllocFromPoolAsync", CU_ERROR_OUT_OF_MEMORY, after);
    EXPECT_FAILS(rwkv_prefill(model.get(), one.get(), many.data(), lengths,
                              untouched.data()),
                 RWKV_E_MEMORY, rt.get(), what[after]);
    EXPECT_EQ(contents(one.get()), before);
    EXPECT_EQ(untouched, std::vector<float>(3 * 8, 7));
  }
  rwkv_model *unbound = nullptr;
  fail("cuMemAllocFromPoolAsync", CU_ERROR_OUT_OF_MEMORY);
  EXPECT_FAILS(rwkv_model_bind(rt.get(), pack.get(), checkpoint.get(), nullptr,
                               &unbound),
               RWKV_E_MEMORY, rt.get(),
               "Fake 0: out of memory for 768 bytes of weights");
  // With memory all is as it was.
  EXPECT_OK(rwkv_prefill(model.get(), one.get(), many.data(), lengths,
                         untouched.data()),
            rt.get());
}

TEST_F(GpuRunTest, AFailingCallLeavesTheStateAlone) {
  State one = state(model.get(), 3);
  ASSERT_OK(rwkv_decode(model.get(), one.get(), tokens.data(), nullptr),
            rt.get());
  const std::string before = contents(one.get());
  // Drivers load code when it is launched first.
  fail("cuLaunchKernel", CU_ERROR_OUT_OF_MEMORY, 1);
  EXPECT_FAILS(prefill(one.get()), RWKV_E_MEMORY, rt.get(),
               "kernel \"layer\": cuLaunchKernel of 3 tasks");
  EXPECT_EQ(contents(one.get()), before);
  const struct {
    const char *call;
    int after;
    const char *message;
  } cases[] = {
      {"cuMemcpyHtoDAsync_v2", 0, "cuMemcpyHtoDAsync: unknown error (999)"},
      {"cuMemcpyHtoDAsync_v2", 1, "cuMemcpyHtoDAsync: unknown error (999)"},
      {"cuLaunchKernel", 0,
       "Fake 0: kernel \"embed\": cuLaunchKernel of 7 tasks of 64 threads and "
       "1024 bytes of shared memory: unknown error (999): no description"},
      {"cuLaunchKernel", 3, "kernel \"count\""},
      {"cuMemcpyDtoDAsync_v2", 1, "cuMemcpyDtoDAsync: unknown error (999)"},
      {"cuStreamSynchronize", 0, "waiting for the device: unknown error"},
      {"cuMemcpyDtoHAsync_v2", 0, "waiting for the device: unknown error"},
      {"cuMemcpyDtoHAsync_v2", 1, "cuMemcpyDtoHAsync: unknown error"},
  };
  for (const auto &c : cases) {
    SCOPED_TRACE(std::string(c.call) + " " + std::to_string(c.after));
    fail(c.call, 999, c.after);
    EXPECT_FAILS(prefill(one.get()), RWKV_E_DEVICE, rt.get(), c.message);
    EXPECT_EQ(fake->fail, nullptr);
    EXPECT_EQ(fake->queued, 0); // tokens and logits are the caller's
    EXPECT_EQ(contents(one.get()), before);
  }
  EXPECT_OK(prefill(one.get()), rt.get());
  // A state file is taken over as a whole, or not at all.
  const std::string path = host.folder.path("state.safetensors");
  State other = state(model.get(), 3);
  ASSERT_OK(rwkv_state_save(other.get(), path.c_str()), rt.get());
  const std::string now = contents(one.get());
  for (const char *call : {"cuMemcpyHtoDAsync_v2", "cuStreamSynchronize"}) {
    fail(call, 999, call[2] == 'M'); // the second array
    EXPECT_FAILS(rwkv_state_load(one.get(), path.c_str()), RWKV_E_DEVICE,
                 rt.get(), "unknown error (999)");
    EXPECT_EQ(contents(one.get()), now);
  }
  fail("cuMemcpyDtoHAsync_v2", 999, 1);
  const std::string unsaved = host.folder.path("unsaved");
  EXPECT_FAILS(rwkv_state_save(one.get(), unsaved.c_str()), RWKV_E_DEVICE,
               rt.get(), "cuMemcpyDtoHAsync");
  for (const std::string &name : host.folder.list()) {
    EXPECT_EQ(name.find("unsaved"), std::string::npos) << name;
  }
}

TEST_F(GpuCallTest, ParametersAreInTheirPlaces) {
  make(
      kernel("layer_index"), "[" + value("x", "f32", R"(["T"])") + "]",
      "[" + value("y", "f32", R"([5, "T"])", "output") + "]",
      R"([{"repeat": [0, 2], "steps": [{"launch": 0, "tasks": "T", "buffers": [["result", 0, "l"]]}]},
 {"repeat": [3, 5], "steps": [{"launch": 0, "tasks": ["*", ["min", 1, ["+", "l", -3]], "T"],
                              "buffers": [["result", 0, "l"]]}]}])");
  std::vector<float> x(2), y(10);
  fake->launch_count = 0;
  ASSERT_OK(call({arrayOf(x)}, {arrayOf(y, {5, 2})}), rt.get());
  EXPECT_EQ(fake->launch_count, 3); // layer 3 has no tasks
  for (size_t l : {0, 1, 4}) {
    EXPECT_EQ(y[2 * l], 200 + static_cast<float>(l));
    EXPECT_EQ(y[2 * l + 1], 200 + static_cast<float>(l));
  }
}

// Tasks that cannot have scratch all at once run in several grids.
TEST_F(GpuCallTest, ScratchIsBounded) {
  const int64_t mib = 1 << 20;
  fake->memory = 3 << 30;
  const std::string
      args = "[" + value("x", "f32", R"(["T"])") + "]",
      results = "[" + value("y", "f32", R"(["T"])", "output") + "]",
      steps =
          R"([{"launch": 0, "tasks": "T", "buffers": [["arg", 0], ["result", 0]]}])";
  const struct {
    int64_t scratch;
    std::vector<unsigned> grids;
    size_t bytes;
  } cases[] = {
      {4096, {5}, 5 * 4096},
      {512 * mib, {2, 2, 1}, 1 << 30},
      {400 * mib, {2, 2, 1}, 800 << 20},
      {2 << 29, {1, 1, 1, 1, 1}, 1 << 30},
      {(int64_t{1} << 30) + 4096, {1, 1, 1, 1, 1}, (1u << 30) + 4096},
  };
  std::vector<float> x = {1, 2, 3, 4, 5}, y(5), expected;
  for (float v : x) {
    float sum = 0;
    for (int j = 0; j < 1024; ++j) {
      volatile float product = (v + static_cast<float>(j)) * 0.37f;
      sum = sum + product;
    }
    expected.push_back(sum);
  }
  for (const auto &c : cases) {
    SCOPED_TRACE(c.scratch);
    rt.reset();
    rt = open(); // scratch of its own
    make(kernel("through_scratch", c.scratch), args, results, steps);
    fake->scratch = c.scratch;
    fake->launch_count = 0;
    size_t before = fake->used;
    std::fill(y.begin(), y.end(), 0.0f);
    ASSERT_OK(call({arrayOf(x)}, {arrayOf(y)}), rt.get());
    EXPECT_EQ(y, expected);
    ASSERT_EQ(fake->launch_count, static_cast<int>(c.grids.size()));
    uint64_t first = 0;
    for (size_t i = 0; i < c.grids.size(); ++i) {
      EXPECT_EQ(fake->launches[i].grid, c.grids[i]);
      EXPECT_EQ(fake->launches[i].first, first);
      first += c.grids[i];
    }
    EXPECT_LT(fake->used - before, c.bytes + (1 << 16));
    model.reset();
    pack.reset();
  }
}

TEST_F(GpuCallTest, ScratchThatDoesNotFit) {
  const std::string
      args = "[" + value("x", "f32", R"(["T"])") + "]",
      results = "[" + value("y", "f32", R"(["T"])", "output") + "]",
      steps =
          R"([{"launch": 0, "tasks": "T", "buffers": [["arg", 0], ["result", 0]]}])";
  fake->scratch = 1 << 20;
  make(kernel("through_scratch", 1 << 20), args, results, steps);
  std::vector<float> x(100), y(100, 7);
  EXPECT_FAILS(call({arrayOf(x)}, {arrayOf(y)}), RWKV_E_MEMORY, rt.get(),
               "Fake 0: out of memory for 104857600 bytes of scratch of kernel "
               "through_scratch");
  EXPECT_EQ(y, std::vector<float>(100, 7));
  // Smaller calls go on.
  x.resize(3);
  y.resize(3);
  EXPECT_OK(call({arrayOf(x)}, {arrayOf(y)}), rt.get());
  model.reset();
  // One task that needs too much.
  rwkv_model *out = nullptr;
  Pack greedy = openPack(
      rt.get(), manifest("[" + kernel("which", INT64_MAX) + "]", "[]", "[]",
                         "[" + target("gpu", "sm_90", 0, code().size()) + "]"));
  EXPECT_FAILS(rwkv_model_bind(rt.get(), greedy.get(), nullptr, nullptr, &out),
               RWKV_E_MEMORY, rt.get(),
               "9223372036854775807 bytes of scratch of kernel which");
}

TEST_F(GpuCallTest, EmptyArraysAndPlansOfCopies) {
  make("", "[" + value("x", "f32", R"(["T"])") + "]",
       "[" + value("y", "f32", R"(["T"])", "output") + "]",
       R"([{"copy": [["result", 0], ["arg", 0]]}])");
  std::vector<float> x = {1, 2, 3}, y(3);
  EXPECT_OK(call({arrayOf(x)}, {arrayOf(y)}), rt.get());
  EXPECT_EQ(y, x);
  rwkv_array nothing = arrayOf(x, {0});
  nothing.data = nullptr;
  EXPECT_OK(call({nothing}, {nothing}), rt.get());
}

} // namespace
