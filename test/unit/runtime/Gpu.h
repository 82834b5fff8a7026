// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fixtures for a GPU that is not there: the runtime on the fake driver.
#ifndef RWKV_TEST_UNIT_RUNTIME_GPU_H
#define RWKV_TEST_UNIT_RUNTIME_GPU_H

#include "Packs.h"
#include "fake_driver.h"
#include "runtime/cuda_driver.h"

namespace rwkvtest {

/// Text that the fake driver takes for code: the test kernels.
std::string code();
/// A list of one target.
std::string target(const std::string &name, const std::string &feature,
                   size_t offset, size_t size,
                   const std::string &arch = "nvptx64");
/// `{"symbol": .., ..}` for a kernel of 32 threads.
std::string kernel(const std::string &symbol, int64_t scratch = 0,
                   int64_t shared = 0, int64_t threads = 32);
/// A manifest of host kernels for the device.
std::string forDevice(std::string manifest);

class GpuTest : public testing::Test {
protected:
  GpuTest();
  /// Nothing is left behind on the device.
  ~GpuTest() override;

  Runtime open(const std::string &device = "cuda", bool noGraphs = false);
  /// Opens the pack of a manifest whose blob is `code()`.
  Pack openPack(rwkv_runtime *rt, const std::string &manifest);
  /// The next call of this name but `after` fails.
  void fail(const char *call, int result, int after = 0);
  /// A stream of the caller's.
  cu_stream stream();

  template <typename Function>
  void driver(const char *symbol, Function &function) {
    void *address = symbolOf(symbol);
    memcpy(&function, &address, sizeof(address));
  }

  fake_control *fake = nullptr;

private:
  void *symbolOf(const char *name);
  void *library = nullptr;
  std::vector<cu_stream> streams;
};

/// The toy model on the device, and the same on the host.
class GpuToyTest : public GpuTest {
protected:
  GpuToyTest();
  State state(rwkv_model *model, int64_t sequences);

  Toy host;
  Runtime rt;
  Pack pack;
  Checkpoint checkpoint;
  Model model;
};

/// A function "f" of one kernel on the device.
class GpuCallTest : public GpuTest {
protected:
  GpuCallTest() : rt(open()) {}
  void make(const std::string &kernels, const std::string &args,
            const std::string &results, const std::string &steps,
            const std::string &temporaries = "[]");
  rwkv_status call(std::vector<rwkv_array> inputs,
                   std::vector<rwkv_array> outputs);
  /// A copy of the values in the device's memory, as an array.
  template <typename T> rwkv_array upload(std::vector<T> &values) {
    rwkv_array array = arrayOf(values);
    int64_t bytes = static_cast<int64_t>(values.size() * sizeof(T));
    EXPECT_OK(rwkv_device_alloc(rt.get(), bytes, &array.data), rt.get());
    EXPECT_OK(rwkv_upload(rt.get(), array.data, values.data(), bytes),
              rt.get());
    allocated.push_back(array.data);
    return array;
  }
  std::vector<float> download(const rwkv_array &array);
  void TearDown() override;

  Runtime rt;
  Pack pack;
  Model model;
  std::vector<void *> allocated;
};

std::string value(const std::string &name, const std::string &dtype,
                  const std::string &shape, const char *role = "input",
                  const char *more = "");

} // namespace rwkvtest

#endif // RWKV_TEST_UNIT_RUNTIME_GPU_H
