/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The code of a pack on an NVIDIA GPU: which target runs there, and loading its
 * module. */
#include "cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARCH "nvptx64"

enum {
  DEFAULT_SHARED = 48 << 10, /* bytes that need no attribute */
  RESERVED_SHARED = 1024,    /* bytes that a block takes besides */
  LOG_BYTES = 2048
};

/* ---- choosing a target --------------------------------------------------- */

/* Of "sm_90" 90, and of "sm_90a" 90 and `exact`; -1 of anything else. */
static int32_t read_capability(const char *name, bool *exact) {
  int32_t number = 0, digits = 0;
  if (strncmp(name, "sm_", 3) != 0) {
    return -1;
  }
  for (name += 3; *name >= '0' && *name <= '9' && digits < 4; ++digits) {
    number = number * 10 + (*name++ - '0');
  }
  *exact = *name == 'a';
  name += *exact;
  return digits >= 2 && *name == 0 ? number : -1;
}

/* How well the target fits: -1 not at all, else more is better. Code for one
 * capability only may use what others do not have. */
static int32_t fitness(const rwkvi_cuda *c, const rwkvi_target *target) {
  bool exact = false;
  if (strcmp(target->arch, ARCH) != 0 || target->feature_count != 1) {
    return -1;
  }
  int32_t capability = read_capability(target->features[0], &exact);
  bool fits = exact ? capability == c->capability : capability <= c->capability;
  return capability < 0 || !fits ? -1 : capability * 2 + exact;
}

/* The compiler's targets, the best first (lowering/target/nvptx/KnownGpu.inc).
 */
static const struct {
  const char *name;
  int32_t capability;
  bool exact;
} targets[] = {
    {"sm_120a", 120, true}, {"sm_100a", 100, true}, {"sm_90a", 90, true},
    {"sm_89", 89, false},   {"sm_86", 86, false},   {"sm_80", 80, false},
};

const char *rwkvi_cuda_target(const rwkv_runtime *rt) {
  int32_t capability = rwkvi_cuda_of(rt)->capability;
  for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); ++i) {
    if (targets[i].exact ? capability == targets[i].capability
                         : capability >= targets[i].capability) {
      return targets[i].name;
    }
  }
  return "";
}

static rwkv_status no_target(rwkv_runtime *rt, const rwkv_pack *pack) {
  const rwkvi_cuda *c = rwkvi_cuda_of(rt);
  char text[2048] = "";
  size_t at = 0;
  for (size_t i = 0; i < pack->target_count && at < sizeof(text) - 1; ++i) {
    const rwkvi_target *target = &pack->targets[i];
    int n = snprintf(text + at, sizeof(text) - at, "%s%.64s (%.64s%s%.64s)",
                     i ? "; " : "", target->name, target->arch,
                     target->feature_count == 1 ? " " : "",
                     target->feature_count == 1 ? target->features[0] : "");
    at = at + (size_t)n < sizeof(text) ? at + (size_t)n : sizeof(text) - 1;
  }
  return rwkvi_fail(rt, RWKV_E_UNSUPPORTED,
                    "%.1000s: expected a target for this device (%s, " ARCH
                    " sm_%d), found %s",
                    pack->file, c->name, c->capability,
                    pack->target_count ? text : "none");
}

/* ---- loading ------------------------------------------------------------- */

/* The driver compiles text; its words about it may be many lines. */
static rwkv_status load_module(rwkv_runtime *rt, rwkv_pack *pack,
                               const rwkvi_target *target, const char *image) {
  const rwkvi_cuda *c = rwkvi_cuda_of(rt);
  char log[LOG_BYTES] = "", text[400];
  int options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, (void *)(uintptr_t)(sizeof(log) - 1)};
  cu_module module = NULL;
  cu_result result =
      c->driver.ModuleLoadDataEx(&module, image, 2, options, values);
  if (result == CU_SUCCESS) {
    pack->code = module;
    return RWKV_OK;
  }
  log[sizeof(log) - 1] = 0;
  for (char *s = log; *s; ++s) {
    *s = *s == '\n' || *s == '\t' ? ' ' : *s;
  }
  rwkv_status status = result == CU_ERROR_OUT_OF_MEMORY ? RWKV_E_MEMORY
                       : result == CU_ERROR_NO_BINARY_FOR_GPU ||
                               result == CU_ERROR_UNSUPPORTED_PTX_VERSION
                           ? RWKV_E_UNSUPPORTED
                           : RWKV_E_FORMAT;
  return rwkvi_fail(rt, status,
                    "%.1000s: target %.64s: expected code that the driver "
                    "(CUDA %d.%d, %s) can load, found: %s%s%s",
                    pack->file, target->name, c->version / 1000,
                    c->version % 1000 / 10, c->name,
                    rwkvi_cuda_error(c, result, text, sizeof(text)),
                    *log ? ": " : "", log);
}

static rwkv_status too_much(rwkv_runtime *rt, const rwkv_pack *pack,
                            const rwkvi_kernel *kernel, const char *what,
                            int64_t most, int64_t found) {
  return rwkvi_fail(rt, RWKV_E_UNSUPPORTED,
                    "%.1000s: kernel \"%.200s\": expected at most %lld %s per "
                    "task on this device (%s), found %lld",
                    pack->file, kernel->symbol, (long long)most, what,
                    rwkvi_cuda_of(rt)->name, (long long)found);
}

/* What the kernel needs against what the device and its code allow. */
static rwkv_status check_limits(rwkv_runtime *rt, const rwkv_pack *pack,
                                const rwkvi_kernel *kernel) {
  const rwkvi_cuda *c = rwkvi_cuda_of(rt);
  int threads = 0, declared = 0;
  cu_result result = c->driver.FuncGetAttribute(
      &threads, CU_FUNC_MAX_THREADS_PER_BLOCK, kernel->code);
  result = result ? result
                  : c->driver.FuncGetAttribute(
                        &declared, CU_FUNC_SHARED_SIZE_BYTES, kernel->code);
  RWKVI_TRY(rwkvi_cuda_status(rt, result, "cuFuncGetAttribute"));
  threads = threads < c->threads ? threads : c->threads;
  if (kernel->threads > threads) {
    return too_much(rt, pack, kernel, "threads", threads, kernel->threads);
  }
  if (kernel->shared > c->shared - declared) {
    return too_much(rt, pack, kernel, "bytes of shared memory",
                    c->shared - declared, kernel->shared);
  }
  if (kernel->shared + declared > DEFAULT_SHARED) {
    result = c->driver.FuncSetAttribute(kernel->code,
                                        CU_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                        (int)kernel->shared);
  }
  return rwkvi_cuda_status(rt, result, "cuFuncSetAttribute");
}

/* ---- kernels beside each other ------------------------------------------- */

/* Bytes of a multiprocessor's memory that the kernel's blocks take there; of one
 * of them. */
static cu_result measure(const rwkvi_cuda *c, const rwkvi_kernel *kernel,
                         int64_t *all, int64_t *one) {
  int blocks = 0;
  cu_result result = c->driver.OccupancyBlocks(
      &blocks, kernel->code, (int)kernel->threads, (size_t)kernel->shared);
  *one = kernel->shared + RESERVED_SHARED;
  *all = blocks * *one;
  return result;
}

/* The driver gives blocks as much of a multiprocessor's memory as those of one
 * kernel need, and the rest to the cache. Where it is to give more to another
 * kernel, it waits until the first one is done: both ask for the same. */
static cu_result make_room(const rwkvi_cuda *c, const rwkvi_kernel *kernel,
                           const rwkvi_kernel *other) {
  int64_t all[2], one[2];
  cu_result result = measure(c, kernel, &all[0], &one[0]);
  result = result ? result : measure(c, other, &all[1], &one[1]);
  int64_t wanted = all[0] > all[1] ? all[0] : all[1];
  wanted = one[0] + one[1] > wanted ? one[0] + one[1] : wanted;
  if (result != CU_SUCCESS || wanted > c->shared_of_all) {
    return result;
  }
  const int64_t unit = c->shared_of_all / 100; /* rounded down: never too few */
  const int percent = (int)(wanted / unit + (wanted % unit != 0));
  const int most = percent < 100 ? percent : 100;
  result = c->driver.FuncSetAttribute(
      kernel->code, CU_FUNC_PREFERRED_SHARED_CARVEOUT, most);
  return result ? result
                : c->driver.FuncSetAttribute(
                      other->code, CU_FUNC_PREFERRED_SHARED_CARVEOUT, most);
}

static cu_result make_rooms(const rwkvi_cuda *c, const rwkv_pack *pack,
                            const rwkvi_step *steps, size_t count) {
  cu_result result = CU_SUCCESS;
  for (size_t i = 0; i < count && result == CU_SUCCESS; ++i) {
    if (steps[i].kind == RWKVI_REPEAT) {
      result = make_rooms(c, pack, steps[i].steps, steps[i].step_count);
    } else if (steps[i].kind == RWKVI_LAUNCH && steps[i].beside) {
      result = make_room(c, &pack->kernels[steps[i].kernel],
                         &pack->kernels[steps[i + 1].kernel]);
    }
  }
  return result;
}

static rwkv_status resolve(rwkv_runtime *rt, rwkv_pack *pack,
                           const rwkvi_target *target) {
  const rwkvi_cuda *c = rwkvi_cuda_of(rt);
  for (size_t i = 0; i < pack->kernel_count; ++i) {
    rwkvi_kernel *kernel = &pack->kernels[i];
    RWKVI_TRY(rwkvi_check_threads(rt, pack, target, kernel, true));
    cu_function function = NULL;
    cu_result result =
        c->driver.ModuleGetFunction(&function, pack->code, kernel->symbol);
    if (result == CU_ERROR_NOT_FOUND) {
      return rwkvi_fail(
          rt, RWKV_E_FORMAT,
          "%.1000s: target %.64s: expected the kernel \"%.200s\", found none",
          pack->file, target->name, kernel->symbol);
    }
    RWKVI_TRY(rwkvi_cuda_status(rt, result, "cuModuleGetFunction"));
    kernel->code = function;
    RWKVI_TRY(check_limits(rt, pack, kernel));
  }
  cu_result result = CU_SUCCESS;
  for (size_t i = 0; i < pack->function_count && result == CU_SUCCESS; ++i) {
    const rwkvi_function *function = &pack->functions[i];
    result = make_rooms(c, pack, function->steps, function->step_count);
  }
  return rwkvi_cuda_status(rt, result, "cuFuncSetAttribute");
}

rwkv_status rwkvi_cuda_load(rwkv_runtime *rt, rwkv_pack *pack,
                            const unsigned char *blobs) {
  const rwkvi_cuda *c = rwkvi_cuda_of(rt);
  const rwkvi_target *target = NULL;
  int32_t best = -1;
  for (size_t i = 0; i < pack->target_count; ++i) {
    int32_t fits = fitness(c, &pack->targets[i]);
    if (fits > best) {
      best = fits;
      target = &pack->targets[i];
    }
  }
  if (!target) {
    return no_target(rt, pack);
  }
  /* Text ends with a NUL, which the pack need not have. */
  size_t size = (size_t)target->size;
  char *image = malloc(size + 1);
  if (!image) {
    return rwkvi_no_memory(rt, "code");
  }
  memcpy(image, blobs + target->offset, size);
  image[size] = 0;
  rwkv_status status =
      rwkvi_cuda_status(rt, rwkvi_cuda_enter(c), "cuCtxPushCurrent");
  if (status == RWKV_OK) {
    status = load_module(rt, pack, target, image);
    status = status ? status : resolve(rt, pack, target);
    rwkvi_cuda_leave(c);
  }
  free(image);
  return status;
}

/* Kernels that are queued need it. */
void rwkvi_cuda_unload(rwkv_pack *pack) {
  rwkvi_cuda *c = rwkvi_cuda_of(pack->rt);
  if (pack->code && rwkvi_cuda_enter(c) == CU_SUCCESS) {
    rwkvi_cuda_wait(c);
    c->driver.ModuleUnload(pack->code);
    rwkvi_cuda_leave(c);
  }
}
