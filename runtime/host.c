/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* This machine as a device: which target of a pack runs here, loading its
 * shared object, and memory that is used in place. */
#include "internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* ---- CPU features, by LLVM's names --------------------------------------- */

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#define HOST_ARCH "x86_64"

/* __builtin_cpu_supports takes literals only, from lists that differ between
 * compilers. This table is the list. `saved`: register state that the operating
 * system must preserve (XCR0: 6 = AVX, e6 = AVX-512, 60000 = matrix tiles). */
enum { EBX, ECX, EDX, EAX };
static const struct {
  const char *name;
  uint32_t leaf, subleaf;
  uint8_t reg, bit;
  uint32_t saved;
} features[] = {
    {"cx8", 1, 0, EDX, 8, 0},
    {"cmov", 1, 0, EDX, 15, 0},
    {"mmx", 1, 0, EDX, 23, 0},
    {"fxsr", 1, 0, EDX, 24, 0},
    {"sse", 1, 0, EDX, 25, 0},
    {"sse2", 1, 0, EDX, 26, 0},
    {"sse3", 1, 0, ECX, 0, 0},
    {"pclmul", 1, 0, ECX, 1, 0},
    {"ssse3", 1, 0, ECX, 9, 0},
    {"fma", 1, 0, ECX, 12, 6},
    {"cx16", 1, 0, ECX, 13, 0},
    {"sse4.1", 1, 0, ECX, 19, 0},
    {"sse4.2", 1, 0, ECX, 20, 0},
    {"crc32", 1, 0, ECX, 20, 0},
    {"movbe", 1, 0, ECX, 22, 0},
    {"popcnt", 1, 0, ECX, 23, 0},
    {"aes", 1, 0, ECX, 25, 0},
    {"xsave", 1, 0, ECX, 27, 0},
    {"avx", 1, 0, ECX, 28, 6},
    {"f16c", 1, 0, ECX, 29, 6},
    {"bmi", 7, 0, EBX, 3, 0},
    {"avx2", 7, 0, EBX, 5, 6},
    {"bmi2", 7, 0, EBX, 8, 0},
    {"avx512f", 7, 0, EBX, 16, 0xe6},
    {"avx512dq", 7, 0, EBX, 17, 0xe6},
    {"avx512ifma", 7, 0, EBX, 21, 0xe6},
    {"avx512cd", 7, 0, EBX, 28, 0xe6},
    {"avx512bw", 7, 0, EBX, 30, 0xe6},
    {"avx512vl", 7, 0, EBX, 31, 0xe6},
    {"avx512vbmi", 7, 0, ECX, 1, 0xe6},
    {"avx512vbmi2", 7, 0, ECX, 6, 0xe6},
    {"gfni", 7, 0, ECX, 8, 0},
    {"vaes", 7, 0, ECX, 9, 6},
    {"vpclmulqdq", 7, 0, ECX, 10, 6},
    {"avx512vnni", 7, 0, ECX, 11, 0xe6},
    {"avx512bitalg", 7, 0, ECX, 12, 0xe6},
    {"avx512vpopcntdq", 7, 0, ECX, 14, 0xe6},
    {"amx-bf16", 7, 0, EDX, 22, 0x60000},
    {"avx512fp16", 7, 0, EDX, 23, 0xe6},
    {"amx-tile", 7, 0, EDX, 24, 0x60000},
    {"amx-int8", 7, 0, EDX, 25, 0x60000},
    {"avxvnni", 7, 1, EAX, 4, 6},
    {"avx512bf16", 7, 1, EAX, 5, 0xe6},
    {"sahf", 0x80000001, 0, ECX, 0, 0},
    {"lzcnt", 0x80000001, 0, ECX, 5, 0},
    {"64bit", 0x80000001, 0, EDX, 29, 0},
    {"x87", 1, 0, EDX, 0, 0},
};

static bool has_feature(const char *name) {
  for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); ++i) {
    if (strcmp(features[i].name, name) != 0) {
      continue;
    }
    uint32_t regs[4], saved = 0;
    if (features[i].saved != 0) {
      uint32_t high;
      if (!__get_cpuid_count(1, 0, &regs[EAX], &regs[EBX], &regs[ECX],
                             &regs[EDX]) ||
          !(regs[ECX] & 1u << 27)) {
        return false; /* no XGETBV */
      }
      __asm__("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    }
    return (saved & features[i].saved) == features[i].saved &&
           __get_cpuid_count(features[i].leaf, features[i].subleaf, &regs[EAX],
                             &regs[EBX], &regs[ECX], &regs[EDX]) &&
           (regs[features[i].reg] >> features[i].bit & 1) != 0;
  }
  return false;
}

/* Tiles are so large that a process has to ask the kernel for room to save
 * them (Linux 5.16): 0, or the errno that it answers with. Threads that are
 * there and those to come may use them then. */
static int request_state(const char *name) {
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
  if (strncmp(name, "amx-", 4) != 0) {
    return 0;
  }
  return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 ? 0
                                                                    : errno;
}

#elif defined(__aarch64__)
#include <sys/auxv.h>
#define HOST_ARCH "aarch64"

static const struct {
  const char *name;
  unsigned long which, bit;
} features[] = {
    {"fp-armv8", AT_HWCAP, 0}, {"neon", AT_HWCAP, 1},
    {"lse", AT_HWCAP, 8},      {"fullfp16", AT_HWCAP, 10},
    {"dotprod", AT_HWCAP, 20}, {"sve", AT_HWCAP, 22},
    {"fp16fml", AT_HWCAP, 23}, {"sve2", AT_HWCAP2, 1},
    {"i8mm", AT_HWCAP2, 13},   {"bf16", AT_HWCAP2, 14},
};

static bool has_feature(const char *name) {
  for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); ++i) {
    if (strcmp(features[i].name, name) == 0) {
      return (getauxval(features[i].which) >> features[i].bit & 1) != 0;
    }
  }
  return false;
}

#else
#define HOST_ARCH "unknown"
static bool has_feature(const char *name) {
  (void)name;
  return false;
}
#endif

#if !defined(__x86_64__)
static int request_state(const char *name) {
  (void)name;
  return 0;
}
#endif

/* ---- choosing a target --------------------------------------------------- */

static bool runs_here(const rwkvi_target *target) {
  for (size_t i = 0; i < target->feature_count; ++i) {
    if (!has_feature(target->features[i])) {
      return false;
    }
  }
  for (size_t i = 0; i < target->feature_count; ++i) { /* all or nothing */
    if (request_state(target->features[i]) != 0) {
      return false;
    }
  }
  return true;
}

/* "target (arch, missing here: a b)" for every target. */
static rwkv_status no_target(rwkv_runtime *rt, const rwkv_pack *pack) {
  char text[2048] = "";
  size_t at = 0;
  for (size_t i = 0; i < pack->target_count && at < sizeof(text) - 1; ++i) {
    const rwkvi_target *target = &pack->targets[i];
    bool here = strcmp(target->arch, HOST_ARCH) == 0;
    int n = snprintf(text + at, sizeof(text) - at, "%s%.64s (%.64s%s",
                     i ? "; " : "", target->name, target->arch,
                     here ? ", missing here:" : "");
    at = at + (size_t)n < sizeof(text) ? at + (size_t)n : sizeof(text) - 1;
    for (size_t j = 0; here && j < target->feature_count; ++j) {
      if (!has_feature(target->features[j])) {
        n = snprintf(text + at, sizeof(text) - at, " %.64s",
                     target->features[j]);
      } else {
        int refusal = request_state(target->features[j]);
        n = refusal ? snprintf(text + at, sizeof(text) - at,
                               " %.64s (the kernel refuses it: %s)",
                               target->features[j], strerror(refusal))
                    : 0;
      }
      at = at + (size_t)n < sizeof(text) ? at + (size_t)n : sizeof(text) - 1;
    }
    n = snprintf(text + at, sizeof(text) - at, ")");
    at = at + (size_t)n < sizeof(text) ? at + (size_t)n : sizeof(text) - 1;
  }
  return rwkvi_fail(rt, RWKV_E_UNSUPPORTED,
                    "%.1000s: expected a target for this machine (" HOST_ARCH
                    "), found %s",
                    pack->file, pack->target_count ? text : "none");
}

/* ---- loading ------------------------------------------------------------- */

/* Writes the code to a memory file and opens it; without memory files, to a
 * file in a new directory of mode 0700 that is removed once it is loaded. */
static void *load_object(rwkv_pack *pack, const unsigned char *code,
                         size_t size) {
  char path[64];
  pack->code_fd = memfd_create("rwkv-kernels", MFD_CLOEXEC);
  if (pack->code_fd >= 0) {
    snprintf(path, sizeof(path), "/proc/self/fd/%d", pack->code_fd);
    void *handle = rwkvi_write_all(pack->code_fd, code, size)
                       ? dlopen(path, RTLD_NOW | RTLD_LOCAL)
                       : NULL;
    if (handle || access(path, R_OK) == 0) {
      return handle;
    }
    close(pack->code_fd); /* no /proc */
  }
  char folder[] = "/tmp/rwkv-XXXXXX";
  if (!mkdtemp(folder)) {
    pack->code_fd = -1;
    return NULL;
  }
  snprintf(path, sizeof(path), "%s/kernels.so", folder);
  pack->code_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
  void *handle =
      pack->code_fd >= 0 && rwkvi_write_all(pack->code_fd, code, size)
          ? dlopen(path, RTLD_NOW | RTLD_LOCAL)
          : NULL;
  unlink(path);
  rmdir(folder);
  return handle;
}

rwkv_status rwkvi_host_load(rwkv_runtime *rt, rwkv_pack *pack,
                            const unsigned char *blobs,
                            const rwkvi_target **loaded) {
  const rwkvi_target *target = NULL;
  for (size_t i = 0; i < pack->target_count && !target; ++i) {
    if (strcmp(pack->targets[i].arch, HOST_ARCH) == 0 &&
        runs_here(&pack->targets[i])) {
      target = &pack->targets[i];
    }
  }
  if (!target) {
    return no_target(rt, pack);
  }
  *loaded = target;
  dlerror();
  pack->code = load_object(pack, blobs + target->offset, (size_t)target->size);
  if (!pack->code) {
    const char *reason = dlerror();
    return rwkvi_fail(
        rt, RWKV_E_FORMAT,
        "%.1000s: target %.64s: expected a shared object, found: %.1000s",
        pack->file, target->name, reason ? reason : strerror(errno));
  }
  return RWKV_OK;
}

rwkv_status rwkvi_host_find(rwkv_runtime *rt, const rwkv_pack *pack,
                            const rwkvi_target *target, const char *symbol,
                            void **entry) {
  *entry = dlsym(pack->code, symbol);
  return *entry ? RWKV_OK
                : rwkvi_fail(rt, RWKV_E_FORMAT,
                             "%.1000s: target %.64s: expected the kernel "
                             "\"%.200s\", found none",
                             pack->file, target->name, symbol);
}

static rwkv_status load(rwkv_runtime *rt, rwkv_pack *pack,
                        const unsigned char *blobs) {
  const rwkvi_target *target;
  RWKVI_TRY(rwkvi_host_load(rt, pack, blobs, &target));
  for (size_t i = 0; i < pack->kernel_count; ++i) {
    rwkvi_kernel *kernel = &pack->kernels[i];
    RWKVI_TRY(rwkvi_check_threads(rt, pack, target, kernel, false));
    void *entry;
    RWKVI_TRY(rwkvi_host_find(rt, pack, target, kernel->symbol, &entry));
    memcpy(&kernel->entry, &entry,
           sizeof(entry)); /* ISO C has no conversion from object to function
                              pointers */
  }
  return RWKV_OK;
}

static void unload(rwkv_pack *pack) {
  if (pack->code) {
    dlclose(pack->code);
  }
  if (pack->code_fd >= 0) {
    close(pack->code_fd);
  }
}

/* ---- memory and running -------------------------------------------------- */

static void destroy(rwkv_runtime *rt) { rwkvi_threads_destroy(rt->threads); }

static const char *target(const rwkv_runtime *rt) {
  (void)rt;
  return "host"; /* the compiler looks at this machine itself */
}

static rwkv_status allocate(rwkv_runtime *rt, int64_t bytes, const char *what,
                            void **out) {
  *out = rwkvi_aligned((size_t)bytes);
  return *out ? RWKV_OK
              : rwkvi_fail(rt, RWKV_E_MEMORY,
                           "out of memory for %lld bytes of %s",
                           (long long)bytes, what);
}

static void release(rwkv_runtime *rt, void *memory) {
  (void)rt;
  free(memory);
}

static rwkv_status copy(rwkv_runtime *rt, void *to, const void *from,
                        int64_t bytes) {
  (void)rt;
  if (bytes > 0 && to != from) { /* empty arrays may be NULL */
    memcpy(to, from, (size_t)bytes);
  }
  return RWKV_OK;
}

static rwkv_status clear(rwkv_runtime *rt, void *to, int64_t bytes) {
  (void)rt;
  if (bytes > 0) {
    memset(to, 0, (size_t)bytes);
  }
  return RWKV_OK;
}

/* One per thread, however many tasks there are. */
static rwkv_status reserve(rwkv_runtime *rt, const rwkvi_kernel *kernel,
                           int64_t tasks) {
  (void)tasks;
  if (rwkvi_threads_reserve(rt->threads, kernel->scratch)) {
    return RWKV_OK;
  }
  return rwkvi_fail(
      rt, RWKV_E_MEMORY,
      "out of memory for %lld bytes of scratch per thread of kernel %.200s",
      (long long)kernel->scratch, kernel->symbol);
}

static rwkv_status launch(rwkv_runtime *rt, rwkvi_launch *launches,
                          size_t count, const int64_t *sizes) {
  rt->bits |= rwkvi_threads_run(rt->threads, launches, count, sizes);
  return RWKV_OK;
}

static rwkv_status begin(rwkv_runtime *rt, void *stream) {
  (void)rt;
  (void)stream;
  return RWKV_OK;
}

static rwkv_status end(rwkv_runtime *rt) {
  (void)rt;
  return RWKV_OK;
}

static rwkv_status finish(rwkv_runtime *rt, bool begun, int32_t *bits) {
  (void)begun; /* there was nothing to wait for */
  *bits = rt->bits;
  rt->bits = 0;
  return RWKV_OK;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static rwkv_status time_runs(rwkv_runtime *rt, rwkv_status (*work)(void *data),
                             void *data, int32_t runs, double *milliseconds) {
  (void)rt;
  for (int32_t i = 0; i < runs; ++i) {
    double start = now();
    RWKVI_TRY(work(data));
    milliseconds[i] = now() - start;
  }
  return RWKV_OK;
}

static const rwkvi_device host = {
    .here = true,
    .destroy = destroy,
    .target = target,
    .load = load,
    .unload = unload,
    .alloc = allocate,
    .free = release,
    .upload = copy,
    .download = copy,
    .copy = copy,
    .clear = clear,
    .reserve = reserve,
    .launch = launch,
    .begin = begin,
    .end = end,
    .finish = finish,
    .time = time_runs,
};

const rwkvi_device *rwkvi_host_device(void) { return &host; }

rwkv_status rwkvi_host_open(rwkv_runtime *rt, int32_t threads) {
  rt->device = &host;
  return rwkvi_threads_create(rt, threads);
}
