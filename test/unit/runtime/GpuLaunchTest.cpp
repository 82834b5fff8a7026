// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arrays in the device's memory: queued work, streams, timing.
#include "Gpu.h"

#include <cstring>

using namespace rwkvtest;

namespace {

using Floats = std::vector<float>;

// x [T] -> y [T] = y + x
class GpuLaunchTest : public GpuCallTest {
protected:
  void makeAdd() {
    make(
        kernel("accumulate"), "[" + value("x", "f32", R"(["T"])") + "]",
        "[" + value("y", "f32", R"(["T"])", "output") + "]",
        R"([{"launch": 0, "tasks": "T", "buffers": [["result", 0], ["arg", 0]]}])");
  }
  rwkv_status launch(const rwkv_array &in, const rwkv_array &out,
                     cu_stream stream = nullptr) {
    return rwkv_launch(model.get(), "f", &in, 1, &out, 1, stream);
  }
  int64_t run(cu_stream stream) {
    decltype(cu_driver::StreamSynchronize) synchronize;
    decltype(cu_driver::CtxPushCurrent) push;
    decltype(cu_driver::CtxPopCurrent) pop;
    driver("cuStreamSynchronize", synchronize);
    driver("cuCtxPushCurrent_v2", push);
    driver("cuCtxPopCurrent_v2", pop);
    cu_context context = reinterpret_cast<cu_context>(fake); // any
    push(context);
    EXPECT_EQ(synchronize(stream), CU_SUCCESS);
    pop(&context);
    return fake->launch_count;
  }

  Floats ones = {1, 1, 1}, twos = {2, 2, 2};
};

TEST_F(GpuLaunchTest, QueuesAndDoesNotWait) {
  makeAdd();
  rwkv_array x = upload(ones), y = upload(twos);
  for (cu_stream stream : {static_cast<cu_stream>(nullptr), this->stream()}) {
    ASSERT_OK(rwkv_upload(rt.get(), y.data, twos.data(), 12), rt.get());
    fake->launch_count = 0;
    ASSERT_OK(launch(x, y, stream), rt.get());
    ASSERT_OK(launch(x, y, stream), rt.get());
    EXPECT_EQ(fake->launch_count, 0);
    EXPECT_GE(fake->queued, 2);
    ASSERT_OK(rwkv_finish(rt.get()), rt.get());
    EXPECT_EQ(fake->launch_count, 2);
    EXPECT_EQ(fake->queued, 0);
    EXPECT_EQ(download(y), (Floats{4, 4, 4}));
  }
  EXPECT_OK(rwkv_finish(rt.get()), rt.get());
}

TEST_F(GpuLaunchTest, IsInTheStreamOfTheCaller) {
  makeAdd();
  rwkv_array x = upload(ones), y = upload(twos);
  cu_stream mine = stream(), other = stream();
  fake->launch_count = 0;
  ASSERT_OK(launch(x, y, mine), rt.get());
  EXPECT_EQ(run(other), 0);
  EXPECT_EQ(run(mine), 1);
}

TEST_F(GpuLaunchTest, ArraysStartAtWholeVectors) {
  makeAdd();
  rwkv_array x = upload(ones), y = upload(twos), odd = y;
  odd.data = static_cast<char *>(y.data) + 4;
  fake->launch_count = 0;
  EXPECT_FAILS(launch(x, odd, nullptr), RWKV_E_ARGUMENT, rt.get(),
               "expected data aligned to 16 bytes");
  EXPECT_FAILS(launch(odd, y, nullptr), RWKV_E_ARGUMENT, rt.get(),
               "expected data aligned to 16 bytes");
  EXPECT_EQ(fake->launch_count, 0);
}

// Temporaries, scratch and arrays are shared: what comes later waits, whatever
// stream either is in.
TEST_F(GpuLaunchTest, OrderHoldsAcrossStreams) {
  makeAdd();
  rwkv_array x = upload(ones), y = upload(twos), z = upload(twos);
  cu_stream first = stream(), second = stream();
  ASSERT_OK(launch(x, y, first), rt.get());
  EXPECT_EQ(download(y), (Floats{3, 3, 3}));

  ASSERT_OK(launch(x, y, first), rt.get());
  ASSERT_OK(launch(y, z, second), rt.get());
  run(second);
  EXPECT_EQ(download(z), (Floats{6, 6, 6}));

  ASSERT_OK(launch(x, y, second), rt.get());
  ASSERT_OK(launch(x, y), rt.get());
  ASSERT_OK(launch(y, z, first), rt.get());
  run(first);
  EXPECT_EQ(fake->queued, 0);
  EXPECT_EQ(download(z), (Floats{12, 12, 12}));

  ASSERT_OK(launch(x, y, first), rt.get());
  Floats a = {5, 5, 5}, b = {0, 0, 0};
  ASSERT_OK(call({arrayOf(a)}, {arrayOf(b)}), rt.get());
  EXPECT_EQ(fake->queued, 0);
  ASSERT_OK(launch(x, y, second), rt.get());
  ASSERT_OK(rwkv_upload(rt.get(), x.data, twos.data(), 12), rt.get());
  EXPECT_EQ(fake->queued, 0);
  ASSERT_OK(launch(x, y, first), rt.get());
  rwkv_device_free(rt.get(), x.data); // waits
  allocated[0] = nullptr;
  EXPECT_EQ(download(y), (Floats{10, 10, 10}));
}

TEST_F(GpuLaunchTest, MemoryIsNotFreedInUse) {
  // Temporaries that grow from call to call.
  make(kernel("accumulate"), "[" + value("x", "f32", R"(["T"])") + "]",
       "[" + value("y", "f32", R"(["T"])", "output") + "]",
       R"([{"copy": [["temporary", 0], ["arg", 0]]},
 {"launch": 0, "tasks": "T", "buffers": [["temporary", 0], ["arg", 0]]},
 {"copy": [["result", 0], ["temporary", 0]]}])",
       R"([{"dtype": "f32", "shape": ["T"]}])");
  cu_stream mine = stream();
  for (size_t n : {1, 100, 10000}) {
    Floats in(n, 3), out(n);
    rwkv_array x = upload(in), y = upload(out);
    ASSERT_OK(launch(x, y, mine), rt.get());
    EXPECT_GT(fake->queued, 0);
  }
  EXPECT_EQ(fake->freed_busy, 0);
  model.reset();
  EXPECT_GT(fake->queued, 0); // nobody waits
  pack.reset();
  EXPECT_EQ(fake->queued, 0); // for its code
  EXPECT_EQ(fake->freed_busy, 0);
}

TEST_F(GpuLaunchTest, FinishFindsBounds) {
  make(kernel("flag"), "[" + value("x", "f32", R"(["T"])") + "]",
       "[" + value("y", "f32", R"(["T"])", "output") + "]",
       R"([{"copy": [["result", 0], ["arg", 0]]},
 {"launch": 0, "tasks": "T", "buffers": [["arg", 0]]}])");
  Floats zeros(3), result(3, 7);
  rwkv_array bad = upload(ones), good = upload(zeros), y = upload(twos);
  cu_stream mine = stream();
  ASSERT_OK(launch(bad, y, mine), rt.get());
  ASSERT_OK(launch(good, y), rt.get());
  // A call has a status of its own.
  EXPECT_OK(call({arrayOf(zeros)}, {arrayOf(result)}), rt.get());
  EXPECT_EQ(result, zeros);
  EXPECT_FAILS(rwkv_finish(rt.get()), RWKV_E_BOUND, rt.get(),
               "rwkv_launch: an asserted bound does not hold for the data");
  EXPECT_OK(rwkv_finish(rt.get()), rt.get()); // since the last
  EXPECT_FAILS(call({arrayOf(ones)}, {arrayOf(result)}), RWKV_E_BOUND, rt.get(),
               "f: an asserted bound");
  ASSERT_OK(launch(good, y, mine), rt.get());
  EXPECT_OK(rwkv_finish(rt.get()), rt.get());
}

TEST_F(GpuLaunchTest, FinishNamesWhatDoesNotHold) {
  auto makeNamed = [&](const std::string &name) {
    std::string text = manifest(
        "[" + kernel("flag") + "]",
        "[" +
            function("f", "[" + value("x", "f32", R"(["T"])") + "]",
                     "[" + value("y", "f32", R"(["T"])", "output") + "]", "[]",
                     R"([{"copy": [["result", 0], ["arg", 0]]},
 {"launch": 0, "tasks": "T", "buffers": [["arg", 0]]}])") +
            "]",
        "[]", "[" + target("gpu", "sm_90a", 0, code().size()) + "]");
    return openPack(rt.get(),
                    replaced(text, "\"dims\"",
                             "\"assertions\": [\"" + name + "\"], \"dims\""));
  };
  Pack other = makeNamed("theirs");
  Model theirs = bindModel(rt.get(), other.get());
  pack = makeNamed("ours");
  model = bindModel(rt.get(), pack.get());
  rwkv_array bad = upload(ones), y = upload(twos), z = upload(twos);
  const std::string violated =
      "rwkv_launch: an asserted bound does not hold for the data";
  auto message = [&] {
    EXPECT_EQ(rwkv_finish(rt.get()), RWKV_E_BOUND);
    return std::string(rwkv_message(rt.get()));
  };
  ASSERT_OK(launch(bad, y), rt.get());
  EXPECT_EQ(message(), violated + ": ours");
  ASSERT_OK(rwkv_launch(theirs.get(), "f", &bad, 1, &z, 1, nullptr), rt.get());
  EXPECT_EQ(message(), violated + ": theirs");
  // Bits of several packs could mean either.
  ASSERT_OK(rwkv_launch(theirs.get(), "f", &bad, 1, &z, 1, nullptr), rt.get());
  ASSERT_OK(launch(bad, y), rt.get());
  EXPECT_EQ(message(), violated);
  // A pack may be gone by then.
  ASSERT_OK(rwkv_launch(theirs.get(), "f", &bad, 1, &z, 1, nullptr), rt.get());
  theirs.reset();
  other.reset();
  EXPECT_EQ(message(), violated);
  ASSERT_OK(launch(bad, y), rt.get());
  EXPECT_EQ(message(), violated + ": ours");
}

TEST_F(GpuLaunchTest, ChecksIndicesBeforeItQueues) {
  make(kernel("which"),
       "[" + value("i", "i32", R"(["T"])", "input", ", \"below\": 8") + "," +
           value("o", "i32", R"([["+", "S", 1]])", "sequences") + "]",
       "[" + value("y", "f32", R"(["S"])", "output") + "]",
       R"([{"launch": 0, "tasks": "S", "buffers": [["result", 0]]}])");
  std::vector<int32_t> good = {0, 7, 3}, bad = {0, 8, 3}, offsets = {0, 1, 3},
                       wrong = {0, 2, 1};
  Floats y = {0, 0};
  rwkv_array good_i = upload(good), bad_i = upload(bad), o = upload(offsets),
             wrong_o = upload(wrong), out = upload(y);
  cu_stream mine = stream();
  fake->launch_count = 0;
  auto run = [&](const rwkv_array &i, const rwkv_array &o) {
    rwkv_array inputs[] = {i, o};
    return rwkv_launch(model.get(), "f", inputs, 2, &out, 1, mine);
  };
  EXPECT_FAILS(run(bad_i, o), RWKV_E_ARGUMENT, rt.get(),
               "f: \"i\": position 1: expected 0 .. 7, found 8");
  EXPECT_FAILS(run(good_i, wrong_o), RWKV_E_ARGUMENT, rt.get(),
               "\"o\"[2]: expected >= 2, found 1");
  ASSERT_OK(rwkv_finish(rt.get()), rt.get());
  EXPECT_EQ(fake->launch_count, 0);
  EXPECT_OK(run(good_i, o), rt.get());
  EXPECT_EQ(download(out), (Floats{1, 1}));
  fail("cuMemcpyDtoHAsync_v2", 999);
  EXPECT_FAILS(run(good_i, o), RWKV_E_DEVICE, rt.get(), "cuMemcpyDtoHAsync");
}

TEST_F(GpuLaunchTest, ReportsFailures) {
  makeAdd();
  rwkv_array x = upload(ones), y = upload(twos);
  cu_stream mine = stream();
  EXPECT_FAILS(launch(x, x, mine), RWKV_E_ARGUMENT, rt.get(),
               "expected memory of its own");
  rwkv_array short_ = x;
  short_.shape[0] = 2;
  EXPECT_FAILS(launch(short_, y, mine), RWKV_E_ARGUMENT, rt.get(),
               "expected size 2, found 3");
  EXPECT_FAILS(rwkv_launch(model.get(), "g", &x, 1, &y, 1, mine),
               RWKV_E_ARGUMENT, rt.get(), "expected a function");
  EXPECT_EQ(rwkv_launch(nullptr, "f", &x, 1, &y, 1, mine), RWKV_E_ARGUMENT);
  EXPECT_EQ(rwkv_finish(nullptr), RWKV_E_ARGUMENT);
  for (const char *call : {"cuLaunchKernel", "cuEventRecord"}) {
    fail(call, 999);
    EXPECT_FAILS(launch(x, y, mine), RWKV_E_DEVICE, rt.get(), "(999)");
  }
  // The first failure is the one to know.
  Floats many(1000);
  rwkv_array a = upload(many), b = upload(many);
  b.shape[0] = 7;
  fail("cuEventRecord", 999);
  EXPECT_FAILS(launch(a, b, mine), RWKV_E_ARGUMENT, rt.get(),
               "expected size 1000, found 7");
  fail("cuStreamSynchronize", 700);
  EXPECT_FAILS(rwkv_finish(rt.get()), RWKV_E_DEVICE, rt.get(),
               "CUDA_ERROR_ILLEGAL_ADDRESS (700): in words");
  // A bad address is found when it is waited for; it is the end of the device
  // for this process.
  x.data = static_cast<char *>(x.data) + (int64_t{1} << 40);
  ASSERT_OK(launch(x, y, mine), rt.get());
  EXPECT_FAILS(rwkv_finish(rt.get()), RWKV_E_DEVICE, rt.get(),
               "CUDA_ERROR_ILLEGAL_ADDRESS");
  EXPECT_FAILS(rwkv_finish(rt.get()), RWKV_E_DEVICE, rt.get(),
               "CUDA_ERROR_ILLEGAL_ADDRESS");
  // So that what the fake driver counts comes down to 0 again.
  decltype(cu_driver::Init) init;
  driver("cuInit", init);
  init(0);
}

TEST_F(GpuLaunchTest, TimesTheMedian) {
  makeAdd();
  rwkv_array x = upload(ones), y = upload(twos);
  const double durations[] = {100, 5, 1, 2, 9};
  fake->durations = durations;
  fake->duration_count = 5;
  const int events = fake->events; // the runtime's own
  auto time = [&](int32_t repeats) {
    double milliseconds = 0;
    fake->launch_count = 0; // the first, of 100 ms, is to warm up
    EXPECT_OK(rwkv_time(model.get(), "f", &x, 1, &y, 1, repeats, &milliseconds),
              rt.get());
    EXPECT_EQ(fake->launch_count, repeats + 1);
    EXPECT_EQ(fake->queued, 0);
    EXPECT_EQ(fake->events, events);
    return milliseconds;
  };
  EXPECT_EQ(time(1), 5);
  EXPECT_EQ(time(2), 3);
  EXPECT_EQ(time(3), 2);
  EXPECT_EQ(time(4), 3.5);
  EXPECT_EQ(download(y), (Floats{16, 16, 16})); // 2 + 2 + 3 + 4 + 5
  double milliseconds = -1;
  for (int32_t repeats : {0, -1, 10001}) {
    EXPECT_FAILS(
        rwkv_time(model.get(), "f", &x, 1, &y, 1, repeats, &milliseconds),
        RWKV_E_ARGUMENT, rt.get(),
        "rwkv_time: expected an output and 1 .. 10000 repeats, found");
  }
  EXPECT_FAILS(rwkv_time(model.get(), "f", &x, 1, &y, 1, 1, nullptr),
               RWKV_E_ARGUMENT, rt.get(), "expected an output");
  EXPECT_EQ(rwkv_time(nullptr, "f", &x, 1, &y, 1, 1, &milliseconds),
            RWKV_E_ARGUMENT);
  const struct {
    const char *call;
    int after;
  } failures[] = {{"cuEventCreate", 1},  {"cuEventRecord", 0},
                  {"cuEventRecord", 1},  {"cuLaunchKernel", 0},
                  {"cuLaunchKernel", 2}, {"cuEventElapsedTime", 0}};
  for (const auto &f : failures) {
    fail(f.call, 999, f.after);
    EXPECT_FAILS(rwkv_time(model.get(), "f", &x, 1, &y, 1, 3, &milliseconds),
                 RWKV_E_DEVICE, rt.get(), "(999)");
    EXPECT_EQ(fake->events, events);
    EXPECT_EQ(fake->queued, 0);
  }
  EXPECT_EQ(milliseconds, -1);
}

TEST_F(GpuLaunchTest, MemoryOfTheDevice) {
  void *memory = nullptr;
  ASSERT_OK(rwkv_device_alloc(rt.get(), 0, &memory), rt.get());
  EXPECT_NE(memory, nullptr);
  rwkv_device_free(rt.get(), memory);
  EXPECT_FAILS(rwkv_device_alloc(rt.get(), -1, &memory), RWKV_E_ARGUMENT,
               rt.get(), "found -1");
  EXPECT_EQ(memory, nullptr);
  EXPECT_FAILS(rwkv_device_alloc(rt.get(), 8, nullptr), RWKV_E_ARGUMENT,
               rt.get(), "expected an output");
  EXPECT_FAILS(rwkv_device_alloc(rt.get(), INT64_MAX, &memory), RWKV_E_MEMORY,
               rt.get(),
               "Fake 0: out of memory for 9223372036854775807 bytes of an "
               "array");
  ASSERT_OK(rwkv_device_alloc(rt.get(), 12, &memory), rt.get());
  Floats back(3);
  ASSERT_OK(rwkv_upload(rt.get(), memory, ones.data(), 12), rt.get());
  ASSERT_OK(
      rwkv_upload(rt.get(), static_cast<char *>(memory) + 4, twos.data(), 4),
      rt.get());
  ASSERT_OK(rwkv_download(rt.get(), back.data(), memory, 12), rt.get());
  EXPECT_EQ(back, (Floats{1, 2, 1}));
  EXPECT_OK(rwkv_upload(rt.get(), nullptr, nullptr, 0), rt.get());
  EXPECT_OK(rwkv_download(rt.get(), nullptr, nullptr, 0), rt.get());
  EXPECT_FAILS(rwkv_upload(rt.get(), nullptr, ones.data(), 4), RWKV_E_ARGUMENT,
               rt.get(),
               "rwkv_upload: expected two pointers and a number of "
               "bytes, found NULL and 4");
  EXPECT_FAILS(rwkv_download(rt.get(), back.data(), memory, -4),
               RWKV_E_ARGUMENT, rt.get(), "found -4");
  EXPECT_EQ(rwkv_upload(nullptr, memory, ones.data(), 4), RWKV_E_ARGUMENT);
  EXPECT_EQ(rwkv_download(nullptr, back.data(), memory, 4), RWKV_E_ARGUMENT);
  rwkv_device_free(nullptr, nullptr);
  rwkv_device_free(rt.get(), nullptr);
  rwkv_device_free(rt.get(), memory);
  EXPECT_EQ(rwkv_device_alloc(nullptr, 4, &memory), RWKV_E_ARGUMENT);
  EXPECT_EQ(memory, nullptr);
}

// The same calls on the host.
TEST(HostLaunchTest, IsACall) {
  Toy toy;
  rwkv_runtime *rt = toy.rt.get();
  void *memory = nullptr;
  ASSERT_OK(rwkv_device_alloc(rt, 20, &memory), rt);
  std::vector<int32_t> tokens = {3, 1, 4, 1, 5}, offsets = {0, 5}, n(1), n1(1);
  ASSERT_OK(rwkv_upload(rt, memory, tokens.data(), 20), rt);
  Floats a(8), a1(8), logits(8);
  rwkv_array inputs[] = {arrayOf(tokens, {1, 5}), arrayOf(offsets),
                         arrayOf(a, {2, 1, 4}), arrayOf(n)};
  inputs[0].data = memory;
  const rwkv_array outputs[] = {arrayOf(logits, {1, 8}), arrayOf(a1, {2, 1, 4}),
                                arrayOf(n1)};
  ASSERT_OK(
      rwkv_launch(toy.model.get(), "prefill", inputs, 4, outputs, 3, nullptr),
      rt);
  Floats expected = Toy::expected(tokens);
  EXPECT_EQ(logits, Floats(expected.end() - 8, expected.end()));
  EXPECT_OK(rwkv_finish(rt), rt);
  double milliseconds = -1;
  ASSERT_OK(rwkv_time(toy.model.get(), "prefill", inputs, 4, outputs, 3, 5,
                      &milliseconds),
            rt);
  EXPECT_GE(milliseconds, 0);
  EXPECT_LT(milliseconds, 1000);
  std::vector<int32_t> back(5);
  ASSERT_OK(rwkv_download(rt, back.data(), memory, 20), rt);
  EXPECT_EQ(back, tokens);
  rwkv_device_free(rt, memory);
}

} // namespace
