/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The devices by name, and their memory for callers. */
#include "internal.h"

#include "cuda.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DIGITS = 4 }; /* of the number of a device */

static rwkv_status open_host(rwkv_runtime *rt, int32_t number,
                             int32_t threads) {
  (void)number;
  return rwkvi_host_open(rt, threads);
}

static const struct {
  const char *name;
  bool numbered; /* "name:1" is the second of this kind */
  rwkv_status (*open)(rwkv_runtime *rt, int32_t number, int32_t threads);
} devices[] = {
    {"host", false, open_host},
    {"cuda", true, rwkvi_cuda_open},
#ifdef RWKV_RT_EMU /* of tests only */
    {"emu", false, rwkvi_emu_open},
#endif
#ifdef RWKV_RT_AMDSIM /* the same */
    {"amdsim", false, rwkvi_amdsim_open},
#endif
};

/* The number after the name: of "cuda" 0, of "cuda:1" 1; -1 if it is none. */
static int32_t read_number(const char *text) {
  int32_t number = 0, digits = 0;
  if (*text == 0) {
    return 0;
  }
  if (*text++ != ':') {
    return -1;
  }
  for (; *text >= '0' && *text <= '9' && digits < MAX_DIGITS; ++digits) {
    number = number * 10 + (*text++ - '0');
  }
  return digits > 0 && *text == 0 ? number : -1;
}

rwkv_status rwkvi_device_open(rwkv_runtime *rt, const char *name,
                              int32_t threads) {
  for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); ++i) {
    size_t length = strlen(devices[i].name);
    if (strncmp(name, devices[i].name, length) != 0) {
      continue;
    }
    int32_t number = read_number(name + length);
    if (number >= 0 && (devices[i].numbered || name[length] == 0)) {
      return devices[i].open(rt, number, threads);
    }
  }
  return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                    "device: expected \"host\", \"cuda\" or \"cuda:N\", found "
                    "\"%.200s\"",
                    name);
}

rwkv_status rwkvi_check_threads(rwkv_runtime *rt, const rwkv_pack *pack,
                                const rwkvi_target *target,
                                const rwkvi_kernel *kernel, bool many) {
  if (many == (kernel->threads > 0)) {
    return RWKV_OK;
  }
  const char *text = "threads for a task, found a host kernel";
  char other[80];
  if (!many) {
    snprintf(other, sizeof(other),
             "one thread per task on this machine, found %lld",
             (long long)kernel->threads);
    text = other;
  }
  return rwkvi_fail(rt, RWKV_E_FORMAT,
                    "%.1000s: target %.64s: kernel \"%.200s\": expected %s",
                    pack->file, target->name, kernel->symbol, text);
}

rwkv_status rwkvi_give_up(rwkv_runtime *rt, rwkv_status status) {
  char message[sizeof(rt->message)];
  int32_t bits;
  memcpy(message, rt->message, sizeof(message));
  rt->device->finish(rt, false, &bits);
  memcpy(rt->message, message, sizeof(message));
  return status;
}

/* ---- memory for callers -------------------------------------------------- */

rwkv_status rwkv_device_alloc(rwkv_runtime *rt, int64_t bytes, void **out) {
  if (out) {
    *out = NULL;
  }
  if (!rt) {
    return RWKV_E_ARGUMENT;
  }
  if (!out || bytes < 0) {
    return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                      "rwkv_device_alloc: expected an output and a number of "
                      "bytes, found %lld",
                      (long long)bytes);
  }
  return rt->device->alloc(rt, bytes, "an array", out);
}

void rwkv_device_free(rwkv_runtime *rt, void *memory) {
  if (rt && memory) {
    int32_t bits;
    rt->device->finish(rt, false, &bits); /* others may use it at once */
    rt->device->free(rt, memory);
  }
}

static rwkv_status check_copy(rwkv_runtime *rt, const char *caller,
                              const void *to, const void *from, int64_t bytes) {
  if (bytes >= 0 && ((to && from) || bytes == 0)) {
    return RWKV_OK;
  }
  return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                    "%s: expected two pointers and a number of bytes, found "
                    "%s%lld",
                    caller, to && from ? "" : "NULL and ", (long long)bytes);
}

rwkv_status rwkv_upload(rwkv_runtime *rt, void *to, const void *from,
                        int64_t bytes) {
  if (!rt) {
    return RWKV_E_ARGUMENT;
  }
  RWKVI_TRY(check_copy(rt, "rwkv_upload", to, from, bytes));
  if (bytes == 0) {
    return RWKV_OK;
  }
  int32_t bits;
  RWKVI_TRY(rt->device->upload(rt, to, from, bytes));
  return rt->device->finish(rt, false, &bits);
}

rwkv_status rwkv_download(rwkv_runtime *rt, void *to, const void *from,
                          int64_t bytes) {
  if (!rt) {
    return RWKV_E_ARGUMENT;
  }
  RWKVI_TRY(check_copy(rt, "rwkv_download", to, from, bytes));
  return bytes ? rt->device->download(rt, to, from, bytes) : RWKV_OK;
}

rwkv_status rwkv_finish(rwkv_runtime *rt) {
  if (!rt) {
    return RWKV_E_ARGUMENT;
  }
  int32_t bits = 0;
  const rwkv_pack *launched = rt->launched_others ? NULL : rt->launched;
  rt->launched = NULL;
  rt->launched_others = false;
  RWKVI_TRY(rt->device->finish(rt, true, &bits));
  return rwkvi_check_bits(rt, launched, "rwkv_launch", bits);
}
