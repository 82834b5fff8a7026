/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Functions on arrays that are in the device's memory: queued, and timed. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_REPEATS = 10000 };

/* Between begin and end. */
static rwkv_status launch(rwkv_model *model, const char *name,
                          const rwkv_array *inputs, int64_t n_inputs,
                          const rwkv_array *outputs, int64_t n_outputs) {
  const rwkvi_function *function;
  rwkvi_class *class;
  RWKVI_TRY(rwkvi_call_check(model, name, inputs, n_inputs, outputs, n_outputs,
                             true, &function, &class));
  RWKVI_TRY(rwkvi_arena_reserve(model, class->arena_bytes));
  rwkv_runtime *rt = model->rt;
  rt->launched_others |= rt->launched && rt->launched != model->pack;
  rt->launched = model->pack;
  return rwkvi_queue(model, function, class);
}

/* rwkv_call's outputs are not written, but what they point at. */
static rwkv_status call(rwkv_model *model, const char *name,
                        const rwkv_array *inputs, int64_t n_inputs,
                        const rwkv_array *outputs, int64_t n_outputs) {
  return rwkv_call(model, name, inputs, n_inputs, (rwkv_array *)outputs,
                   n_outputs);
}

rwkv_status rwkv_launch(rwkv_model *model, const char *name,
                        const rwkv_array *inputs, int64_t n_inputs,
                        const rwkv_array *outputs, int64_t n_outputs,
                        void *stream) {
  if (!model) {
    return RWKV_E_ARGUMENT;
  }
  if (model->device->here) {
    return call(model, name, inputs, n_inputs, outputs, n_outputs);
  }
  RWKVI_TRY(model->device->begin(model->rt, stream));
  rwkv_status status =
      launch(model, name, inputs, n_inputs, outputs, n_outputs);
  char message[sizeof(model->rt->message)];
  memcpy(message, model->rt->message, sizeof(message));
  rwkv_status ended = model->device->end(model->rt);
  if (status == RWKV_OK) {
    return ended;
  }
  memcpy(model->rt->message, message, sizeof(message)); /* the first failure */
  return status;
}

/* ---- timing -------------------------------------------------------------- */

typedef struct timed {
  rwkv_model *model;
  const rwkvi_function *function;
  rwkvi_class *class;
} timed;

static rwkv_status run_timed(void *data) {
  const timed *t = data;
  return rwkvi_queue_again(t->model, t->function, t->class);
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

rwkv_status rwkv_time(rwkv_model *model, const char *name,
                      const rwkv_array *inputs, int64_t n_inputs,
                      const rwkv_array *outputs, int64_t n_outputs,
                      int32_t repeats, double *milliseconds) {
  if (!model) {
    return RWKV_E_ARGUMENT;
  }
  rwkv_runtime *rt = model->rt;
  if (!milliseconds || repeats < 1 || repeats > MAX_REPEATS) {
    return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                      "rwkv_time: expected an output and 1 .. %d repeats, "
                      "found %d",
                      MAX_REPEATS, repeats);
  }
  timed t = {.model = model};
  RWKVI_TRY(rwkvi_call_check(model, name, inputs, n_inputs, outputs, n_outputs,
                             !model->device->here, &t.function, &t.class));
  RWKVI_TRY(rwkvi_arena_reserve(model, t.class->arena_bytes));
  RWKVI_TRY(rwkvi_run(model, t.function, t.class)); /* warm */
  if (rwkvi_is_replayed(model, t.class)) {
    RWKVI_TRY(rwkvi_run(model, t.function, t.class)); /* records */
  }
  double *times = calloc((size_t)repeats, sizeof(*times));
  if (!times) {
    return rwkvi_no_memory(rt, "times");
  }
  int32_t bits = 0;
  rwkv_status status = rt->device->time(rt, run_timed, &t, repeats, times);
  status =
      status ? rwkvi_give_up(rt, status) : rt->device->finish(rt, false, &bits);
  status = status ? status
                  : rwkvi_check_bits(rt, model->pack, t.function->name, bits);
  if (status == RWKV_OK) {
    qsort(times, (size_t)repeats, sizeof(*times), compare);
    *milliseconds = (times[(repeats - 1) / 2] + times[repeats / 2]) / 2;
  }
  free(times);
  return status;
}
