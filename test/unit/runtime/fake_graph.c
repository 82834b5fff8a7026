/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Graphs of the driver that is none: operations that a stream did not queue. */
#include "fake_internal.h"

#include <stdlib.h>
#include <string.h>

enum { ERROR_CAPTURE_UNMATCHED = 903, ERROR_GRAPH_EXEC_UPDATE_FAILURE = 910 };

struct CUgraphExec_st {
  struct CUgraph_st operations;
};

static operation *copy_of(const operation *op) {
  operation *copy = malloc(sizeof(*copy));
  *copy = *op;
  copy->next = NULL;
  if (op->parameters) {
    size_t bytes = op->count * sizeof(*op->parameters);
    copy->parameters = malloc(bytes);
    memcpy(copy->parameters, op->parameters, bytes);
  }
  return copy;
}

static void clear(struct CUgraph_st *graph) {
  while (graph->head) {
    operation *next = graph->head->next;
    free(graph->head->parameters);
    free(graph->head);
    graph->head = next;
  }
  graph->tail = &graph->head;
}

static void assign(struct CUgraph_st *to, const struct CUgraph_st *from) {
  clear(to);
  for (const operation *op = from->head; op; op = op->next) {
    *to->tail = copy_of(op);
    to->tail = &(*to->tail)->next;
  }
}

API cu_result cuStreamBeginCapture_v2(cu_stream stream, int mode) {
  ENTER_CONTEXT();
  if (stream->graph || mode < 0 || mode > CU_STREAM_CAPTURE_RELAXED) {
    return CU_ERROR_INVALID_VALUE;
  }
  stream->graph = calloc(1, sizeof(*stream->graph));
  stream->graph->tail = &stream->graph->head;
  ++control.graphs;
  return CU_SUCCESS;
}

API cu_result cuStreamIsCapturing(cu_stream stream, int *status) {
  ENTER_CONTEXT();
  *status = stream->graph ? 1 : CU_STREAM_CAPTURE_NONE;
  return CU_SUCCESS;
}

API cu_result cuStreamEndCapture(cu_stream stream, cu_graph *graph) {
  *graph = NULL;
  struct CUgraph_st *recorded = stream->graph;
  stream->graph = NULL; /* whatever follows */
  if (!recorded) {
    return ERROR_CAPTURE_UNMATCHED;
  }
  int failure = recorded->failure ? recorded->failure : injected(__func__);
  if (recorded->fork) {
    failure = recorded->joined ? failure : ERROR_CAPTURE_UNJOINED;
    recorded->fork->graph = NULL;
  }
  if (failure) {
    clear(recorded);
    free(recorded);
    --control.graphs;
    return failure;
  }
  *graph = recorded;
  return CU_SUCCESS;
}

API cu_result cuGraphDestroy(cu_graph graph) {
  ENTER_CONTEXT();
  clear(graph);
  free(graph);
  --control.graphs;
  return CU_SUCCESS;
}

API cu_result cuGraphInstantiateWithFlags(cu_graph_exec *exec, cu_graph graph,
                                          unsigned long long flags) {
  ENTER_CONTEXT();
  if (flags != 0) {
    return CU_ERROR_INVALID_VALUE;
  }
  *exec = calloc(1, sizeof(**exec));
  assign(&(*exec)->operations, graph);
  ++control.graphs;
  ++control.instantiated;
  return CU_SUCCESS;
}

API cu_result cuGraphExecDestroy(cu_graph_exec exec) {
  ENTER_CONTEXT();
  clear(&exec->operations);
  free(exec);
  --control.graphs;
  return CU_SUCCESS;
}

/* Only what the operations are applied to may be another. */
API cu_result cuGraphExecUpdate_v2(cu_graph_exec exec, cu_graph graph,
                                   cu_update_result *result) {
  ENTER_CONTEXT();
  const operation *a = exec->operations.head, *b = graph->head;
  while (a && b && a->kind == b->kind && a->function == b->function) {
    a = a->next;
    b = b->next;
  }
  *result = (cu_update_result){a || b, NULL, NULL};
  if (a || b) {
    return ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  }
  assign(&exec->operations, graph);
  ++control.updated;
  return CU_SUCCESS;
}

API cu_result cuGraphLaunch(cu_graph_exec exec, cu_stream stream) {
  ENTER_CONTEXT();
  REFUSE_RECORDING(stream);
  for (const operation *op = exec->operations.head; op; op = op->next) {
    operation *copy = copy_of(op);
    push(stream, *copy);
    free(copy);
  }
  ++control.replayed;
  return CU_SUCCESS;
}
