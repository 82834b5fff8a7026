/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the driver that is none share. */
#ifndef RWKV_TEST_UNIT_RUNTIME_FAKE_INTERNAL_H
#define RWKV_TEST_UNIT_RUNTIME_FAKE_INTERNAL_H

#include "fake_driver.h"

#include "runtime/cuda_driver.h"
#include "runtime/rwkv_rt_pack.h"

#include <stdbool.h>

#define API __attribute__((visibility("default")))
#define TAG (UINT64_C(1) << 62) /* of addresses in the device's memory */

enum {
  ERROR_INVALID_CONTEXT = 201,
  ERROR_NOT_READY = 600,
  ERROR_ILLEGAL_ADDRESS = 700,
  ERROR_CAPTURE_UNSUPPORTED = 900,
  ERROR_CAPTURE_UNJOINED = 904,
  MAX_BLOCKS = 4096,
  MAX_DEPTH = 16,
  MAX_STREAMS = 64,
  LARGE = 64 << 20 /* bytes: such blocks are mapped, as nobody fills them */
};

struct CUctx_st {
  int device;
};
struct CUmod_st {
  void *object;
};
struct CUfunc_st {
  rwkv_kernel kernel;
  char name[64];
  int dynamic_shared;
};

typedef struct operation {
  struct operation *next;
  enum { LAUNCH, COPY, UPLOAD, READ, WRITE, FILL, FREE, WAIT, RECORD } kind;
  struct CUfunc_st *function;
  fake_launch launch;
  uint64_t *parameters; /* of a launch; the data of an upload */
  size_t count;         /* of parameters, or bytes */
  cu_pointer to, from;
  char *locked; /* of a READ and a WRITE: memory of the process */
  unsigned char value;
  struct CUstream_st
      *stream; /* whose first `until` operations are waited for */
  uint64_t until;
  struct CUevent_st *event;
} operation;

/* Operations that run when they are launched. */
struct CUgraph_st {
  operation *head, **tail;
  int failure; /* of what cannot be recorded */
  struct CUstream_st *fork; /* a second stream that it records, */
  int joined;               /* which the first one has waited for */
};

struct CUstream_st {
  struct CUgraph_st *graph; /* that it records; NULL: it queues */
  operation *head, **tail;
  uint64_t queued, done;
  double time;
};
struct CUmemPoolHandle_st {
  int device;
};
struct CUevent_st {
  struct CUstream_st *stream;
  struct CUgraph_st *graph; /* in which it was recorded */
  uint64_t at;
  double time;
  bool done;
};

extern fake_control control;
extern int sticky; /* the error after which nothing works */

/* ---- what every call does first ------------------------------------------ */

cu_result injected(const char *name);

#define ENTER()                                                                \
  do {                                                                         \
    cu_result injected_ = injected(__func__);                                  \
    if (injected_ != CU_SUCCESS) {                                             \
      return injected_;                                                        \
    }                                                                          \
  } while (0)
#define ENTER_CONTEXT()                                                        \
  do {                                                                         \
    ENTER();                                                                   \
    if (control.depth == 0) {                                                  \
      return ERROR_INVALID_CONTEXT;                                            \
    }                                                                          \
    if (sticky) {                                                              \
      return sticky;                                                           \
    }                                                                          \
  } while (0)

/* What waits, or comes from elsewhere, cannot be recorded. */
#define REFUSE_RECORDING(stream)                                               \
  do {                                                                         \
    if ((stream)->graph) {                                                     \
      return (stream)->graph->failure = ERROR_CAPTURE_UNSUPPORTED;             \
    }                                                                          \
  } while (0)

/* The memory behind an address with so many bytes; NULL if there is none. */
char *host(cu_pointer pointer, size_t bytes);
/* Whether all of it is locked memory of the process. */
bool is_locked(const void *memory, size_t bytes);
/* Runs what is queued up to here. */
void run_until(struct CUstream_st *stream, uint64_t until);
/* Counts operations that use the block and did not run. */
int uses_of(const char *data, size_t bytes);
/* Gives the block at the address back. */
cu_result free_block(cu_pointer pointer);
/* Adds an operation to the stream, or to the graph that it records. */
operation *push(struct CUstream_st *stream, operation fields);
/* A block runs one task. */
void run_launch(struct CUstream_st *stream, operation *op);

#endif /* RWKV_TEST_UNIT_RUNTIME_FAKE_INTERNAL_H */
