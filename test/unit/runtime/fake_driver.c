/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * A driver of devices that are not there, for tests. Memory of the device is
 * that of the process, but its addresses are not: who follows one without being
 * asked to crashes. What is queued on a stream runs when somebody waits for it,
 * and not before. "Code" is text that names a shared object of host kernels
 * (kernels.c), of which a block runs one task.
 */
#include "fake_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

fake_control control;
static struct CUctx_st contexts[8];
static struct CUstream_st *streams[MAX_STREAMS];
static struct CUctx_st *stack[MAX_DEPTH];
int sticky;

API fake_control *fake_driver(void) { return &control; }

/* ---- what every call does first ------------------------------------------ */

cu_result injected(const char *name) {
  if (control.fail && strcmp(control.fail, name) == 0 &&
      control.fail_after-- == 0) {
    control.fail = NULL;
    return control.fail_with;
  }
  return CU_SUCCESS;
}

/* ---- devices and contexts ------------------------------------------------ */

API cu_result cuInit(unsigned flags) {
  ENTER();
  sticky = 0;
  return flags == 0 ? CU_SUCCESS : CU_ERROR_INVALID_VALUE;
}

API cu_result cuDriverGetVersion(int *version) {
  ENTER();
  *version = control.version;
  return CU_SUCCESS;
}

API cu_result cuGetErrorName(cu_result error, const char **text) {
  *text = error == CU_ERROR_OUT_OF_MEMORY  ? "CUDA_ERROR_OUT_OF_MEMORY"
          : error == CU_ERROR_NO_DEVICE    ? "CUDA_ERROR_NO_DEVICE"
          : error == ERROR_ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : error == CU_ERROR_INVALID_PTX  ? "CUDA_ERROR_INVALID_PTX"
                                           : NULL;
  return *text ? CU_SUCCESS : CU_ERROR_INVALID_VALUE;
}

API cu_result cuGetErrorString(cu_result error, const char **text) {
  return cuGetErrorName(error, text) ? CU_ERROR_INVALID_VALUE
                                     : (*text = "in words", CU_SUCCESS);
}

API cu_result cuDeviceGetCount(int *count) {
  ENTER();
  *count = control.devices;
  return CU_SUCCESS;
}

API cu_result cuDeviceGet(cu_device *device, int ordinal) {
  ENTER();
  *device = ordinal;
  return ordinal < control.devices ? CU_SUCCESS : CU_ERROR_INVALID_VALUE;
}

API cu_result cuDeviceGetName(char *name, int size, cu_device device) {
  ENTER();
  snprintf(name, (size_t)size, "Fake %d", device);
  return CU_SUCCESS;
}

API cu_result cuDeviceGetAttribute(int *value, int attribute,
                                   cu_device device) {
  ENTER();
  (void)device;
  *value = attribute == CU_DEVICE_COMPUTE_CAPABILITY_MAJOR   ? control.major
           : attribute == CU_DEVICE_COMPUTE_CAPABILITY_MINOR ? control.minor
           : attribute == CU_DEVICE_MAX_THREADS_PER_BLOCK    ? control.threads
           : attribute == CU_DEVICE_MEMORY_POOLS_SUPPORTED   ? control.pools
           : attribute == CU_DEVICE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
               ? control.shared
           : attribute == CU_DEVICE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
               ? control.shared + 1024
               : -1;
  return *value >= 0 ? CU_SUCCESS : CU_ERROR_INVALID_VALUE;
}

API cu_result cuDevicePrimaryCtxRetain(cu_context *context, cu_device device) {
  ENTER();
  contexts[device].device = device;
  *context = &contexts[device];
  ++control.contexts;
  return CU_SUCCESS;
}

API cu_result cuDevicePrimaryCtxRelease_v2(cu_device device) {
  (void)device;
  --control.contexts;
  return CU_SUCCESS;
}

API cu_result cuCtxPushCurrent_v2(cu_context context) {
  ENTER();
  if (!context || control.depth == MAX_DEPTH) {
    return CU_ERROR_INVALID_VALUE;
  }
  stack[control.depth++] = context;
  return CU_SUCCESS;
}

API cu_result cuCtxPopCurrent_v2(cu_context *context) {
  if (control.depth == 0) {
    return ERROR_INVALID_CONTEXT;
  }
  *context = stack[--control.depth];
  return CU_SUCCESS;
}

/* ---- streams ------------------------------------------------------------- */

operation *push(struct CUstream_st *stream, operation fields) {
  operation *op = malloc(sizeof(*op));
  *op = fields;
  op->next = NULL;
  if (stream->graph) {
    *stream->graph->tail = op;
    stream->graph->tail = &op->next;
    return op;
  }
  *stream->tail = op;
  stream->tail = &op->next;
  ++stream->queued;
  ++control.queued;
  return op;
}

static void run_one(struct CUstream_st *stream, operation *op) {
  char *to = op->to ? host(op->to, op->count) : NULL,
       *from = op->from ? host(op->from, op->count) : NULL;
  switch (op->kind) {
  case LAUNCH:
    run_launch(stream, op);
    break;
  case COPY:
    memmove(to, from, op->count);
    break;
  case UPLOAD:
    memcpy(to, op->parameters, op->count);
    break;
  case FILL:
    memset(to, op->value, op->count);
    break;
  case READ:
    memcpy(to, op->locked, op->count);
    break;
  case WRITE:
    memcpy(op->locked, from, op->count);
    break;
  case FREE:
    free_block(op->to);
    break;
  case WAIT:
    run_until(op->stream, op->until);
    break;
  case RECORD:
    op->event->time = stream->time;
    op->event->done = true;
    break;
  }
}

void run_until(struct CUstream_st *stream, uint64_t until) {
  while (stream->done < until) {
    operation *op = stream->head;
    stream->head = op->next;
    if (!stream->head) {
      stream->tail = &stream->head;
    }
    ++stream->done;
    run_one(stream, op);
    --control.queued;
    free(op->parameters);
    free(op);
  }
}

static bool within(cu_pointer pointer, const char *data, size_t bytes) {
  const char *at = (const char *)(uintptr_t)(pointer & ~TAG);
  return (pointer & TAG) && at >= data && at < data + bytes;
}

int uses_of(const char *data, size_t bytes) {
  int uses = 0;
  for (int i = 0; i < MAX_STREAMS; ++i) {
    const operation *op = streams[i] ? streams[i]->head : NULL;
    for (; op; op = op->next) {
      uses += within(op->to, data, bytes) || within(op->from, data, bytes);
      for (size_t j = 0; op->kind == LAUNCH && j < op->count; ++j) {
        uses += within(op->parameters[j], data, bytes);
      }
    }
  }
  return uses;
}

API cu_result cuStreamCreate(cu_stream *stream, unsigned flags) {
  ENTER_CONTEXT();
  (void)flags;
  *stream = calloc(1, sizeof(**stream));
  (*stream)->tail = &(*stream)->head;
  for (int i = 0; i < MAX_STREAMS; ++i) {
    if (!streams[i]) {
      streams[i] = *stream;
      ++control.streams;
      return CU_SUCCESS;
    }
  }
  return CU_ERROR_OUT_OF_MEMORY;
}

API cu_result cuStreamDestroy_v2(cu_stream stream) {
  ENTER_CONTEXT();
  REFUSE_RECORDING(stream);
  run_until(stream, stream->queued);
  for (int i = 0; i < MAX_STREAMS; ++i) {
    streams[i] = streams[i] == stream ? NULL : streams[i];
  }
  free(stream);
  --control.streams;
  return CU_SUCCESS;
}

API cu_result cuStreamSynchronize(cu_stream stream) {
  ENTER_CONTEXT();
  REFUSE_RECORDING(stream);
  run_until(stream, stream->queued);
  return sticky;
}

/* A stream that waits for one that records does so, too, until that waits. */
static cu_result join(cu_stream stream, cu_event event) {
  struct CUgraph_st *graph = event->graph;
  if (!stream->graph && !graph->fork) {
    stream->graph = graph;
    graph->fork = stream;
  } else if (stream->graph != graph) {
    return ERROR_CAPTURE_UNSUPPORTED;
  }
  graph->joined = event->stream == graph->fork && stream != graph->fork;
  return CU_SUCCESS;
}

API cu_result cuStreamWaitEvent(cu_stream stream, cu_event event,
                                unsigned flags) {
  ENTER_CONTEXT();
  if (event->graph) {
    return join(stream, event);
  }
  REFUSE_RECORDING(stream);
  if (event->stream) {
    push(
        stream,
        (operation){.kind = WAIT, .stream = event->stream, .until = event->at});
  }
  return flags == 0 ? CU_SUCCESS : CU_ERROR_INVALID_VALUE;
}

API cu_result cuEventCreate(cu_event *event, unsigned flags) {
  ENTER_CONTEXT();
  (void)flags;
  *event = calloc(1, sizeof(**event));
  ++control.events;
  return CU_SUCCESS;
}

API cu_result cuEventDestroy_v2(cu_event event) {
  free(event);
  --control.events;
  return CU_SUCCESS;
}

API cu_result cuEventRecord(cu_event event, cu_stream stream) {
  ENTER_CONTEXT();
  event->graph = stream->graph;
  event->stream = stream;
  if (stream->graph) {
    return CU_SUCCESS;
  }
  push(stream, (operation){.kind = RECORD, .event = event});
  event->at = stream->queued;
  event->done = false;
  return CU_SUCCESS;
}

API cu_result cuEventSynchronize(cu_event event) {
  ENTER_CONTEXT();
  if (event->stream) {
    run_until(event->stream, event->at);
  }
  return sticky;
}

API cu_result cuEventElapsedTime(float *milliseconds, cu_event start,
                                 cu_event stop) {
  ENTER_CONTEXT();
  *milliseconds = (float)(stop->time - start->time);
  return start->done && stop->done ? CU_SUCCESS : ERROR_NOT_READY;
}

/* ---- copies: of memory that is not locked at once, as if staged ---------- */

API cu_result cuMemcpyHtoDAsync_v2(cu_pointer to, const void *from,
                                   size_t bytes, cu_stream stream) {
  ENTER_CONTEXT();
  REFUSE_RECORDING(stream);
  if (!host(to, bytes)) {
    return CU_ERROR_INVALID_VALUE;
  }
  if (is_locked(from, bytes)) {
    push(stream,
         (operation){
             .kind = READ, .to = to, .locked = (char *)from, .count = bytes});
    return CU_SUCCESS;
  }
  uint64_t *copy = malloc(bytes + 1);
  memcpy(copy, from, bytes);
  push(stream,
       (operation){
           .kind = UPLOAD, .parameters = copy, .to = to, .count = bytes});
  return CU_SUCCESS;
}

API cu_result cuMemcpyDtoHAsync_v2(void *to, cu_pointer from, size_t bytes,
                                   cu_stream stream) {
  ENTER_CONTEXT();
  REFUSE_RECORDING(stream);
  const char *data = host(from, bytes);
  if (!data) {
    return CU_ERROR_INVALID_VALUE;
  }
  if (is_locked(to, bytes)) {
    push(
        stream,
        (operation){.kind = WRITE, .from = from, .locked = to, .count = bytes});
    return CU_SUCCESS;
  }
  run_until(stream, stream->queued);
  memcpy(to, data, bytes);
  return sticky;
}

API cu_result cuMemcpyDtoDAsync_v2(cu_pointer to, cu_pointer from, size_t bytes,
                                   cu_stream stream) {
  ENTER_CONTEXT();
  if (!host(to, bytes) || !host(from, bytes)) {
    return CU_ERROR_INVALID_VALUE;
  }
  push(stream,
       (operation){.kind = COPY, .to = to, .from = from, .count = bytes});
  return CU_SUCCESS;
}

API cu_result cuMemsetD8Async(cu_pointer to, unsigned char value, size_t bytes,
                              cu_stream stream) {
  ENTER_CONTEXT();
  if (!host(to, bytes)) {
    return CU_ERROR_INVALID_VALUE;
  }
  push(stream,
       (operation){.kind = FILL, .to = to, .value = value, .count = bytes});
  return CU_SUCCESS;
}
