/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Messages, memory, shapes, files and the runtime handle. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *name;
  size_t size;
} dtypes[] = {
    [RWKV_F32] = {"f32", 4}, [RWKV_F16] = {"f16", 2}, [RWKV_BF16] = {"bf16", 2},
    [RWKV_F64] = {"f64", 8}, [RWKV_I32] = {"i32", 4}, [RWKV_I64] = {"i64", 8},
    [RWKV_U8] = {"u8", 1},
};
enum { DTYPES = sizeof(dtypes) / sizeof(dtypes[0]) };

const char *rwkv_dtype_name(rwkv_dtype dtype) {
  return (unsigned)dtype < DTYPES ? dtypes[dtype].name : "unknown dtype";
}

size_t rwkv_dtype_size(rwkv_dtype dtype) {
  return (unsigned)dtype < DTYPES ? dtypes[dtype].size : 1;
}

bool rwkvi_dtype_from_name(const char *name, rwkv_dtype *dtype) {
  for (int i = 0; i < DTYPES; ++i) {
    if (strcmp(name, dtypes[i].name) == 0) {
      *dtype = (rwkv_dtype)i;
      return true;
    }
  }
  return false;
}

const char *rwkv_status_name(rwkv_status status) {
  static const char *const names[] = {
      "RWKV_OK",         "RWKV_E_ARGUMENT",    "RWKV_E_IO",     "RWKV_E_FORMAT",
      "RWKV_E_MISMATCH", "RWKV_E_UNSUPPORTED", "RWKV_E_MEMORY", "RWKV_E_BOUND",
      "RWKV_E_DEVICE",
  };
  return (unsigned)status < sizeof(names) / sizeof(names[0]) ? names[status]
                                                             : "unknown status";
}

/* ---- messages ------------------------------------------------------------ */

/* Length of the UTF-8 sequence at s, 0 if it is not one (overlong forms,
 * surrogates and cut sequences included). */
static int utf8_length(const unsigned char *s) {
  if (s[0] < 0x80) {
    return 1;
  }
  int length = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                             : 0;
  for (int i = 1; i < length; ++i) {
    if ((s[i] & 0xc0) != 0x80) {
      return 0;
    }
  }
  if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
      (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) {
    return 0;
  }
  return length;
}

/* Messages quote names and paths that others wrote: whatever they hold, the
 * message is printable UTF-8 on one line. */
static void make_printable(char *text) {
  for (unsigned char *s = (unsigned char *)text; *s;) {
    int length = utf8_length(s);
    if (length == 0 || *s < 0x20 || *s == 0x7f) {
      *s = '?';
      length = 1;
    }
    s += length;
  }
}

rwkv_status rwkvi_fail(rwkv_runtime *rt, rwkv_status status, const char *format,
                       ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(rt->message, sizeof(rt->message), format, list);
  va_end(list);
  make_printable(rt->message);
  return status;
}

rwkv_status rwkvi_no_memory(rwkv_runtime *rt, const char *what) {
  return rwkvi_fail(rt, RWKV_E_MEMORY, "out of memory for %s", what);
}

/* ---- memory -------------------------------------------------------------- */

struct rwkvi_block {
  struct rwkvi_block *next;
  max_align_t data[];
};

void *rwkvi_pool_alloc(rwkvi_pool *pool, size_t count, size_t size) {
  size_t bytes, total;
  if (__builtin_mul_overflow(count, size, &bytes) ||
      __builtin_add_overflow(bytes, sizeof(struct rwkvi_block), &total)) {
    return NULL;
  }
  struct rwkvi_block *block = calloc(1, total);
  if (!block) {
    return NULL;
  }
  block->next = pool->head;
  pool->head = block;
  return block->data;
}

char *rwkvi_pool_string(rwkvi_pool *pool, const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = rwkvi_pool_alloc(pool, bytes, 1);
  if (copy) {
    memcpy(copy, text, bytes);
  }
  return copy;
}

void rwkvi_pool_free(rwkvi_pool *pool) {
  while (pool->head) {
    struct rwkvi_block *next = pool->head->next;
    free(pool->head);
    pool->head = next;
  }
}

void *rwkvi_aligned(size_t bytes) {
  if (bytes > PTRDIFF_MAX - RWKVI_ALIGN) {
    return NULL;
  }
  size_t rounded = (bytes + RWKVI_ALIGN - 1) / RWKVI_ALIGN * RWKVI_ALIGN;
  return aligned_alloc(RWKVI_ALIGN, rounded ? rounded : RWKVI_ALIGN);
}

/* ---- shapes -------------------------------------------------------------- */

bool rwkvi_bytes(int32_t rank, const int64_t *shape, int64_t element,
                 int64_t *bytes) {
  int64_t product = element;
  bool empty = false;
  for (int32_t i = 0; i < rank; ++i) {
    if (shape[i] < 0 ||
        !rwkvi_mul(product, shape[i] ? shape[i] : 1, &product)) {
      return false;
    }
    empty |= shape[i] == 0;
  }
  *bytes = empty ? 0 : product;
  return true;
}

const char *rwkvi_shape_text(int32_t rank, const int64_t *shape, char *text) {
  size_t at = 0;
  text[at++] = '[';
  for (int32_t i = 0; i < rank && i < RWKVI_MAX_RANK; ++i) {
    at += (size_t)snprintf(text + at, RWKVI_SHAPE_TEXT - at, "%s%lld",
                           i ? ", " : "", (long long)shape[i]);
  }
  text[at++] = ']';
  text[at] = 0;
  return text;
}

/* ---- files --------------------------------------------------------------- */

rwkv_status rwkvi_check_regular(rwkv_runtime *rt, const char *path,
                                const struct stat *info) {
  return S_ISREG(info->st_mode)
             ? RWKV_OK
             : rwkvi_fail(rt, RWKV_E_IO,
                          "%.1000s: expected a regular file, found %s", path,
                          S_ISDIR(info->st_mode) ? "a directory"
                                                 : "a special file");
}

rwkv_status rwkvi_open_file(rwkv_runtime *rt, const char *path, int *fd,
                            size_t *size) {
  /* O_NONBLOCK: opening a FIFO that nobody writes must not wait for ever. */
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (*fd < 0) {
    return rwkvi_fail(rt, RWKV_E_IO, "%.1000s: cannot be opened: %s", path,
                      strerror(errno));
  }
  struct stat info;
  if (fstat(*fd, &info) != 0) {
    int error = errno;
    close(*fd);
    return rwkvi_fail(rt, RWKV_E_IO, "%.1000s: cannot be examined: %s", path,
                      strerror(error));
  }
  rwkv_status status = rwkvi_check_regular(rt, path, &info);
  if (status) {
    close(*fd);
    return status;
  }
  *size = (size_t)info.st_size;
  return RWKV_OK;
}

bool rwkvi_write_all(int fd, const void *data, size_t size) {
  const unsigned char *bytes = data;
  while (size > 0) {
    ssize_t n = write(fd, bytes, size);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
    bytes += n;
    size -= (size_t)n;
  }
  return true;
}

/* ---- the runtime handle -------------------------------------------------- */

rwkv_status rwkv_runtime_create(const rwkv_runtime_options *options,
                                rwkv_runtime **out) {
  if (!out) {
    return RWKV_E_ARGUMENT;
  }
  rwkv_runtime *rt = *out = calloc(1, sizeof(*rt));
  if (!rt) {
    return RWKV_E_MEMORY;
  }
  rt->no_graphs = options && options->no_graphs;
  const char *device = options && options->device ? options->device : "host";
  int32_t threads = options ? options->threads : 0;
  if (threads < 0 || threads > RWKVI_MAX_THREADS) {
    return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                      "threads: expected 0 .. %d, found %d", RWKVI_MAX_THREADS,
                      threads);
  }
  return rwkvi_device_open(rt, device, threads);
}

void rwkv_runtime_destroy(rwkv_runtime *rt) {
  if (rt) {
    if (rt->device) {
      rt->device->destroy(rt);
    }
    free(rt);
  }
}

const char *rwkv_message(const rwkv_runtime *rt) {
  return rt ? rt->message : "";
}

int32_t rwkv_runtime_threads(const rwkv_runtime *rt) {
  return !rt || !rt->device ? 0
         : rt->threads        ? rwkvi_threads_count(rt->threads)
                              : 1; /* the caller's */
}

const char *rwkv_runtime_target(const rwkv_runtime *rt) {
  return rt && rt->device ? rt->device->target(rt) : "";
}
