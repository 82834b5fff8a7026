// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Gpu.h"

#include <cstring>
#include <dlfcn.h>
#include <regex>
#include <stdlib.h>

namespace rwkvtest {

std::string code() {
  return std::string(".version 8.0\n// object: ") + RWKV_TEST_KERNELS + "\n";
}

std::string target(const std::string &name, const std::string &feature,
                   size_t offset, size_t size, const std::string &arch) {
  return "{\"name\": \"" + name + "\", \"arch\": \"" + arch +
         "\", \"features\": [\"" + feature +
         "\"], \"offset\": " + std::to_string(offset) +
         ", \"size\": " + std::to_string(size) + "}";
}

std::string kernel(const std::string &symbol, int64_t scratch, int64_t shared,
                   int64_t threads) {
  return "{\"symbol\": \"" + symbol +
         "\", \"scratch\": " + std::to_string(scratch) +
         ", \"threads\": " + std::to_string(threads) +
         ", \"shared\": " + std::to_string(shared) + "}";
}

std::string forDevice(std::string manifest) {
  manifest = std::regex_replace(manifest, std::regex(R"(("scratch": \d+)\})"),
                                R"($1, "threads": 64, "shared": 1024})");
  size_t at = manifest.rfind("\"targets\": ");
  return manifest.substr(0, at) + "\"targets\": [" +
         target("gpu", "sm_80", 0, code().size()) + "]}";
}

std::string value(const std::string &name, const std::string &dtype,
                  const std::string &shape, const char *role,
                  const char *more) {
  return "{\"name\": \"" + name + "\", \"role\": \"" + role +
         "\", \"dtype\": \"" + dtype + "\", \"shape\": " + shape + more + "}";
}

// ---- the driver -------------------------------------------------------------

void *GpuTest::symbolOf(const char *name) {
  void *address = dlsym(library, name);
  EXPECT_NE(address, nullptr) << name;
  return address;
}

GpuTest::GpuTest() {
  setenv("RWKV_LIBCUDA", RWKV_TEST_DRIVER, 1);
  library = dlopen(RWKV_TEST_DRIVER, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  EXPECT_NE(library, nullptr) << dlerror();
  fake_driver_function control;
  driver("fake_driver", control);
  fake = control();
  *fake = {};
  fake->devices = 2;
  fake->major = 9;
  fake->version = 12040;
  fake->threads = fake->function_threads = 1024;
  fake->shared = 232448;
  fake->memory = 64 << 20;
  fake->pools = 1;
  fake->scratch = 4096;
}

GpuTest::~GpuTest() {
  if (!streams.empty()) {
    decltype(cu_driver::StreamDestroy) destroy;
    decltype(cu_driver::CtxPushCurrent) push;
    decltype(cu_driver::CtxPopCurrent) pop;
    decltype(cu_driver::DevicePrimaryCtxRetain) retain;
    decltype(cu_driver::DevicePrimaryCtxRelease) release;
    driver("cuStreamDestroy_v2", destroy);
    driver("cuCtxPushCurrent_v2", push);
    driver("cuCtxPopCurrent_v2", pop);
    driver("cuDevicePrimaryCtxRetain", retain);
    driver("cuDevicePrimaryCtxRelease_v2", release);
    cu_context context;
    retain(&context, 0);
    push(context);
    for (cu_stream each : streams) {
      destroy(each);
    }
    pop(&context);
    release(0);
  }
  EXPECT_EQ(fake->blocks, 0u);
  EXPECT_EQ(fake->used, 0u);
  EXPECT_EQ(fake->contexts, 0);
  EXPECT_EQ(fake->depth, 0);
  EXPECT_EQ(fake->modules, 0);
  EXPECT_EQ(fake->graphs, 0);
  EXPECT_EQ(fake->pool_count, 0);
  EXPECT_EQ(fake->locked, 0u);
  EXPECT_EQ(fake->streams, 0);
  EXPECT_EQ(fake->events, 0);
  EXPECT_EQ(fake->freed_busy, 0);
  EXPECT_EQ(fake->queued, 0);
  unsetenv("RWKV_LIBCUDA");
}

Runtime GpuTest::open(const std::string &device, bool noGraphs) {
  rwkv_runtime_options options = {device.c_str(), 0, noGraphs};
  rwkv_runtime *rt = nullptr;
  EXPECT_EQ(rwkv_runtime_create(&options, &rt), RWKV_OK) << rwkv_message(rt);
  return Runtime(rt);
}

Pack GpuTest::openPack(rwkv_runtime *rt, const std::string &manifest) {
  // What follows the code is not part of it.
  std::string bytes = packBytes(manifest, code() + "rubbish");
  rwkv_pack *pack = nullptr;
  EXPECT_OK(rwkv_pack_read(rt, bytes.data(), bytes.size(), "gpu.pack", &pack),
            rt);
  return Pack(pack);
}

void GpuTest::fail(const char *call, int result, int after) {
  fake->fail = call;
  fake->fail_after = after;
  fake->fail_with = result;
}

cu_stream GpuTest::stream() {
  decltype(cu_driver::StreamCreate) create;
  decltype(cu_driver::CtxPushCurrent) push;
  decltype(cu_driver::CtxPopCurrent) pop;
  decltype(cu_driver::DevicePrimaryCtxRetain) retain;
  decltype(cu_driver::DevicePrimaryCtxRelease) release;
  driver("cuStreamCreate", create);
  driver("cuCtxPushCurrent_v2", push);
  driver("cuCtxPopCurrent_v2", pop);
  driver("cuDevicePrimaryCtxRetain", retain);
  driver("cuDevicePrimaryCtxRelease_v2", release);
  cu_context context;
  cu_stream result = nullptr;
  retain(&context, 0);
  push(context);
  EXPECT_EQ(create(&result, 0), CU_SUCCESS);
  pop(&context);
  release(0);
  streams.push_back(result);
  return result;
}

// ---- models -----------------------------------------------------------------

GpuToyTest::GpuToyTest() : rt(open()) {
  pack = openPack(rt.get(), forDevice(Toy::manifestText()));
  rwkv_checkpoint *weights = nullptr;
  EXPECT_OK(rwkv_checkpoint_open(rt.get(),
                                 host.folder.path("toy.safetensors").c_str(),
                                 &weights),
            rt.get());
  checkpoint.reset(weights);
  model = bindModel(rt.get(), pack.get(), weights);
}

State GpuToyTest::state(rwkv_model *model, int64_t sequences) {
  rwkv_state *created = nullptr;
  EXPECT_EQ(rwkv_state_create(model, sequences, &created), RWKV_OK);
  return State(created);
}

void GpuCallTest::make(const std::string &kernels, const std::string &args,
                       const std::string &results, const std::string &steps,
                       const std::string &temporaries) {
  model.reset();
  pack.reset();
  pack = openPack(
      rt.get(),
      manifest("[" + kernels + "]",
               "[" + function("f", args, results, temporaries, steps) + "]",
               "[]", "[" + target("gpu", "sm_90a", 0, code().size()) + "]"));
  model = bindModel(rt.get(), pack.get());
}

rwkv_status GpuCallTest::call(std::vector<rwkv_array> inputs,
                              std::vector<rwkv_array> outputs) {
  return rwkv_call(model.get(), "f", inputs.data(),
                   static_cast<int64_t>(inputs.size()), outputs.data(),
                   static_cast<int64_t>(outputs.size()));
}

std::vector<float> GpuCallTest::download(const rwkv_array &array) {
  std::vector<float> values(static_cast<size_t>(array.shape[0]));
  EXPECT_OK(
      rwkv_download(rt.get(), values.data(), array.data, array.shape[0] * 4),
      rt.get());
  return values;
}

void GpuCallTest::TearDown() {
  for (void *memory : allocated) {
    rwkv_device_free(rt.get(), memory);
  }
}

} // namespace rwkvtest
