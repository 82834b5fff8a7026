/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The code of the driver that is none: modules, functions, launches. */
#include "fake_internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text of which code is made, up to the object's path. */
static const char kText[] = ".version 8.0\n// object: ";

/* ---- modules ------------------------------------------------------------- */

API cu_result cuModuleLoadDataEx(cu_module *module, const void *image,
                                 unsigned count, int *options, void **values) {
  ENTER_CONTEXT();
  const char *text = image;
  control.image_bytes = strlen(text);
  if (strncmp(text, kText, sizeof(kText) - 1) != 0) {
    if (count == 2 && options[0] == CU_JIT_ERROR_LOG_BUFFER &&
        options[1] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) {
      snprintf(values[0], (size_t)(uintptr_t)values[1],
               "ptxas: line 3\n\tfatal: %s", text);
    }
    return CU_ERROR_INVALID_PTX;
  }
  text += sizeof(kText) - 1;
  char path[4096];
  snprintf(path, sizeof(path), "%.*s", (int)strcspn(text, "\n"), text);
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    return CU_ERROR_INVALID_VALUE;
  }
  *module = malloc(sizeof(**module));
  (*module)->object = handle;
  ++control.modules;
  return CU_SUCCESS;
}

/* ---- functions and launches ---------------------------------------------- */

enum { MAX_FUNCTIONS = 1024 };
static struct CUfunc_st functions[MAX_FUNCTIONS];
static int function_count;

API cu_result cuModuleUnload(cu_module module) {
  ENTER_CONTEXT();
  dlclose(module->object);
  free(module);
  if (--control.modules == 0) {
    function_count = 0;
  }
  return CU_SUCCESS;
}

API cu_result cuModuleGetFunction(cu_function *function, cu_module module,
                                  const char *name) {
  ENTER_CONTEXT();
  void *symbol = dlsym(module->object, name);
  if (!symbol || function_count == MAX_FUNCTIONS) {
    return CU_ERROR_NOT_FOUND;
  }
  struct CUfunc_st *found = *function = &functions[function_count++];
  memcpy(&found->kernel, &symbol, sizeof(symbol));
  snprintf(found->name, sizeof(found->name), "%s", name);
  found->dynamic_shared = 48 << 10;
  return CU_SUCCESS;
}

API cu_result cuFuncGetAttribute(int *value, int attribute,
                                 cu_function function) {
  ENTER_CONTEXT();
  (void)function;
  *value = attribute == CU_FUNC_MAX_THREADS_PER_BLOCK ? control.function_threads
           : attribute == CU_FUNC_SHARED_SIZE_BYTES   ? control.function_shared
                                                      : -1;
  return *value >= 0 ? CU_SUCCESS : CU_ERROR_INVALID_VALUE;
}

API cu_result cuFuncSetAttribute(cu_function function, int attribute,
                                 int value) {
  ENTER_CONTEXT();
  if (attribute == CU_FUNC_PREFERRED_SHARED_CARVEOUT) {
    control.carveout = value;
    ++control.carveouts;
    return value >= 0 && value <= 100 ? CU_SUCCESS : CU_ERROR_INVALID_VALUE;
  }
  if (attribute != CU_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES ||
      value + control.function_shared > control.shared) {
    return CU_ERROR_INVALID_VALUE;
  }
  control.dynamic_shared = function->dynamic_shared = value;
  return CU_SUCCESS;
}

API cu_result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks,
                                                          cu_function function,
                                                          int threads,
                                                          size_t shared) {
  ENTER_CONTEXT();
  (void)function;
  *blocks = 2;
  return threads > 0 && shared <= (size_t)control.shared
             ? CU_SUCCESS
             : CU_ERROR_INVALID_VALUE;
}

API cu_result cuLaunchKernel(cu_function function, unsigned grid_x,
                             unsigned grid_y, unsigned grid_z, unsigned block_x,
                             unsigned block_y, unsigned block_z,
                             unsigned shared, cu_stream stream,
                             void **parameters, void **extra) {
  ENTER_CONTEXT();
  ++control.launched;
  if (grid_x == 0 || grid_y != 1 || grid_z != 1 || block_x == 0 ||
      block_x > (unsigned)control.function_threads || block_y != 1 ||
      block_z != 1 || shared > (unsigned)function->dynamic_shared ||
      parameters || extra[0] != CU_LAUNCH_PARAM_BUFFER_POINTER ||
      extra[2] != CU_LAUNCH_PARAM_BUFFER_SIZE ||
      extra[4] != CU_LAUNCH_PARAM_END) {
    return CU_ERROR_INVALID_VALUE;
  }
  size_t bytes = *(size_t *)extra[3];
  uint64_t *copy = malloc(bytes);
  memcpy(copy, extra[1], bytes);
  operation *op = push(stream, (operation){.kind = LAUNCH,
                                           .function = function,
                                           .parameters = copy,
                                           .count = bytes / sizeof(*copy)});
  op->launch.grid = grid_x;
  op->launch.block = block_x;
  op->launch.shared = shared;
  op->launch.stream = stream->graph ? NULL : stream;
  memcpy(op->launch.kernel, function->name, sizeof(function->name));
  return CU_SUCCESS;
}

void run_launch(struct CUstream_st *stream, operation *op) {
  enum { AFTER = RWKV_SIZE_COUNT + 3 };
  size_t n = op->count - AFTER;
  uint64_t *p = op->parameters;
  for (size_t i = 0; i < op->count; ++i) {
    if (p[i] & TAG) {
      p[i] = (uint64_t)(uintptr_t)host(p[i], 0);
      sticky = p[i] ? sticky : ERROR_ILLEGAL_ADDRESS;
    }
  }
  int64_t sizes[RWKV_SIZE_COUNT];
  memcpy(sizes, p + n, sizeof(sizes));
  rwkv_kernel_args args = {(void *const *)p, sizes, NULL,
                           (int32_t *)(uintptr_t)p[n + 5]};
  for (unsigned block = 0; block < op->launch.grid && !sticky; ++block) {
    int64_t task = (int64_t)(p[n + 6] + block);
    args.scratch = (char *)(uintptr_t)p[n + 4] + block * control.scratch;
    op->function->kernel(&args, task, task + 1);
  }
  op->launch.first = p[n + 6];
  if (control.launch_count < FAKE_LAUNCHES) {
    control.launches[control.launch_count] = op->launch;
  }
  stream->time += control.duration_count
                      ? control.durations[(size_t)control.launch_count %
                                          control.duration_count]
                      : 1;
  ++control.launch_count;
}
