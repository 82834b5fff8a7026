// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The runtime on a GPU that is there; skipped on machines without one. What the
// driver accepts and what its calls mean is tested here, all else with the fake
// one.
#include "Gpu.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <stdlib.h>

using namespace rwkvtest;

namespace {

// x, y f32 [T, 32]; task = row, thread = column: y = x, backwards, + T, by way
// of scratch (128 bytes of a task) and the memory the threads share; an element
// above 1000 violates a bound.
const char *const kRows = R"(
.version 7.0
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 shared[];
.visible .entry rows(
  .param .u64 x, .param .u64 y,
  .param .u64 B, .param .u64 T, .param .u64 S, .param .u64 l,
  .param .u64 scratch, .param .u64 status, .param .u64 first)
{
  .reg .b64 %d<20>;
  .reg .b32 %r<10>;
  .reg .f32 %f<8>;
  .reg .pred %p<2>;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %tid.x;
  cvt.u64.u32 %d1, %r1;
  cvt.u64.u32 %d2, %r2;
  ld.param.u64 %d3, [first];
  add.u64 %d4, %d1, %d3;
  shl.b64 %d4, %d4, 7;
  shl.b64 %d5, %d2, 2;
  add.u64 %d6, %d4, %d5;
  ld.param.u64 %d7, [x];
  add.u64 %d7, %d7, %d6;
  ld.global.f32 %f1, [%d7];
  ld.param.u64 %d8, [scratch];
  mov.u64 %d9, SCRATCH;
  mul.lo.u64 %d9, %d9, %d1;
  add.u64 %d8, %d8, %d9;
  add.u64 %d10, %d8, %d5;
  st.global.f32 [%d10], %f1;
  bar.sync 0;
  mov.u64 %d11, 124;
  sub.u64 %d11, %d11, %d5;
  add.u64 %d11, %d8, %d11;
  ld.global.f32 %f2, [%d11];
  mov.u32 %r3, shared;
  shl.b32 %r4, %r2, 2;
  add.u32 %r4, %r3, %r4;
  add.u32 %r4, %r4, SHARED;
  st.shared.f32 [%r4], %f2;
  bar.sync 0;
  ld.shared.f32 %f3, [%r4];
  ld.param.u64 %d12, [T];
  cvt.rn.f32.u64 %f4, %d12;
  add.f32 %f5, %f3, %f4;
  ld.param.u64 %d13, [y];
  add.u64 %d13, %d13, %d6;
  st.global.f32 [%d13], %f5;
  setp.gt.f32 %p1, %f1, 0f447A0000;
  ld.param.u64 %d14, [status];
  @%p1 red.global.or.b32 [%d14], 1;
  ret;
}
)";

class GpuRealTest : public testing::Test {
protected:
  void SetUp() override {
    unsetenv("RWKV_LIBCUDA");
    rwkv_runtime *out = nullptr;
    rwkv_status status = open(false, &out);
    if (status == RWKV_E_UNSUPPORTED) {
      GTEST_SKIP() << rwkv_message(out);
    }
    ASSERT_OK(status, out);
    make(128);
  }
  rwkv_status open(bool noGraphs, rwkv_runtime **out) {
    model.reset();
    pack.reset();
    rt.reset();
    rwkv_runtime_options options = {"cuda", 0, noGraphs};
    rwkv_status status = rwkv_runtime_create(&options, out);
    rt.reset(*out);
    return status;
  }
  void make(int64_t scratch, int64_t shared = 65536, int copies = 1,
            const std::string &chip = "sm_80") {
    std::string ptx =
        replaced(replaced(kRows, "SCRATCH", std::to_string(scratch)), "SHARED",
                 std::to_string(shared - 128));
    ptx = replaced(replaced(ptx, ".target sm_80", ".target " + chip),
                   ".version 7.0",
                   chip == "sm_80" ? ".version 7.0" : ".version 8.7");
    model.reset();
    pack.reset();
    std::string bytes = packBytes(
        manifest(
            "[" + kernel("rows", scratch, shared) + "]",
            "[" +
                function("f", "[" + value("x", "f32", R"(["T", 32])") + "]",
                         "[" + value("y", "f32", R"(["T", 32])", "output") +
                             "]",
                         R"([{"dtype": "f32", "shape": ["T", 32]},
                             {"dtype": "f32", "shape": ["T", 32]}])",
                         plan(copies)) +
                "]",
            "[]", "[" + target("gpu", chip, 0, ptx.size()) + "]"),
        ptx + "rubbish");
    rwkv_pack *out = nullptr;
    ASSERT_OK(
        rwkv_pack_read(rt.get(), bytes.data(), bytes.size(), "real.pack", &out),
        rt.get());
    pack.reset(out);
    model = bindModel(rt.get(), out);
  }
  /// y = rows(x), so often, the odd ones backwards; copies in between.
  static std::string plan(int times) {
    std::string steps = R"([{"copy": [["temporary", 0], ["arg", 0]]})";
    for (int i = 0; i < times; ++i) {
      steps += R"(,
{"launch": 0, "tasks": "T", "buffers": [["temporary", 0], ["temporary", 1]]},
{"copy": [["temporary", 0], ["temporary", 1]]})";
    }
    return steps + R"(,
{"copy": [["result", 0], ["temporary", 0]]}])";
  }
  static rwkv_array rows(std::vector<float> &values) {
    return arrayOf(values, {static_cast<int64_t>(values.size() / 32), 32});
  }
  static std::vector<float> inputs(int64_t t) {
    std::vector<float> x;
    for (int64_t i = 0; i < t * 32; ++i) {
      x.push_back(static_cast<float>(i % 997));
    }
    return x;
  }
  static std::vector<float> expected(const std::vector<float> &x) {
    std::vector<float> y(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      y[i] = x[i / 32 * 32 + 31 - i % 32] + static_cast<float>(x.size() / 32);
    }
    return y;
  }
  rwkv_status call(std::vector<float> &x, std::vector<float> &y) {
    rwkv_array in = rows(x), out = rows(y);
    return rwkv_call(model.get(), "f", &in, 1, &out, 1);
  }

  Runtime rt;
  Pack pack;
  Model model;
};

TEST_F(GpuRealTest, Calls) {
  for (int64_t t : {1, 7, 70000, 3, 0}) {
    std::vector<float> x = inputs(t), y(x.size());
    ASSERT_OK(call(x, y), rt.get());
    EXPECT_EQ(y, expected(x)) << t;
  }
}

TEST_F(GpuRealTest, CutsLaunchesByTheirScratch) {
  make(400 << 20);
  std::vector<float> x = inputs(5), y(x.size());
  rwkv_status status = call(x, y);
  if (status == RWKV_E_MEMORY) {
    GTEST_SKIP() << rwkv_message(rt.get());
  }
  ASSERT_OK(status, rt.get());
  EXPECT_EQ(y, expected(x));
}

TEST_F(GpuRealTest, FindsBounds) {
  std::vector<float> x = inputs(100), y(x.size());
  x[1234] = 1001;
  EXPECT_FAILS(call(x, y), RWKV_E_BOUND, rt.get(), "f: an asserted bound");
  for (float v : y) {
    ASSERT_TRUE(std::isnan(v));
  }
  x[1234] = 1;
  ASSERT_OK(call(x, y), rt.get());
  EXPECT_EQ(y, expected(x));
}

TEST_F(GpuRealTest, LaunchesAndTimes) {
  std::vector<float> x = inputs(1000), y(x.size());
  int64_t bytes = static_cast<int64_t>(x.size() * 4);
  rwkv_array in = rows(x), out = rows(y);
  ASSERT_OK(rwkv_device_alloc(rt.get(), bytes, &in.data), rt.get());
  ASSERT_OK(rwkv_device_alloc(rt.get(), bytes, &out.data), rt.get());
  ASSERT_OK(rwkv_upload(rt.get(), in.data, x.data(), bytes), rt.get());
  void *const streams[] = {nullptr, reinterpret_cast<void *>(1) /* legacy */,
                           reinterpret_cast<void *>(2) /* per thread */};
  for (void *stream : streams) {
    ASSERT_OK(rwkv_launch(model.get(), "f", &in, 1, &out, 1, stream), rt.get());
    ASSERT_OK(rwkv_download(rt.get(), y.data(), out.data, bytes), rt.get());
    EXPECT_EQ(y, expected(x));
    EXPECT_OK(rwkv_finish(rt.get()), rt.get());
  }
  x[5] = 2000;
  ASSERT_OK(rwkv_upload(rt.get(), in.data, x.data(), bytes), rt.get());
  ASSERT_OK(rwkv_launch(model.get(), "f", &in, 1, &out, 1, streams[1]),
            rt.get());
  EXPECT_FAILS(rwkv_finish(rt.get()), RWKV_E_BOUND, rt.get(), "rwkv_launch");
  EXPECT_OK(rwkv_finish(rt.get()), rt.get());
  x[5] = 2;
  ASSERT_OK(rwkv_upload(rt.get(), in.data, x.data(), bytes), rt.get());
  double milliseconds = 0;
  ASSERT_OK(rwkv_time(model.get(), "f", &in, 1, &out, 1, 100, &milliseconds),
            rt.get());
  EXPECT_GT(milliseconds, 0.0005);
  EXPECT_LT(milliseconds, 1);
  RecordProperty("milliseconds", std::to_string(milliseconds));
  rwkv_device_free(rt.get(), in.data);
  rwkv_device_free(rt.get(), out.data);
}

TEST_F(GpuRealTest, SaysWhatIsWrongWithCode) {
  std::string ptx = replaced(kRows, "ret;", "return;");
  auto read = [&](const std::string &kernels, const std::string &code) {
    std::string bytes =
        packBytes(manifest("[" + kernels + "]", "[]", "[]",
                           "[" + target("gpu", "sm_80", 0, code.size()) + "]"),
                  code);
    rwkv_pack *out = nullptr;
    rwkv_status status =
        rwkv_pack_read(rt.get(), bytes.data(), bytes.size(), "real.pack", &out);
    rwkv_pack_close(out);
    return status;
  };
  EXPECT_FAILS(read(kernel("rows"), ptx), RWKV_E_FORMAT, rt.get(), "ptxas");
  std::string good = replaced(replaced(kRows, "SCRATCH", "128"), "SHARED", "0");
  EXPECT_OK(read(kernel("rows", 128, 1024), good), rt.get());
  EXPECT_FAILS(read(kernel("cols"), good), RWKV_E_FORMAT, rt.get(),
               "expected the kernel \"cols\", found none");
  EXPECT_FAILS(read(kernel("rows", 128, 10 << 20), good), RWKV_E_UNSUPPORTED,
               rt.get(), "bytes of shared memory per task on this device");
  EXPECT_FAILS(read(kernel("rows", 128, 0, 2048), good), RWKV_E_UNSUPPORTED,
               rt.get(), "at most 1024 threads per task");
  EXPECT_FAILS(read(kernel("rows"), ""), RWKV_E_FORMAT, rt.get(),
               "found: CUDA");
  EXPECT_OK(read(kernel("rows"), good), rt.get());
}

// Code for this kind of device alone, as the compiler makes it.
TEST_F(GpuRealTest, RunsCodeOfItsOwnTarget) {
  make(128, 65536, 1, rwkv_runtime_target(rt.get()));
  std::vector<float> x = inputs(100), y(x.size());
  ASSERT_OK(call(x, y), rt.get());
  EXPECT_EQ(y, expected(x));
}

TEST_F(GpuRealTest, Replays) {
  double milliseconds[2] = {};
  for (bool noGraphs : {false, true}) {
    SCOPED_TRACE(noGraphs);
    rwkv_runtime *out = nullptr;
    ASSERT_OK(open(noGraphs, &out), out);
    make(128, 65536, 101);
    // Elements stay below 1000.
    for (int64_t t : {3, 3, 3, 7, 3, 7, 7, 3, 5, 3, 3, 7}) {
      std::vector<float> x = inputs(t), y(x.size());
      x[5] = static_cast<float>(t) / 2;
      ASSERT_OK(call(x, y), rt.get());
      std::vector<float> then = expected(x);
      for (float &v : then) {
        v += 100 * static_cast<float>(t);
      }
      ASSERT_EQ(y, then) << t;
    }
    std::vector<float> x = inputs(3), y(x.size());
    for (float bad : {0.0f, 2000.0f, 0.0f, 0.0f}) { // a bound, and none
      x[40] = bad;
      EXPECT_EQ(call(x, y), bad ? RWKV_E_BOUND : RWKV_OK);
    }
    rwkv_array in = rows(x), result = rows(y);
    ASSERT_OK(rwkv_device_alloc(rt.get(), 384, &in.data), rt.get());
    ASSERT_OK(rwkv_device_alloc(rt.get(), 384, &result.data), rt.get());
    ASSERT_OK(rwkv_upload(rt.get(), in.data, x.data(), 384), rt.get());
    ASSERT_OK(rwkv_time(model.get(), "f", &in, 1, &result, 1, 51,
                        &milliseconds[noGraphs]),
              rt.get());
    rwkv_device_free(rt.get(), in.data);
    rwkv_device_free(rt.get(), result.data);
  }
  EXPECT_LT(milliseconds[0], milliseconds[1]);
  printf("204 steps: %.4f ms replayed, %.4f ms launched\n", milliseconds[0],
         milliseconds[1]);
}

TEST_F(GpuRealTest, CallersCapture) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
  ASSERT_NE(library, nullptr);
  auto find = [&](const char *name, auto &function) {
    void *address = dlsym(library, name);
    ASSERT_NE(address, nullptr) << name;
    memcpy(&function, &address, sizeof(address));
  };
  cu_driver d = {};
  find("cuDevicePrimaryCtxRetain", d.DevicePrimaryCtxRetain);
  find("cuDevicePrimaryCtxRelease_v2", d.DevicePrimaryCtxRelease);
  find("cuCtxPushCurrent_v2", d.CtxPushCurrent);
  find("cuCtxPopCurrent_v2", d.CtxPopCurrent);
  find("cuStreamCreate", d.StreamCreate);
  find("cuStreamDestroy_v2", d.StreamDestroy);
  find("cuStreamSynchronize", d.StreamSynchronize);
  find("cuStreamBeginCapture_v2", d.StreamBeginCapture);
  find("cuStreamEndCapture", d.StreamEndCapture);
  find("cuGraphInstantiateWithFlags", d.GraphInstantiate);
  find("cuGraphLaunch", d.GraphLaunch);
  find("cuGraphExecDestroy", d.GraphExecDestroy);
  find("cuGraphDestroy", d.GraphDestroy);
  cu_context context;
  cu_stream mine;
  ASSERT_EQ(d.DevicePrimaryCtxRetain(&context, 0), 0);
  ASSERT_EQ(d.CtxPushCurrent(context), 0);
  ASSERT_EQ(d.StreamCreate(&mine, CU_STREAM_NON_BLOCKING), 0);
  std::vector<float> x = inputs(20), y(x.size());
  rwkv_array in = rows(x), out = rows(y);
  const int64_t bytes = static_cast<int64_t>(x.size() * 4);
  ASSERT_OK(rwkv_device_alloc(rt.get(), bytes, &in.data), rt.get());
  ASSERT_OK(rwkv_device_alloc(rt.get(), bytes, &out.data), rt.get());
  ASSERT_OK(rwkv_upload(rt.get(), in.data, x.data(), bytes), rt.get());
  ASSERT_OK(rwkv_launch(model.get(), "f", &in, 1, &out, 1, mine), rt.get());
  for (int mode : {0, 1, 2}) { // global, thread-local, relaxed
    SCOPED_TRACE(mode);
    ASSERT_OK(rwkv_launch(model.get(), "f", &in, 1, &out, 1, nullptr),
              rt.get());
    ASSERT_EQ(d.StreamBeginCapture(mine, mode), 0);
    EXPECT_OK(rwkv_launch(model.get(), "f", &in, 1, &out, 1, mine), rt.get());
    EXPECT_OK(rwkv_launch(model.get(), "f", &out, 1, &in, 1, mine), rt.get());
    cu_graph graph = nullptr;
    cu_graph_exec exec = nullptr;
    ASSERT_EQ(d.StreamEndCapture(mine, &graph), 0);
    ASSERT_EQ(d.GraphInstantiate(&exec, graph, 0), 0);
    ASSERT_OK(rwkv_finish(rt.get()), rt.get());
    for (int i = 0; i < 3; ++i) {
      ASSERT_OK(rwkv_upload(rt.get(), in.data, x.data(), bytes), rt.get());
      ASSERT_EQ(d.GraphLaunch(exec, mine), 0);
      ASSERT_EQ(d.StreamSynchronize(mine), 0);
      ASSERT_OK(rwkv_download(rt.get(), y.data(), out.data, bytes), rt.get());
      EXPECT_EQ(y, expected(x));
      ASSERT_OK(rwkv_download(rt.get(), y.data(), in.data, bytes), rt.get());
      EXPECT_EQ(y, expected(expected(x)));
    }
    EXPECT_EQ(d.GraphExecDestroy(exec), 0);
    EXPECT_EQ(d.GraphDestroy(graph), 0);
    ASSERT_OK(rwkv_upload(rt.get(), in.data, x.data(), bytes), rt.get());
  }
  EXPECT_EQ(d.StreamDestroy(mine), 0);
  rwkv_device_free(rt.get(), in.data);
  rwkv_device_free(rt.get(), out.data);
  d.CtxPopCurrent(&context);
  d.DevicePrimaryCtxRelease(0);
}

TEST_F(GpuRealTest, MemoryRunsOutAndComesBack) {
  const int64_t piece = int64_t{4} << 30;
  size_t first = 0;
  for (int round = 0; round < 2; ++round) {
    std::vector<void *> pieces;
    void *memory = nullptr;
    rwkv_status status = RWKV_OK;
    while (pieces.size() < 1000 &&
           (status = rwkv_device_alloc(rt.get(), piece, &memory)) == RWKV_OK) {
      pieces.push_back(memory);
    }
    EXPECT_EQ(status, RWKV_E_MEMORY) << rwkv_message(rt.get());
    EXPECT_GE(pieces.size(), round ? first : 1); // nothing was lost
    first = pieces.size();
    std::vector<float> x = inputs(10), y(x.size());
    ASSERT_OK(call(x, y), rt.get());
    EXPECT_EQ(y, expected(x));
    for (void *each : pieces) {
      rwkv_device_free(rt.get(), each);
    }
  }
}

TEST_F(GpuRealTest, OutOfMemoryIsNotTheEnd) {
  void *memory = nullptr;
  EXPECT_FAILS(rwkv_device_alloc(rt.get(), int64_t{1} << 45, &memory),
               RWKV_E_MEMORY, rt.get(), "out of memory for 35184372088832");
  std::vector<float> x = inputs(10), y(x.size());
  ASSERT_OK(call(x, y), rt.get());
  EXPECT_EQ(y, expected(x));
}

} // namespace
