/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The interpreter as a device of the runtime: "amdsim". Memory is that of the
 * process; a kernel may access its launch's buffers and nothing else. */
#include "amdsim.h"
#include "runtime/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARCH "amdgcn"
#define CHIP "gfx942"

enum {
  OWN_PARAMETERS = RWKV_SIZE_COUNT + 3, /* those after the buffers */
  OWN_REGIONS = 2,                      /* scratch and status */
  POISON = 0xff /* every element type's NaN, or -1 */
};

typedef struct context {
  int32_t threads;
  unsigned char *scratch;
  int64_t scratch_bytes;
} context;

/* ---- code ---------------------------------------------------------------- */

static bool fits(const rwkvi_target *target) {
  return strcmp(target->arch, ARCH) == 0 && target->feature_count == 1 &&
         strcmp(target->features[0], CHIP) == 0;
}

static rwkv_status load(rwkv_runtime *rt, rwkv_pack *pack,
                        const unsigned char *blobs) {
  const rwkvi_target *target = NULL;
  for (size_t i = 0; i < pack->target_count && !target; ++i) {
    target = fits(&pack->targets[i]) ? &pack->targets[i] : NULL;
  }
  if (!target) {
    return rwkvi_fail(rt, RWKV_E_UNSUPPORTED,
                      "%.1000s: expected a target " ARCH " " CHIP
                      ", found %.64s",
                      pack->file,
                      pack->target_count ? pack->targets[0].name : "none");
  }
  char message[2048];
  amdsim_code *code = amdsim_load(blobs + target->offset, (size_t)target->size,
                                  message, sizeof(message));
  if (!code) {
    return rwkvi_fail(rt, RWKV_E_UNSUPPORTED, "%.1000s: target %.64s: %s",
                      pack->file, target->name, message);
  }
  pack->code = code;
  for (size_t i = 0; i < pack->kernel_count; ++i) {
    rwkvi_kernel *kernel = &pack->kernels[i];
    kernel->code = (void *)amdsim_find(code, kernel->symbol);
    if (!kernel->code || kernel->threads == 0) {
      return rwkvi_fail(rt, RWKV_E_FORMAT,
                        "%.1000s: target %.64s: expected the kernel \"%.200s\" "
                        "with threads for a task, found %s",
                        pack->file, target->name, kernel->symbol,
                        kernel->code ? "a host kernel" : "none");
    }
  }
  return RWKV_OK;
}

static void unload(rwkv_pack *pack) {
  if (pack->code) {
    amdsim_unload(pack->code);
  }
}

static const char *target(const rwkv_runtime *rt) {
  (void)rt;
  return CHIP;
}

/* ---- memory -------------------------------------------------------------- */

static void destroy(rwkv_runtime *rt) {
  context *c = rt->context;
  free(c->scratch);
  free(c);
}

static rwkv_status allocate(rwkv_runtime *rt, int64_t bytes, const char *what,
                            void **out) {
  RWKVI_TRY(rwkvi_host_device()->alloc(rt, bytes, what, out));
  memset(*out, POISON, (size_t)bytes);
  return RWKV_OK;
}

static rwkv_status reserve(rwkv_runtime *rt, const rwkvi_kernel *kernel,
                           int64_t tasks) {
  context *c = rt->context;
  int64_t bytes;
  if (!rwkvi_mul(kernel->scratch, tasks, &bytes)) {
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

/* ---- running ------------------------------------------------------------- */

/* The tables of one launch. */
typedef struct tables {
  uint64_t *parameters;
  amdsim_region *regions;
  char (*names)[32]; /* of buffers */
} tables;

static void fill(const rwkvi_launch *launch, const int64_t *sizes,
                 const context *c, int32_t *bits, tables *t) {
  size_t n = launch->buffer_count;
  for (size_t i = 0; i < n; ++i) {
    snprintf(t->names[i], sizeof(t->names[i]), "buffer %zu", i);
    t->regions[i] = (amdsim_region){launch->buffers[i], launch->buffer_bytes[i],
                                    t->names[i]};
    t->parameters[i] = (uintptr_t)launch->buffers[i];
  }
  t->regions[n] = (amdsim_region){
      c->scratch, launch->kernel->scratch * launch->tasks, "the scratch"};
  t->regions[n + 1] = (amdsim_region){bits, sizeof(*bits), "the status"};
  for (int i = 0; i < RWKV_SIZE_COUNT; ++i) {
    t->parameters[n++] = (uint64_t)sizes[i];
  }
  t->parameters[n++] = (uintptr_t)c->scratch;
  t->parameters[n++] = (uintptr_t)bits;
  t->parameters[n] = (uint64_t)launch->first;
}

static rwkv_status launch_one(rwkv_runtime *rt, const rwkvi_launch *launch,
                              const int64_t *sizes) {
  const context *c = rt->context;
  const rwkvi_kernel *kernel = launch->kernel;
  size_t buffers = launch->buffer_count, parameters = buffers + OWN_PARAMETERS,
         regions = buffers + OWN_REGIONS;
  tables t = {.parameters = calloc(parameters, sizeof(*t.parameters)),
              .regions = calloc(regions, sizeof(*t.regions)),
              .names = calloc(buffers + 1, sizeof(*t.names))};
  rwkv_status status = RWKV_OK;
  if (t.parameters && t.regions && t.names) {
    int32_t bits = 0;
    char message[2048];
    fill(launch, sizes, c, &bits, &t);
    if (c->scratch) {
      memset(c->scratch, POISON, (size_t)(kernel->scratch * launch->tasks));
    }
    amdsim_launch grid = {.kernel = kernel->code,
                          .parameters = t.parameters,
                          .parameter_count = parameters,
                          .regions = t.regions,
                          .region_count = regions,
                          .groups = launch->tasks,
                          .lanes = kernel->threads,
                          .local = kernel->shared,
                          .threads = c->threads};
    if (!amdsim_run(&grid, message, sizeof(message))) {
      status = rwkvi_fail(rt, RWKV_E_DEVICE, "amdsim: %s", message);
    }
    rt->bits |= bits;
  } else {
    status = rwkvi_no_memory(rt, "parameters");
  }
  free(t.parameters);
  free(t.regions);
  free(t.names);
  return status;
}

static rwkv_status launch(rwkv_runtime *rt, rwkvi_launch *launches,
                          size_t count, const int64_t *sizes) {
  for (size_t i = 0; i < count; ++i) {
    RWKVI_TRY(launch_one(rt, &launches[i], sizes));
  }
  return RWKV_OK;
}

rwkv_status rwkvi_amdsim_open(rwkv_runtime *rt, int32_t number,
                              int32_t threads) {
  static rwkvi_device device;
  (void)number;
  device = *rwkvi_host_device();
  device.destroy = destroy;
  device.target = target;
  device.load = load;
  device.unload = unload;
  device.alloc = allocate;
  device.reserve = reserve;
  device.launch = launch;
  context *c = calloc(1, sizeof(*c));
  if (!c) {
    return rwkvi_no_memory(rt, "a device");
  }
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  c->threads = threads > 0 ? threads : processors > 0 ? (int32_t)processors : 1;
  rt->context = c;
  rt->device = &device;
  return RWKV_OK;
}
