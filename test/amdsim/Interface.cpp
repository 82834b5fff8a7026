// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "CodeObject.h"
#include "Run.h"
#include "amdsim.h"

#include <algorithm>
#include <cstdio>

using namespace amdsim;

struct amdsim_kernel {
  Kernel kernel;
};
struct amdsim_code {
  std::vector<amdsim_kernel> kernels;
};

static void report(const std::string &error, char *message, size_t size) {
  snprintf(message, size, "%s", error.c_str());
}

extern "C" {

amdsim_code *amdsim_load(const void *file, size_t bytes, char *message, size_t size) {
  std::string error;
  std::optional<std::vector<Kernel>> kernels =
      readCodeObject(std::span(static_cast<const uint8_t *>(file), bytes), error);
  if (!kernels) {
    report(error, message, size);
    return nullptr;
  }
  auto *code = new amdsim_code;
  for (Kernel &kernel : *kernels) {
    code->kernels.push_back({std::move(kernel)});
  }
  return code;
}

void amdsim_unload(amdsim_code *code) { delete code; }

const amdsim_kernel *amdsim_find(const amdsim_code *code, const char *name) {
  auto found = std::find_if(code->kernels.begin(), code->kernels.end(),
                            [&](const amdsim_kernel &each) { return each.kernel.name == name; });
  return found == code->kernels.end() ? nullptr : &*found;
}

bool amdsim_run(const amdsim_launch *launch, char *message, size_t size) {
  const Kernel &kernel = launch->kernel->kernel;
  const size_t bytes = launch->parameter_count * sizeof(uint64_t);
  std::string error;
  if (bytes != kernel.parameterBytes) {
    error = "kernel \"" + kernel.name + "\": expected " + std::to_string(kernel.parameterBytes) +
            " bytes of parameters, found " + std::to_string(bytes);
    report(error, message, size);
    return false;
  }
  Memory memory;
  memory.add(launch->parameters, bytes, /*isWritable=*/false, "the parameters");
  for (size_t i = 0; i < launch->region_count; ++i) {
    const amdsim_region &region = launch->regions[i];
    memory.add(region.begin, uint64_t(region.bytes), /*isWritable=*/true, region.what);
  }
  const Launch grid{.kernel = &kernel,
                    .groups = launch->groups,
                    .lanes = unsigned(launch->lanes),
                    .localBytes = uint64_t(launch->local),
                    .parameters = launch->parameters,
                    .threads = unsigned(std::max(launch->threads, 1))};
  const bool ok = run(memory, grid, error);
  if (!ok) {
    report(error, message, size);
  }
  return ok;
}

} // extern "C"
