/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Memory of the driver that is none. */
#include "fake_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAX_LOCKED = 16 };

static struct {
  char *data;
  size_t bytes;
} blocks[MAX_BLOCKS];

char *host(cu_pointer pointer, size_t bytes) {
  char *data = (char *)(uintptr_t)(pointer & ~TAG);
  for (int i = 0; i < MAX_BLOCKS && (pointer & TAG); ++i) {
    if (blocks[i].data && data >= blocks[i].data &&
        data <= blocks[i].data + blocks[i].bytes &&
        bytes <= (size_t)(blocks[i].data + blocks[i].bytes - data)) {
      return data;
    }
  }
  return NULL;
}

/* Not cleared. */
static cu_result allocate_block(cu_pointer *pointer, size_t bytes) {
  int i = 0;
  while (i < MAX_BLOCKS && blocks[i].data) {
    ++i;
  }
  if (bytes == 0 || i == MAX_BLOCKS) {
    return CU_ERROR_INVALID_VALUE;
  }
  if (bytes > control.memory - control.used) {
    return CU_ERROR_OUT_OF_MEMORY;
  }
  char *data = bytes >= LARGE
                   ? mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                   : aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (!data || data == MAP_FAILED) {
    return CU_ERROR_OUT_OF_MEMORY;
  }
  if (bytes < LARGE) {
    memset(data, 0xa5, bytes);
  }
  blocks[i].data = data;
  blocks[i].bytes = bytes;
  control.used += bytes;
  ++control.blocks;
  *pointer = (uintptr_t)data | TAG;
  return CU_SUCCESS;
}

cu_result free_block(cu_pointer pointer) {
  char *data = host(pointer, 0);
  for (int i = 0; i < MAX_BLOCKS; ++i) {
    if (data && blocks[i].data == data) {
      control.freed_busy += uses_of(data, blocks[i].bytes) > 0;
      control.used -= blocks[i].bytes;
      --control.blocks;
      if (blocks[i].bytes >= LARGE) {
        munmap(data, blocks[i].bytes);
      } else {
        free(data);
      }
      blocks[i].data = NULL;
      return CU_SUCCESS;
    }
  }
  return CU_ERROR_INVALID_VALUE;
}

API cu_result cuMemAlloc_v2(cu_pointer *pointer, size_t bytes) {
  ENTER_CONTEXT();
  return allocate_block(pointer, bytes);
}

API cu_result cuMemFree_v2(cu_pointer pointer) {
  ENTER_CONTEXT();
  control.freed_busy += control.queued > 0;
  return free_block(pointer);
}

/* ---- pools --------------------------------------------------------------- */

API cu_result cuMemPoolCreate(cu_pool *pool,
                              const cu_pool_properties *properties) {
  ENTER_CONTEXT();
  static const cu_pool_properties none;
  if (!control.pools || properties->allocation != CU_MEM_ALLOCATION_PINNED ||
      properties->location != CU_MEM_LOCATION_DEVICE ||
      properties->handles != 0 ||
      memcmp(properties->reserved, none.reserved, sizeof(none.reserved)) != 0) {
    return CU_ERROR_INVALID_VALUE;
  }
  *pool = malloc(sizeof(**pool));
  (*pool)->device = properties->id;
  ++control.pool_count;
  return CU_SUCCESS;
}

API cu_result cuMemPoolDestroy(cu_pool pool) {
  ENTER_CONTEXT();
  free(pool);
  --control.pool_count;
  return CU_SUCCESS;
}

API cu_result cuMemPoolSetAttribute(cu_pool pool, int attribute, void *value) {
  ENTER_CONTEXT();
  (void)pool;
  return attribute == CU_POOL_RELEASE_THRESHOLD && value
             ? CU_SUCCESS
             : CU_ERROR_INVALID_VALUE;
}

API cu_result cuMemAllocFromPoolAsync(cu_pointer *pointer, size_t bytes,
                                      cu_pool pool, cu_stream stream) {
  ENTER_CONTEXT();
  REFUSE_RECORDING(stream);
  (void)pool;
  cu_result result = allocate_block(pointer, bytes);
  if (result == CU_ERROR_OUT_OF_MEMORY) {
    run_until(stream, stream->queued); /* which may free some */
    result = allocate_block(pointer, bytes);
  }
  return result;
}

API cu_result cuMemFreeAsync(cu_pointer pointer, cu_stream stream) {
  ENTER_CONTEXT();
  REFUSE_RECORDING(stream);
  if (!host(pointer, 0)) {
    return CU_ERROR_INVALID_VALUE;
  }
  push(stream, (operation){.kind = FREE, .to = pointer});
  return CU_SUCCESS;
}

/* ---- locked memory of the process ---------------------------------------- */

static struct {
  char *data;
  size_t bytes;
} locked[MAX_LOCKED];

bool is_locked(const void *memory, size_t bytes) {
  const char *data = memory;
  for (int i = 0; i < MAX_LOCKED; ++i) {
    if (locked[i].data && data >= locked[i].data &&
        data + bytes <= locked[i].data + locked[i].bytes) {
      return true;
    }
  }
  return false;
}

API cu_result cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
  ENTER_CONTEXT();
  for (int i = 0; i < MAX_LOCKED && flags == 0; ++i) {
    if (!locked[i].data) {
      *memory = locked[i].data = malloc(bytes);
      locked[i].bytes = bytes;
      control.locked += bytes;
      return CU_SUCCESS;
    }
  }
  return CU_ERROR_INVALID_VALUE;
}

API cu_result cuMemFreeHost(void *memory) {
  ENTER_CONTEXT();
  for (int i = 0; i < MAX_LOCKED; ++i) {
    if (memory && locked[i].data == memory) {
      control.freed_busy += control.queued > 0;
      control.locked -= locked[i].bytes;
      free(memory);
      locked[i].data = NULL;
      return CU_SUCCESS;
    }
  }
  return CU_ERROR_INVALID_VALUE;
}
