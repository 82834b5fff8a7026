// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memory of the device: pools, and copies by way of locked memory.
#include "Gpu.h"

#include <numeric>

using namespace rwkvtest;

namespace {

using Floats = std::vector<float>;

constexpr int64_t kMiB = 1 << 20;

class GpuMemoryTest : public GpuCallTest {
protected:
  /// Values there and back, from some place on.
  void copy(int64_t bytes, int64_t at) {
    SCOPED_TRACE(std::to_string(bytes) + " from " + std::to_string(at));
    std::vector<uint8_t> from(static_cast<size_t>(bytes)), to(from.size());
    std::iota(from.begin(), from.end(), static_cast<uint8_t>(bytes));
    for (size_t i = 0; i < from.size(); i += 251) {
      from[i] = static_cast<uint8_t>(i >> 8);
    }
    void *memory = nullptr;
    ASSERT_OK(rwkv_device_alloc(rt.get(), bytes + at, &memory), rt.get());
    void *there = static_cast<char *>(memory) + at;
    ASSERT_OK(rwkv_upload(rt.get(), there, from.data(), bytes), rt.get());
    ASSERT_OK(rwkv_download(rt.get(), to.data(), there, bytes), rt.get());
    EXPECT_TRUE(from == to);
    rwkv_device_free(rt.get(), memory);
  }
  void copySome() {
    for (int64_t bytes : {int64_t{1}, kMiB - 1, kMiB, kMiB + 1, 4 * kMiB,
                          5 * kMiB + 12345, 9 * kMiB}) {
      copy(bytes, 0);
      copy(bytes, 13);
    }
  }
  void makeAdd() {
    make(kernel("accumulate"), "[" + value("x", "f32", R"(["T"])") + "]",
         "[" + value("y", "f32", R"(["T"])", "output") + "]",
         R"([{"copy": [["temporary", 0], ["arg", 0]]},
 {"launch": 0, "tasks": "T", "buffers": [["result", 0], ["temporary", 0]]}])",
         R"([{"dtype": "f32", "shape": ["T"]}])");
  }
};

TEST_F(GpuMemoryTest, CopiesAnySize) {
  copy(64 << 10, 0);
  EXPECT_EQ(fake->locked, 0u); // not before it is needed
  copySome();
  EXPECT_EQ(fake->locked, static_cast<size_t>(4 * kMiB));
}

TEST_F(GpuMemoryTest, CopiesWithoutLockedMemory) {
  fail("cuMemHostAlloc", CU_ERROR_OUT_OF_MEMORY);
  copySome();
  EXPECT_EQ(fake->fail, nullptr);
  EXPECT_EQ(fake->locked, 0u);
  for (int after = 0; after < 4; ++after) {
    rt.reset();
    rt = open();
    fail("cuEventCreate", CU_ERROR_OUT_OF_MEMORY, after);
    copySome();
    EXPECT_EQ(fake->fail, nullptr);
  }
}

TEST_F(GpuMemoryTest, FailuresOfCopies) {
  std::vector<char> data(static_cast<size_t>(6 * kMiB));
  void *memory = nullptr;
  ASSERT_OK(rwkv_device_alloc(rt.get(), 6 * kMiB, &memory), rt.get());
  for (int after : {0, 3, 5}) {
    for (const char *call : {"cuMemcpyHtoDAsync_v2", "cuEventRecord"}) {
      fail(call, 999, after);
      EXPECT_FAILS(rwkv_upload(rt.get(), memory, data.data(), 6 * kMiB),
                   RWKV_E_DEVICE, rt.get(), "cuMemcpyHtoDAsync");
    }
    for (const char *call :
         {"cuMemcpyDtoHAsync_v2", "cuEventRecord", "cuEventSynchronize"}) {
      fail(call, 999, after);
      EXPECT_FAILS(rwkv_download(rt.get(), data.data(), memory, 6 * kMiB),
                   RWKV_E_DEVICE, rt.get(), "cuMemcpyDtoHAsync");
      EXPECT_EQ(fake->fail, nullptr);
    }
  }
  rwkv_device_free(rt.get(), memory);
  copySome();
}

TEST_F(GpuMemoryTest, PoolsAreUsedWhereThereAre) {
  EXPECT_EQ(fake->pool_count, 1);
  for (int pools : {1, 0}) {
    SCOPED_TRACE(pools);
    rt.reset();
    fake->pools = pools;
    rt = open();
    EXPECT_EQ(fake->pool_count, pools);
    makeAdd();
    for (size_t n : {3, 300, 30000}) {
      Floats x(n, 2), y(n, 1);
      rwkv_array there = upload(x), result = upload(y);
      ASSERT_OK(rwkv_launch(model.get(), "f", &there, 1, &result, 1, nullptr),
                rt.get());
      EXPECT_EQ(download(result), Floats(n, 3));
    }
    const char *call = pools ? "cuMemAllocFromPoolAsync" : "cuMemAlloc_v2";
    void *memory = nullptr;
    fail(call, CU_ERROR_OUT_OF_MEMORY);
    EXPECT_FAILS(rwkv_device_alloc(rt.get(), 5, &memory), RWKV_E_MEMORY,
                 rt.get(), "Fake 0: out of memory for 5 bytes of an array");
    fail(call, 999);
    EXPECT_FAILS(rwkv_device_alloc(rt.get(), 5, &memory), RWKV_E_DEVICE,
                 rt.get(), "cuMemAlloc: unknown error (999)");
    EXPECT_EQ(memory, nullptr);
    for (void *each : allocated) {
      rwkv_device_free(rt.get(), each);
    }
    allocated.clear();
    model.reset();
    pack.reset();
  }
  rt.reset();
  fake->pools = 1;
  fail("cuMemPoolCreate", CU_ERROR_OUT_OF_MEMORY);
  rt = open();
  EXPECT_EQ(fake->pool_count, 0);
  copy(100, 0);
}

// What is freed while it is used goes when it is not any more.
TEST_F(GpuMemoryTest, FreesInOrder) {
  makeAdd();
  cu_stream mine = stream();
  Floats x(1000, 2), y(1000, 1);
  rwkv_array there = upload(x), result = upload(y);
  ASSERT_OK(rwkv_launch(model.get(), "f", &there, 1, &result, 1, mine),
            rt.get());
  const size_t blocks = fake->blocks;
  model.reset(); // with its temporary
  EXPECT_EQ(fake->blocks, blocks);
  EXPECT_GT(fake->queued, 0);
  EXPECT_EQ(download(result), Floats(1000, 3));
  ASSERT_OK(rwkv_finish(rt.get()), rt.get());
  EXPECT_EQ(fake->blocks, blocks - 1);
  // Memory that was freed in order is there for what comes then.
  fake->memory = fake->used + 5000;
  makeAdd();
  void *memory = nullptr;
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK(rwkv_launch(model.get(), "f", &there, 1, &result, 1, mine),
              rt.get());
    model.reset();
    EXPECT_FAILS(rwkv_device_alloc(rt.get(), 5001, &memory), RWKV_E_MEMORY,
                 rt.get(), "out of memory");
    ASSERT_OK(rwkv_device_alloc(rt.get(), 5000, &memory), rt.get());
    rwkv_device_free(rt.get(), memory);
    makeAdd();
  }
}

} // namespace
