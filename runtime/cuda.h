/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* NVIDIA GPUs, through the driver. */
#ifndef RWKV_RT_CUDA_H
#define RWKV_RT_CUDA_H

#include "cuda_driver.h"
#include "internal.h"

/* Opens the GPU of this number as the runtime's device. `threads` is not used.
 */
rwkv_status rwkvi_cuda_open(rwkv_runtime *rt, int32_t number, int32_t threads);

/* ---- for cuda*.c --------------------------------------------------------- */

/* Locked memory of this process through which arrays are copied: the device
 * reads and writes it while the host goes on. */
typedef struct rwkvi_cuda_slot {
  unsigned char *memory;
  cu_event event; /* after the last copy */
  bool busy;      /* it was recorded and not waited for */
} rwkvi_cuda_slot;

enum { RWKVI_CUDA_SLOTS = 4 };

/* The context of a runtime. */
typedef struct rwkvi_cuda {
  cu_driver driver;
  cu_device device;
  char name[128];          /* of the device */
  int32_t version;         /* of the driver's interface: 12040 is 12.4 */
  int32_t capability;      /* 90 is 9.0 */
  int32_t threads, shared; /* the most of a block; shared: bytes, and */
  int32_t shared_of_all;   /* those that blocks on a multiprocessor share */
  cu_context context;      /* the device's primary one */
  cu_stream own, stream;   /* stream: of the work being queued */
  cu_stream recorder;      /* where work is recorded; NULL before the first */
  cu_stream side;          /* for what runs beside what is on `stream`, */
  cu_event turns[2];       /* from one to the other and back */
  bool recording;          /* the stream is the recorder, or a caller's that
                              captures what is queued */
  cu_event event;          /* after the last work between begin and end */
  bool waiting;            /* the event was recorded and not waited for */
  cu_stream last;          /* a stream that is in order with the event */
  bool begun;              /* between begin and end */
  cu_pointer words;        /* bits set by kernels: int32_t [2], by `begun` */
  cu_pointer scratch;
  int64_t scratch_bytes;
  cu_pool pool; /* of memory; NULL where the device has none */
  rwkvi_cuda_slot slots[RWKVI_CUDA_SLOTS];
  int slot;      /* the next one */
  bool no_slots; /* there is no locked memory to be had */
} rwkvi_cuda;

/* The bytes of scratch that all tasks of a grid may have, unless one task needs
 * more. */
#define RWKVI_CUDA_SCRATCH (INT64_C(1) << 30)

static inline rwkvi_cuda *rwkvi_cuda_of(const rwkv_runtime *rt) {
  return rt->context;
}

static inline cu_pointer rwkvi_cuda_pointer(const void *memory) {
  return (uintptr_t)memory;
}
static inline void *rwkvi_cuda_memory(cu_pointer pointer) {
  return (void *)(uintptr_t)pointer;
}

/* The context must be current for the thread in most calls of the driver. What
 * the caller had there is put back. */
cu_result rwkvi_cuda_enter(const rwkvi_cuda *c);
void rwkvi_cuda_leave(const rwkvi_cuda *c);

/* "CUDA_ERROR_X: description". */
const char *rwkvi_cuda_error(const rwkvi_cuda *c, cu_result result, char *text,
                             size_t size);
/* RWKV_OK, or the failure of `call`. */
rwkv_status rwkvi_cuda_status(rwkv_runtime *rt, cu_result result,
                              const char *call);

/* What comes next on the stream comes after all that was queued between begin
 * and end. */
cu_result rwkvi_cuda_follow(rwkvi_cuda *c, cu_stream stream);

/* Waits for all work of the runtime. */
cu_result rwkvi_cuda_wait(rwkvi_cuda *c);

/* cuda_memory.c; the context is current for the first two. */
void rwkvi_cuda_open_memory(rwkvi_cuda *c);
void rwkvi_cuda_close_memory(rwkvi_cuda *c);
rwkv_status rwkvi_cuda_allocate(rwkv_runtime *rt, int64_t bytes,
                                const char *what, void **out);
void rwkvi_cuda_release(rwkv_runtime *rt, void *memory);
rwkv_status rwkvi_cuda_upload(rwkv_runtime *rt, void *to, const void *from,
                              int64_t bytes);
rwkv_status rwkvi_cuda_download(rwkv_runtime *rt, void *to, const void *from,
                                int64_t bytes);
rwkv_status rwkvi_cuda_copy(rwkv_runtime *rt, void *to, const void *from,
                            int64_t bytes);
rwkv_status rwkvi_cuda_clear(rwkv_runtime *rt, void *to, int64_t bytes);

/* cuda_graph.c */
bool rwkvi_cuda_record(rwkv_runtime *rt, rwkv_status (*work)(void *data),
                       void *data, void **recording);
bool rwkvi_cuda_replay(rwkv_runtime *rt, void *recording);
void rwkvi_cuda_forget(rwkv_runtime *rt, void *recording);

/* cuda_code.c */
const char *rwkvi_cuda_target(const rwkv_runtime *rt);
rwkv_status rwkvi_cuda_load(rwkv_runtime *rt, rwkv_pack *pack,
                            const unsigned char *blobs);
void rwkvi_cuda_unload(rwkv_pack *pack);

#endif /* RWKV_RT_CUDA_H */
