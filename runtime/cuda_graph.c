/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Work on an NVIDIA GPU that is queued again as a whole: graphs. */
#include "cuda.h"

static bool has_graphs(const cu_driver *driver) {
  return driver->StreamBeginCapture && driver->StreamEndCapture &&
         driver->GraphInstantiate && driver->GraphLaunch &&
         driver->GraphExecDestroy && driver->GraphDestroy;
}

/* A stream that is in order with the legacy default stream cannot record while
 * others use that. Nothing that `work` calls is unsafe then, so nothing needs
 * to be forbidden. */
static cu_result capture(rwkvi_cuda *c, rwkv_status (*work)(void *data),
                         void *data, cu_graph *graph) {
  cu_result result =
      c->recorder
          ? CU_SUCCESS
          : c->driver.StreamCreate(&c->recorder, CU_STREAM_NON_BLOCKING);
  result = result ? result
                  : c->driver.StreamBeginCapture(c->recorder,
                                                 CU_STREAM_CAPTURE_RELAXED);
  if (result != CU_SUCCESS) {
    return result;
  }
  cu_stream stream = c->stream;
  c->stream = c->recorder;
  c->recording = true;
  rwkv_status status = work(data);
  c->recording = false;
  c->stream = stream;
  result = c->driver.StreamEndCapture(c->recorder, graph);
  return result == CU_SUCCESS && status != RWKV_OK ? CU_ERROR_INVALID_VALUE
                                                   : result;
}

/* Changes what is there to the graph's addresses, or makes it anew. */
static cu_result instantiate(const rwkvi_cuda *c, cu_graph graph,
                             cu_graph_exec *exec) {
  cu_update_result ignored;
  if (*exec && c->driver.GraphExecUpdate &&
      c->driver.GraphExecUpdate(*exec, graph, &ignored) == CU_SUCCESS) {
    return CU_SUCCESS;
  }
  if (*exec) {
    c->driver.GraphExecDestroy(*exec);
    *exec = NULL;
  }
  return c->driver.GraphInstantiate(exec, graph, 0);
}

bool rwkvi_cuda_record(rwkv_runtime *rt, rwkv_status (*work)(void *data),
                       void *data, void **recording) {
  rwkvi_cuda *c = rwkvi_cuda_of(rt);
  cu_graph graph = NULL;
  cu_graph_exec exec = *recording;
  if (!has_graphs(&c->driver) || rwkvi_cuda_enter(c) != CU_SUCCESS) {
    return false;
  }
  cu_result result = capture(c, work, data, &graph);
  result = result ? result : instantiate(c, graph, &exec);
  if (graph) {
    c->driver.GraphDestroy(graph);
  }
  if (result != CU_SUCCESS && exec) {
    c->driver.GraphExecDestroy(exec);
    exec = NULL;
  }
  rwkvi_cuda_leave(c);
  *recording = exec;
  return result == CU_SUCCESS;
}

bool rwkvi_cuda_replay(rwkv_runtime *rt, void *recording) {
  rwkvi_cuda *c = rwkvi_cuda_of(rt);
  if (rwkvi_cuda_enter(c) != CU_SUCCESS) {
    return false;
  }
  cu_result result = rwkvi_cuda_follow(c, c->stream);
  result = result ? result : c->driver.GraphLaunch(recording, c->stream);
  rwkvi_cuda_leave(c);
  return result == CU_SUCCESS;
}

void rwkvi_cuda_forget(rwkv_runtime *rt, void *recording) {
  const rwkvi_cuda *c = rwkvi_cuda_of(rt);
  if (recording && rwkvi_cuda_enter(c) == CU_SUCCESS) {
    c->driver.GraphExecDestroy(recording);
    rwkvi_cuda_leave(c);
  }
}
