/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Memory of an NVIDIA GPU: a pool where it has one, and copies by way of locked
 * memory, which do not wait for each other. */
#include "cuda.h"

#include <string.h>

enum {
  SLOT_BYTES = 1 << 20,
  SMALL_BYTES = 64 << 10, /* drivers do not wait for so few */
  KEPT_BYTES = 64 << 20   /* that nobody has and the pool does not give back */
};

/* ---- the pool ------------------------------------------------------------ */

static bool has_pools(const rwkvi_cuda *c) {
  const cu_driver *driver = &c->driver;
  int supported = 0;
  return driver->MemPoolCreate && driver->MemPoolDestroy &&
         driver->MemPoolSetAttribute && driver->MemAllocFromPoolAsync &&
         driver->MemFreeAsync &&
         driver->DeviceGetAttribute(&supported,
                                    CU_DEVICE_MEMORY_POOLS_SUPPORTED,
                                    c->device) == CU_SUCCESS &&
         supported;
}

/* One of our own: what others do with the device's default pool is theirs. */
void rwkvi_cuda_open_memory(rwkvi_cuda *c) {
  const cu_pool_properties properties = {
      .allocation = CU_MEM_ALLOCATION_PINNED,
      .location = CU_MEM_LOCATION_DEVICE,
      .id = c->device,
  };
  uint64_t kept = KEPT_BYTES;
  if (!has_pools(c) ||
      c->driver.MemPoolCreate(&c->pool, &properties) != CU_SUCCESS) {
    c->pool = NULL;
    return;
  }
  c->driver.MemPoolSetAttribute(c->pool, CU_POOL_RELEASE_THRESHOLD, &kept);
}

void rwkvi_cuda_close_memory(rwkvi_cuda *c) {
  if (c->own) {
    rwkvi_cuda_wait(c); /* for memory that was freed */
  }
  for (int i = 0; i < RWKVI_CUDA_SLOTS; ++i) {
    if (c->slots[i].event) {
      c->driver.EventDestroy(c->slots[i].event);
    }
  }
  if (c->slots[0].memory) {
    c->driver.MemFreeHost(c->slots[0].memory);
  }
  if (c->pool) {
    c->driver.MemPoolDestroy(c->pool);
  }
}

/* Memory of the pool is there when the stream comes to it. That is waited for,
 * so that every stream may use it. It is not the caller's stream, which may be
 * recording a graph that would then own the memory. */
static cu_result allocate_from_pool(const rwkvi_cuda *c, cu_pointer *pointer,
                                    size_t bytes) {
  cu_result result =
      c->driver.MemAllocFromPoolAsync(pointer, bytes, c->pool, c->own);
  return result ? result : c->driver.StreamSynchronize(c->own);
}

rwkv_status rwkvi_cuda_allocate(rwkv_runtime *rt, int64_t bytes,
                                const char *what, void **out) {
  const rwkvi_cuda *c = rwkvi_cuda_of(rt);
  size_t size = bytes ? (size_t)bytes : 1;
  cu_pointer pointer = 0;
  *out = NULL;
  cu_result result = rwkvi_cuda_enter(c);
  if (result == CU_SUCCESS) {
    result = c->pool ? allocate_from_pool(c, &pointer, size)
                     : c->driver.MemAlloc(&pointer, size);
    rwkvi_cuda_leave(c);
  }
  if (result == CU_ERROR_OUT_OF_MEMORY) {
    return rwkvi_fail(rt, RWKV_E_MEMORY,
                      "%s: out of memory for %lld bytes of %s", c->name,
                      (long long)bytes, what);
  }
  *out = result ? NULL : rwkvi_cuda_memory(pointer);
  return rwkvi_cuda_status(rt, result, "cuMemAlloc");
}

/* Memory of the pool is freed when all that was queued so far is done; nobody
 * waits for that. */
void rwkvi_cuda_release(rwkv_runtime *rt, void *memory) {
  rwkvi_cuda *c = rwkvi_cuda_of(rt);
  if (!memory || rwkvi_cuda_enter(c) != CU_SUCCESS) {
    return;
  }
  if (c->pool && rwkvi_cuda_follow(c, c->own) == CU_SUCCESS) {
    c->driver.MemFreeAsync(rwkvi_cuda_pointer(memory), c->own);
  } else {
    rwkvi_cuda_wait(c);
    c->driver.MemFree(rwkvi_cuda_pointer(memory));
  }
  rwkvi_cuda_leave(c);
}

/* ---- locked memory ------------------------------------------------------- */

static cu_result create_slots(rwkvi_cuda *c) {
  void *memory = NULL;
  cu_result result =
      c->driver.MemHostAlloc(&memory, RWKVI_CUDA_SLOTS * SLOT_BYTES, 0);
  for (int i = 0; i < RWKVI_CUDA_SLOTS && result == CU_SUCCESS; ++i) {
    c->slots[i].memory = (unsigned char *)memory + i * SLOT_BYTES;
    result = c->driver.EventCreate(&c->slots[i].event, CU_EVENT_DISABLE_TIMING);
  }
  return result;
}

static bool has_slots(rwkvi_cuda *c) {
  if (!c->slots[0].memory && !c->no_slots) {
    c->no_slots = create_slots(c) != CU_SUCCESS;
  }
  return !c->no_slots;
}

/* The next slot, when the device has done with it. */
static cu_result take_slot(rwkvi_cuda *c, rwkvi_cuda_slot **out) {
  rwkvi_cuda_slot *slot = *out = &c->slots[c->slot];
  c->slot = (c->slot + 1) % RWKVI_CUDA_SLOTS;
  cu_result result =
      slot->busy ? c->driver.EventSynchronize(slot->event) : CU_SUCCESS;
  slot->busy = false;
  return result;
}

static cu_result mark_slot(const rwkvi_cuda *c, rwkvi_cuda_slot *slot) {
  cu_result result = c->driver.EventRecord(slot->event, c->stream);
  slot->busy = result == CU_SUCCESS;
  return result;
}

/* ---- copies, on the current stream --------------------------------------- */

/* The host fills a slot while the device empties others. */
static cu_result upload(rwkvi_cuda *c, cu_pointer to, const unsigned char *from,
                        size_t bytes) {
  cu_result result = CU_SUCCESS;
  for (size_t at = 0; at < bytes && result == CU_SUCCESS; at += SLOT_BYTES) {
    size_t size = bytes - at < SLOT_BYTES ? bytes - at : SLOT_BYTES;
    rwkvi_cuda_slot *slot;
    result = take_slot(c, &slot);
    if (result == CU_SUCCESS) {
      memcpy(slot->memory, from + at, size);
      result =
          c->driver.MemcpyHtoDAsync(to + at, slot->memory, size, c->stream);
    }
    result = result ? result : mark_slot(c, slot);
  }
  return result;
}

/* The device fills slots ahead of the one that the host empties. */
static cu_result download(rwkvi_cuda *c, unsigned char *to, cu_pointer from,
                          size_t bytes) {
  rwkvi_cuda_slot *filled[RWKVI_CUDA_SLOTS];
  size_t asked = 0, got = 0; /* slots */
  cu_result result = CU_SUCCESS;
  while (got * SLOT_BYTES < bytes && result == CU_SUCCESS) {
    for (; asked * SLOT_BYTES < bytes && asked < got + RWKVI_CUDA_SLOTS &&
           result == CU_SUCCESS;
         ++asked) {
      size_t at = asked * SLOT_BYTES,
             size = bytes - at < SLOT_BYTES ? bytes - at : SLOT_BYTES;
      rwkvi_cuda_slot *slot;
      result = take_slot(c, &slot);
      result = result ? result
                      : c->driver.MemcpyDtoHAsync(slot->memory, from + at, size,
                                                  c->stream);
      result = result ? result : mark_slot(c, slot);
      filled[asked % RWKVI_CUDA_SLOTS] = slot;
    }
    if (result == CU_SUCCESS) {
      size_t at = got * SLOT_BYTES,
             size = bytes - at < SLOT_BYTES ? bytes - at : SLOT_BYTES;
      rwkvi_cuda_slot *slot = filled[got++ % RWKVI_CUDA_SLOTS];
      result = c->driver.EventSynchronize(slot->event);
      slot->busy = false;
      if (result == CU_SUCCESS) {
        memcpy(to + at, slot->memory, size);
      }
    }
  }
  return result;
}

typedef enum copying { UPLOAD, DOWNLOAD, COPY, CLEAR } copying;

static rwkv_status move(rwkv_runtime *rt, copying kind, void *to,
                        const void *from, int64_t bytes) {
  static const char *const calls[] = {"cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync",
                                      "cuMemcpyDtoDAsync", "cuMemsetD8Async"};
  rwkvi_cuda *c = rwkvi_cuda_of(rt);
  const cu_driver *driver = &c->driver;
  if (bytes == 0) {
    return RWKV_OK;
  }
  size_t size = (size_t)bytes;
  cu_pointer there = rwkvi_cuda_pointer(kind == DOWNLOAD ? from : to);
  cu_result result = rwkvi_cuda_enter(c);
  if (result == CU_SUCCESS) {
    bool slots = (kind == UPLOAD || kind == DOWNLOAD) && size > SMALL_BYTES &&
                 has_slots(c);
    result = rwkvi_cuda_follow(c, c->stream);
    if (result != CU_SUCCESS) {
      /* nothing more */
    } else if (kind == UPLOAD) {
      result = slots ? upload(c, there, from, size)
                     : driver->MemcpyHtoDAsync(there, from, size, c->stream);
    } else if (kind == DOWNLOAD && slots) {
      result = download(c, to, there, size);
    } else if (kind == DOWNLOAD) {
      result = driver->MemcpyDtoHAsync(to, there, size, c->stream);
      result = result ? result : driver->StreamSynchronize(c->stream);
    } else if (kind == COPY) {
      result = driver->MemcpyDtoDAsync(there, rwkvi_cuda_pointer(from), size,
                                       c->stream);
    } else {
      result = driver->MemsetD8Async(there, 0, size, c->stream);
    }
    rwkvi_cuda_leave(c);
  }
  return rwkvi_cuda_status(rt, result, calls[kind]);
}

rwkv_status rwkvi_cuda_upload(rwkv_runtime *rt, void *to, const void *from,
                              int64_t bytes) {
  return move(rt, UPLOAD, to, from, bytes);
}

rwkv_status rwkvi_cuda_download(rwkv_runtime *rt, void *to, const void *from,
                                int64_t bytes) {
  return move(rt, DOWNLOAD, to, from, bytes);
}

rwkv_status rwkvi_cuda_copy(rwkv_runtime *rt, void *to, const void *from,
                            int64_t bytes) {
  return move(rt, COPY, to, from, bytes);
}

rwkv_status rwkvi_cuda_clear(rwkv_runtime *rt, void *to, int64_t bytes) {
  return move(rt, CLEAR, to, NULL, bytes);
}
