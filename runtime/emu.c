/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Kernels of lanes on this machine, as a device: "emu". Memory is that of the
 * process, so that what watches the arrays of callers sees what kernels do. */
#include "emu.h"
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  OWN_PARAMETERS = RWKV_SIZE_COUNT + 3, /* those after the buffers */
  GUARD = 4096                          /* bytes behind the scratch */
};

typedef struct context {
  int32_t threads;
  unsigned char *scratch;
  int64_t scratch_bytes;
} context;

static rwkv_status load(rwkv_runtime *rt, rwkv_pack *pack,
                        const unsigned char *blobs) {
  const rwkvi_target *target;
  RWKVI_TRY(rwkvi_host_load(rt, pack, blobs, &target));
  for (size_t i = 0; i < pack->kernel_count; ++i) {
    rwkvi_kernel *kernel = &pack->kernels[i];
    RWKVI_TRY(rwkvi_check_threads(rt, pack, target, kernel, true));
    RWKVI_TRY(rwkvi_host_find(rt, pack, target, kernel->symbol, &kernel->code));
  }
  return RWKV_OK;
}

static const char *target(const rwkv_runtime *rt) {
  (void)rt;
  return ""; /* any that is emulated */
}

static void destroy(rwkv_runtime *rt) {
  context *c = rt->context;
  free(c->scratch);
  free(c);
}

static rwkv_status allocate(rwkv_runtime *rt, int64_t bytes, const char *what,
                            void **out) {
  RWKVI_TRY(rwkvi_host_device()->alloc(rt, bytes, what, out));
  rwkvi_emu_poison(*out, (size_t)bytes);
  return RWKV_OK;
}

static rwkv_status reserve(rwkv_runtime *rt, const rwkvi_kernel *kernel,
                           int64_t tasks) {
  context *c = rt->context;
  int64_t bytes;
  if (!rwkvi_mul(kernel->scratch, tasks, &bytes) ||
      !rwkvi_add(bytes, GUARD, &bytes)) {
    return rwkvi_no_memory(rt, "scratch");
  }
  if (bytes <= c->scratch_bytes) {
    return RWKV_OK;
  }
  void *fresh;
  RWKVI_TRY(allocate(rt, bytes, "scratch", &fresh));
  free(c->scratch);
  c->scratch = fresh;
  c->scratch_bytes = bytes;
  return RWKV_OK;
}

static rwkv_status launch_one(rwkv_runtime *rt, const rwkvi_launch *launch,
                              const int64_t *sizes) {
  const context *c = rt->context;
  const rwkvi_kernel *kernel = launch->kernel;
  size_t n = 0, used = (size_t)(kernel->scratch * launch->tasks);
  uint64_t *parameters =
      malloc((launch->buffer_count + OWN_PARAMETERS) * sizeof(*parameters));
  if (!parameters) {
    return rwkvi_no_memory(rt, "parameters");
  }
  int32_t bits = 0;
  for (; n < launch->buffer_count; ++n) {
    parameters[n] = (uintptr_t)launch->buffers[n];
  }
  for (int i = 0; i < RWKV_SIZE_COUNT; ++i) {
    parameters[n++] = (uint64_t)sizes[i];
  }
  parameters[n++] = (uintptr_t)c->scratch;
  parameters[n++] = (uintptr_t)&bits;
  parameters[n++] = (uint64_t)launch->first;
  rwkvi_emu_grid grid = {.name = kernel->symbol,
                         .parameters = parameters,
                         .tasks = launch->tasks,
                         .lanes = (int32_t)kernel->threads,
                         .shared = kernel->shared,
                         .scratch = c->scratch,
                         .scratch_bytes = kernel->scratch};
  memcpy(&grid.kernel, &kernel->code, sizeof(grid.kernel));
  rwkvi_emu_poison(c->scratch, used + GUARD);
  char message[2048];
  bool ok = rwkvi_emu_run(&grid, c->threads, message, sizeof(message));
  for (size_t i = 0; i < GUARD && ok; ++i) {
    if (c->scratch[used + i] != 0xff) {
      snprintf(message, sizeof(message),
               "kernel \"%.200s\": a lane wrote behind the scratch memory, "
               "%lld bytes for each of %lld tasks",
               kernel->symbol, (long long)kernel->scratch,
               (long long)launch->tasks);
      ok = false;
    }
  }
  free(parameters);
  rt->bits |= bits;
  return ok ? RWKV_OK : rwkvi_fail(rt, RWKV_E_DEVICE, "emu: %s", message);
}

static rwkv_status launch(rwkv_runtime *rt, rwkvi_launch *launches,
                          size_t count, const int64_t *sizes) {
  for (size_t i = 0; i < count; ++i) {
    RWKVI_TRY(launch_one(rt, &launches[i], sizes));
  }
  return RWKV_OK;
}

rwkv_status rwkvi_emu_open(rwkv_runtime *rt, int32_t number, int32_t threads) {
  static rwkvi_device emu;
  (void)number;
  emu = *rwkvi_host_device();
  emu.destroy = destroy;
  emu.target = target;
  emu.load = load;
  emu.alloc = allocate;
  emu.reserve = reserve;
  emu.launch = launch;
  context *c = calloc(1, sizeof(*c));
  if (!c) {
    return rwkvi_no_memory(rt, "a device");
  }
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  c->threads = threads > 0 ? threads : processors > 0 ? (int32_t)processors : 1;
  rt->context = c;
  rt->device = &emu;
  return RWKV_OK;
}
