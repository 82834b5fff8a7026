/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Bytes that were expensive to make, kept in files between processes. */
#ifndef RWKV_RT_CACHE_H
#define RWKV_RT_CACHE_H

#include <stddef.h>
#include <stdint.h>

/* A folder that any number of processes may use at once: files appear complete
 * or not at all. What is kept may be code, so the folder must belong to this
 * user and be closed to all others; it stays open, so that it cannot be
 * exchanged for another one after that was checked. */
typedef struct rwkvi_cache {
  int folder;   /* -1: nothing is found and nothing is kept */
  int64_t most; /* bytes of all files together */
} rwkvi_cache;

/* Opens the folder and makes it if need be. NULL: the one that the environment
 * names (rwkv_rt.h); "": none. A folder that cannot be used is no cache. */
rwkvi_cache rwkvi_cache_open(const char *path, int64_t most);
void rwkvi_cache_close(rwkvi_cache *cache);

/* What was kept under the key, to be freed with free(); NULL if there is
 * nothing, or what is there is not what was written. */
void *rwkvi_cache_read(const rwkvi_cache *cache, const void *key,
                       size_t key_size, size_t *size);
/* Keeps a copy in place of what was there; the files that were not used for the
 * longest time go. A failure is no error: the bytes are made again. */
void rwkvi_cache_write(const rwkvi_cache *cache, const void *key,
                       size_t key_size, const void *bytes, size_t size);

#endif /* RWKV_RT_CACHE_H */
