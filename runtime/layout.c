/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * From symbolic to real sizes: for one function and one (B, T, S), the bytes of
 * every buffer and the place of every temporary in the arena. Every expression
 * a plan will need is evaluated here once, so that running it cannot fail.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* Task counters advance past the end by a chunk per thread: this leaves room.
 */
#define MAX_TASKS (INT64_C(1) << 61)

typedef struct sizing {
  rwkv_model *model;
  const rwkvi_function *function;
  rwkvi_class *class;
} sizing;

static rwkv_status size_error(const sizing *s, const char *what, size_t index,
                              const char *reason) {
  const int64_t *sizes = s->class->sizes;
  return rwkvi_fail(
      s->model->rt, RWKV_E_ARGUMENT,
      "%.200s: %s %zu %s (B = %lld, T = %lld, S = %lld)", s->function->name,
      what, index, reason, (long long)sizes[RWKV_SIZE_B],
      (long long)sizes[RWKV_SIZE_T], (long long)sizes[RWKV_SIZE_S]);
}

/* Bytes of a symbolic array and of one slice along its axis 0. */
static const char *array_bytes(const rwkvi_expr *shape, int32_t rank,
                               rwkv_dtype dtype, const int64_t *sizes,
                               int64_t *bytes, int64_t *slice) {
  int64_t extents[RWKVI_MAX_RANK] = {0};
  for (int32_t i = 0; i < rank; ++i) {
    const char *reason = rwkvi_expr_size(&shape[i], sizes, &extents[i]);
    if (reason) {
      return reason;
    }
  }
  int64_t element = (int64_t)rwkv_dtype_size(dtype);
  int32_t outer = rank > 0;
  return rwkvi_bytes(rank, extents, element, bytes) &&
                 rwkvi_bytes(rank - outer, extents + outer, element, slice)
             ? NULL
             : "overflows 64 bits";
}

static rwkv_status size_values(const sizing *s, const rwkvi_value *values,
                               size_t count, const char *what, int64_t *bytes,
                               int64_t *slice) {
  for (size_t i = 0; i < count; ++i) {
    const char *reason =
        array_bytes(values[i].shape, values[i].rank, values[i].dtype,
                    s->class->sizes, &bytes[i], &slice[i]);
    if (reason) {
      return size_error(s, what, i, reason);
    }
  }
  return RWKV_OK;
}

/* ---- the arena ----------------------------------------------------------- */

typedef struct placed {
  int64_t offset, bytes, first, last;
  size_t index;
} placed;

static int compare_larger(const void *a, const void *b) {
  const placed *x = a, *y = b;
  return x->bytes != y->bytes  ? (x->bytes > y->bytes ? -1 : 1)
         : x->index < y->index ? -1
                               : 1;
}

static int compare_offset(const void *a, const void *b) {
  const placed *x = *(placed *const *)a, *y = *(placed *const *)b;
  return x->offset != y->offset ? (x->offset < y->offset ? -1 : 1)
         : x->index < y->index  ? -1
                                : 1;
}

/* Largest first, each at the lowest offset where it fits between those alive at
 * the same time. */
static rwkv_status place_temporaries(const sizing *s) {
  const rwkvi_function *function = s->function;
  rwkvi_class *class = s->class;
  size_t count = function->temporary_count;
  placed *all = calloc(count + 1, sizeof(placed));
  placed **near = calloc(count + 1, sizeof(placed *));
  rwkv_status status =
      all && near ? RWKV_OK : rwkvi_no_memory(s->model->rt, "temporaries");
  for (size_t i = 0; i < count && status == RWKV_OK; ++i) {
    const rwkvi_temporary *t = &function->temporaries[i];
    int64_t slice, rounded = 0;
    const char *reason = array_bytes(t->shape, t->rank, t->dtype, class->sizes,
                                     &class->temporary_bytes[i], &slice);
    if (!reason &&
        !rwkvi_add(class->temporary_bytes[i], RWKVI_ALIGN - 1, &rounded)) {
      reason = "overflows 64 bits";
    }
    status = reason ? size_error(s, "temporary", i, reason) : RWKV_OK;
    all[i] = (placed){0, t->first < 0 ? 0 : rounded / RWKVI_ALIGN * RWKVI_ALIGN,
                      t->first, t->last, i};
  }
  if (status == RWKV_OK) {
    qsort(all, count, sizeof(placed), compare_larger);
  }
  class->arena_bytes = 0;
  for (size_t i = 0; i < count && status == RWKV_OK; ++i) {
    size_t n = 0;
    for (size_t j = 0; j < i; ++j) {
      if (all[j].bytes > 0 && all[j].first <= all[i].last &&
          all[i].first <= all[j].last) {
        near[n++] = &all[j];
      }
    }
    qsort(near, n, sizeof(placed *), compare_offset);
    int64_t offset = 0, end;
    for (size_t j = 0; j < n && near[j]->offset - offset < all[i].bytes; ++j) {
      int64_t after = near[j]->offset + near[j]->bytes;
      offset = after > offset ? after : offset;
    }
    all[i].offset = class->temporary_offset[all[i].index] = offset;
    if (!rwkvi_add(offset, all[i].bytes, &end)) {
      status = size_error(s, "temporary", all[i].index, "overflows 64 bits");
    } else if (end > class->arena_bytes) {
      class->arena_bytes = end;
    }
  }
  free(all);
  free(near);
  return status;
}

/* ---- checking the steps -------------------------------------------------- */

static int64_t ref_bytes(const sizing *s, const rwkvi_ref *ref) {
  switch (ref->kind) {
  case RWKVI_ARG:
    return ref->sliced ? s->class->arg_slice[ref->index]
                       : s->class->arg_bytes[ref->index];
  case RWKVI_RESULT:
    return ref->sliced ? s->class->result_slice[ref->index]
                       : s->class->result_bytes[ref->index];
  case RWKVI_TEMPORARY:
    return s->class->temporary_bytes[ref->index];
  default:
    return s->model->pack->weights[ref->index].bytes;
  }
}

static rwkv_status check_slices(const sizing *s, const rwkvi_step *step,
                                size_t index, int64_t layers) {
  for (size_t i = 0; i < step->ref_count; ++i) {
    const rwkvi_ref *ref = &step->refs[i];
    if (!ref->sliced) {
      continue;
    }
    const rwkvi_value *value = ref->kind == RWKVI_ARG
                                   ? &s->function->args[ref->index]
                                   : &s->function->results[ref->index];
    int64_t extent =
        0; /* evaluated before without error, with the array's bytes */
    rwkvi_expr_size(&value->shape[0], s->class->sizes, &extent);
    if (extent < layers) {
      return size_error(s, "step", index,
                        "takes more slices of an array than it has");
    }
  }
  return RWKV_OK;
}

/* Also makes the scratch suffice, so that no launch is out of memory. */
static rwkv_status check_step(const sizing *s, const rwkvi_step *step,
                              size_t index, int64_t from, int64_t to) {
  RWKVI_TRY(check_slices(s, step, index, to));
  if (step->kind == RWKVI_COPY) {
    return ref_bytes(s, &step->refs[0]) == ref_bytes(s, &step->refs[1])
               ? RWKV_OK
               : size_error(s, "step", index,
                            "copies between buffers of different sizes");
  }
  /* Without the layer index one evaluation is enough. */
  uint32_t symbols = step->tasks.symbols | step->first_task.symbols;
  int64_t end = symbols & 1u << RWKV_SIZE_L ? to : from + 1;
  int64_t sizes[RWKV_SIZE_COUNT], tasks, first = 0;
  memcpy(sizes, s->class->sizes, sizeof(sizes));
  for (sizes[RWKV_SIZE_L] = from; sizes[RWKV_SIZE_L] < end;
       ++sizes[RWKV_SIZE_L]) {
    const char *reason = rwkvi_expr_size(&step->tasks, sizes, &tasks);
    if (!reason && step->first_task.count > 0) {
      reason = rwkvi_expr_size(&step->first_task, sizes, &first);
    }
    if (reason || tasks > MAX_TASKS || first > MAX_TASKS - tasks) {
      return size_error(s, "step", index,
                        reason ? "has a number of tasks that overflows, is "
                                 "negative or divides by 0"
                               : "has too many tasks");
    }
    RWKVI_TRY(s->model->device->reserve(
        s->model->rt, &s->model->pack->kernels[step->kernel], tasks));
  }
  return RWKV_OK;
}

static rwkv_status check_steps(const sizing *s) {
  int64_t *operations = &s->class->operations;
  *operations = 0;
  for (size_t i = 0; i < s->function->step_count; ++i) {
    const rwkvi_step *step = &s->function->steps[i];
    if (step->kind != RWKVI_REPEAT) {
      RWKVI_TRY(check_step(s, step, i, 0, 0));
      ++*operations;
      continue;
    }
    *operations += (step->to - step->from) * (int64_t)step->step_count;
    for (size_t j = 0; j < step->step_count && step->from < step->to; ++j) {
      RWKVI_TRY(check_step(s, &step->steps[j], i, step->from, step->to));
    }
  }
  return RWKV_OK;
}

/* ---- classes ------------------------------------------------------------- */

static rwkv_status allocate_class(rwkv_model *model,
                                  const rwkvi_function *function,
                                  rwkvi_class *class) {
  size_t args = function->arg_count, results = function->result_count,
         temporaries = function->temporary_count;
  RWKVI_TRY(rwkvi_replays_allocate(model, function, class));
  int64_t *table = rwkvi_pool_alloc(
      &model->pool, 2 * (args + results + temporaries), sizeof(int64_t));
  if (!table) {
    return rwkvi_no_memory(model->rt, "a plan");
  }
  class->arg_bytes = table;
  class->arg_slice = class->arg_bytes + args;
  class->result_bytes = class->arg_slice + args;
  class->result_slice = class->result_bytes + results;
  class->temporary_bytes = class->result_slice + results;
  class->temporary_offset = class->temporary_bytes + temporaries;
  return RWKV_OK;
}

rwkv_status rwkvi_class_get(rwkv_model *model, const rwkvi_function *function,
                            const int64_t *sizes, rwkvi_class **out) {
  rwkvi_class *classes =
                  &model->classes[(size_t)(function - model->pack->functions) *
                                  RWKVI_CLASSES],
              *oldest = classes;
  ++model->tick;
  for (int i = 0; i < RWKVI_CLASSES; ++i) {
    rwkvi_class *class = &classes[i];
    if (class->ready && class->sizes[RWKV_SIZE_B] == sizes[RWKV_SIZE_B] &&
        class->sizes[RWKV_SIZE_T] == sizes[RWKV_SIZE_T] &&
        class->sizes[RWKV_SIZE_S] == sizes[RWKV_SIZE_S]) {
      class->used = model->tick;
      *out = class;
      return RWKV_OK;
    }
    if (class->used < oldest->used) {
      oldest = class;
    }
  }
  if (!oldest->arg_bytes) {
    RWKVI_TRY(allocate_class(model, function, oldest));
  }
  oldest->ready = false;
  rwkvi_replays_expire(oldest);
  memcpy(oldest->sizes, sizes, sizeof(oldest->sizes));
  const sizing s = {model, function, oldest};
  RWKVI_TRY(size_values(&s, function->args, function->arg_count, "argument",
                        oldest->arg_bytes, oldest->arg_slice));
  RWKVI_TRY(size_values(&s, function->results, function->result_count, "result",
                        oldest->result_bytes, oldest->result_slice));
  RWKVI_TRY(place_temporaries(&s));
  RWKVI_TRY(check_steps(&s));
  oldest->ready = true;
  oldest->used = model->tick;
  *out = oldest;
  return RWKV_OK;
}
