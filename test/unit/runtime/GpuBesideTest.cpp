// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Launches that run side by side on a GPU, and launches of some tasks of a
// kernel.
#include "Gpu.h"

#include <set>

using namespace rwkvtest;

namespace {

using Floats = std::vector<float>;

std::string step(int kernel, int from, int to, bool beside, const std::string &more = R"("tasks": "T")") {
  return R"({"launch": )" + std::to_string(kernel) + ", " + more + R"(, "buffers": [["result", )" + std::to_string(to) +
         "], " + (from < 0 ? R"(["arg", 0])" : R"(["result", )" + std::to_string(from) + "]") +
         (beside ? R"(], "beside": true})" : "]}");
}

// x [T] -> y0, y1, y2 [T]; kernels: y += x, without and with scratch.
class GpuBesideTest : public GpuCallTest {
protected:
  void makePlan(const std::string &steps) {
    std::string outputs;
    for (int i = 0; i < 3; ++i) {
      outputs += (i ? ", " : "") + value("y" + std::to_string(i), "f32", R"(["T"])", "output");
    }
    make(kernel("accumulate") + ", " + kernel("accumulate", 64), "[" + value("x", "f32", R"(["T"])") + "]",
         "[" + outputs + "]", "[" + steps + "]");
    x = upload(ones);
    for (rwkv_array &each : y) {
      each = upload(twos);
    }
    fake->launch_count = 0;
  }
  rwkv_status launch(cu_stream stream = nullptr) { return rwkv_launch(model.get(), "f", &x, 1, y, 3, stream); }
  const void *streamOf(int launch) { return fake->launches[launch].stream; }

  Floats ones = {1, 1, 1}, twos = {2, 2, 2};
  rwkv_array x, y[3];
};

// y0 .. y2 += x side by side, then y0 += y1, y0 += y2.
const std::string kThree = step(0, -1, 0, true) + "," + step(0, -1, 1, true) + "," + step(0, -1, 2, false) + "," +
                           step(0, 1, 0, false) + "," + step(0, 2, 0, false);

TEST_F(GpuBesideTest, EveryOtherOneGoesToASecondStream) {
  makePlan(kThree);
  for (cu_stream mine : {static_cast<cu_stream>(nullptr), stream()}) {
    for (const rwkv_array &each : y) {
      ASSERT_OK(rwkv_upload(rt.get(), each.data, twos.data(), 12), rt.get());
    }
    fake->launch_count = 0;
    ASSERT_OK(launch(mine), rt.get());
    EXPECT_EQ(fake->launch_count, 0); // nobody waits
    ASSERT_OK(rwkv_finish(rt.get()), rt.get());
    EXPECT_EQ(download(y[0]), (Floats{9, 9, 9}));
    EXPECT_EQ(download(y[1]), (Floats{3, 3, 3}));
    ASSERT_EQ(fake->launch_count, 5);
    std::multiset<const void *> streams;
    for (int i = 0; i < 5; ++i) {
      streams.insert(streamOf(i));
    }
    EXPECT_EQ(streams.count(streamOf(4)), 4u); // all but one of the three
    EXPECT_EQ(streamOf(3), streamOf(4));
  }
}

// There is one scratch, and what has no tasks needs no stream.
TEST_F(GpuBesideTest, OneStreamIsEnough) {
  for (const std::string &steps :
       {step(1, -1, 0, true) + "," + step(1, -1, 1, false), step(0, -1, 0, true) + "," + step(1, -1, 1, false),
        step(0, -1, 0, true) + "," + step(0, -1, 2, true, R"("tasks": 0)") + "," +
            step(0, -1, 2, false, R"("tasks": 0)") + "," + step(0, -1, 1, false)}) {
    makePlan(steps);
    ASSERT_OK(launch(), rt.get());
    ASSERT_OK(rwkv_finish(rt.get()), rt.get());
    ASSERT_EQ(fake->launch_count, 2);
    EXPECT_EQ(streamOf(0), streamOf(1));
    EXPECT_EQ(download(y[0]), (Floats{3, 3, 3}));
    EXPECT_EQ(download(y[1]), (Floats{3, 3, 3}));
    EXPECT_EQ(download(y[2]), (Floats{2, 2, 2}));
  }
  makePlan(step(1, -1, 0, true) + "," + step(0, -1, 1, false)); // the other one goes
  ASSERT_OK(launch(), rt.get());
  ASSERT_OK(rwkv_finish(rt.get()), rt.get());
  EXPECT_NE(streamOf(0), streamOf(1));
}

TEST_F(GpuBesideTest, AreRecordedSideBySide) {
  makePlan(kThree);
  double milliseconds = 0;
  ASSERT_OK(rwkv_time(model.get(), "f", &x, 1, y, 3, 4, &milliseconds), rt.get());
  EXPECT_GT(fake->replayed, 0);
  EXPECT_EQ(fake->launch_count % 5, 0);
  const float runs = static_cast<float>(fake->launch_count) / 5;
  float sum = 2;
  for (float i = 1; i <= runs; ++i) {
    sum += 1 + 2 * (2 + i);
  }
  EXPECT_EQ(download(y[1]), Floats(3, 2 + runs));
  EXPECT_EQ(download(y[0]), Floats(3, sum));
  // Without graphs, and in one, it is the same.
  ASSERT_OK(launch(), rt.get());
  EXPECT_EQ(download(y[1]), Floats(3, 3 + runs));
}

TEST_F(GpuBesideTest, AFailureLeavesTheNextCallInOrder) {
  makePlan(kThree);
  const struct {
    const char *call;
    int after;
  } failures[] = {{"cuEventRecord", 0},  {"cuStreamWaitEvent", 0}, {"cuLaunchKernel", 0},   {"cuLaunchKernel", 1},
                  {"cuLaunchKernel", 2}, {"cuEventRecord", 1},     {"cuStreamWaitEvent", 1}};
  for (const auto &f : failures) {
    fail(f.call, 999, f.after);
    EXPECT_FAILS(launch(), RWKV_E_DEVICE, rt.get(), "(999)");
    ASSERT_OK(rwkv_finish(rt.get()), rt.get());
    for (const rwkv_array &each : y) {
      ASSERT_OK(rwkv_upload(rt.get(), each.data, twos.data(), 12), rt.get());
    }
    ASSERT_OK(launch(), rt.get());
    EXPECT_EQ(download(y[0]), (Floats{9, 9, 9})) << f.call << " " << f.after;
  }
}

// Two blocks of a kernel share a multiprocessor, and are given what they need of its memory; one of another kernel
// comes there if both are given the same, which is enough for either and for one of each.
TEST_F(GpuBesideTest, BlocksOfBothFitAMultiprocessor) {
  auto carveouts = [&](int64_t one, int64_t other, bool beside) {
    fake->carveouts = 0;
    fake->carveout = -1;
    make(kernel("accumulate", 0, one) + ", " + kernel("accumulate", 0, other),
         "[" + value("x", "f32", R"(["T"])") + "]",
         "[" + value("y0", "f32", R"(["T"])", "output") + "," + value("y1", "f32", R"(["T"])", "output") + "]",
         "[" + step(0, -1, 0, beside) + "," + step(1, -1, 1, false) + "]");
    return std::pair(fake->carveouts, fake->carveout);
  };
  const int64_t kUnit = 228 * 1024 / 100; // of the whole, of which every block takes 1024 bytes more
  auto both = [&](int64_t bytes) { return std::pair(2, static_cast<int>(bytes / kUnit + 1)); };
  EXPECT_EQ(carveouts(20000, 20000, true), both(2 * 21024));
  EXPECT_EQ(carveouts(20000, 80000, true), both(2 * 81024));
  EXPECT_EQ(carveouts(80000, 20000, true), both(2 * 81024));
  EXPECT_EQ(carveouts(115500, 115500, true), std::pair(2, 100));
  EXPECT_EQ(carveouts(20000, 80000, false), std::pair(0, -1));
  EXPECT_EQ(carveouts(30000, 220000, true), std::pair(0, -1)); // never
}

TEST_F(GpuBesideTest, SomeTasksOfAKernel) {
  ones = Floats(8, 1);
  twos = Floats(8, 2);
  makePlan(step(0, -1, 0, false, R"("tasks": ["min", "T", 3], "from": 2)"));
  ASSERT_OK(launch(), rt.get());
  EXPECT_EQ(download(y[0]), (Floats{2, 2, 3, 3, 3, 2, 2, 2}));
  ASSERT_EQ(fake->launch_count, 1);
  EXPECT_EQ(fake->launches[0].first, 2u);
  EXPECT_EQ(fake->launches[0].grid, 3u);
}

} // namespace
