/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The launch plan of a function: steps and temporaries, with every reference
 * checked, and the temporaries' live ranges.
 */
#include "internal.h"

#include <string.h>

enum { MAX_STEPS = 1 << 20, MAX_REFS = 4096 };

/* What reading one plan needs to know. */
typedef struct planner {
  const rwkvi_reader *in;
  const rwkv_pack *pack;
  rwkvi_function *function;
  uint32_t bound;     /* symbols that arguments bind */
  int64_t position;   /* of the next launch or copy in the linear order */
  rwkvi_step *repeat; /* the repeat being read, or NULL */
} planner;

static rwkv_status allocate(const planner *p, size_t count, size_t size,
                            void *out) {
  void *memory = rwkvi_pool_alloc(p->in->pool, count, size);
  memcpy(out, &memory, sizeof(memory));
  return memory ? RWKV_OK : rwkvi_no_memory(p->in->rt, "a plan");
}

/* ---- live ranges --------------------------------------------------------- */

static void use_temporary(const planner *p, rwkvi_temporary *temporary) {
  if (temporary->first < 0) {
    temporary->first = p->position;
  }
  temporary->last = p->position;
}

/* A temporary used only inside one repeat is live from its first to its last
 * use there: its contents do not survive from one iteration to the next. One
 * that is also used elsewhere may carry a value around the loop, so it is live
 * for all of the repeat from .. to. */
static void widen_ranges(rwkvi_temporary *temporaries, size_t count,
                         int64_t from, int64_t to) {
  for (size_t i = 0; i < count; ++i) {
    rwkvi_temporary *t = &temporaries[i];
    bool touches = t->first >= 0 && t->first <= to && t->last >= from;
    bool within = t->first >= from && t->last <= to;
    if (touches && !within) {
      t->first = t->first < from ? t->first : from;
      t->last = t->last > to ? t->last : to;
    }
  }
}

/* ---- references ---------------------------------------------------------- */

static rwkv_status check_weight(const planner *p, const rwkvi_where *where,
                                size_t index) {
  const rwkvi_weight *weight = &p->pack->weights[index];
  if (!weight->layered) {
    return RWKV_OK;
  }
  if (!p->repeat) {
    return rwkvi_json_fail(
        p->in, where, RWKV_E_FORMAT,
        "expected weight \"%.200s\", which has layers, inside a repeat",
        weight->name);
  }
  if (p->repeat->from < weight->from || p->repeat->to > weight->to) {
    return rwkvi_json_fail(
        p->in, where, RWKV_E_FORMAT,
        "weight \"%.200s\": expected layers within %lld .. %lld, found a "
        "repeat from %lld to %lld",
        weight->name, (long long)weight->from, (long long)weight->to - 1,
        (long long)p->repeat->from, (long long)p->repeat->to);
  }
  return RWKV_OK;
}

static rwkv_status check_slice(const planner *p, const rwkvi_where *where,
                               const rwkvi_ref *ref, const json_t *found) {
  if (ref->kind != RWKVI_ARG && ref->kind != RWKVI_RESULT) {
    return rwkvi_json_expected(p->in, where, found,
                               "a slice \"l\" of an argument or a result only");
  }
  if (!p->repeat) {
    return rwkvi_json_fail(p->in, where, RWKV_E_FORMAT,
                           "expected a slice \"l\" inside a repeat only");
  }
  const rwkvi_value *value = ref->kind == RWKVI_ARG
                                 ? &p->function->args[ref->index]
                                 : &p->function->results[ref->index];
  const int64_t none[RWKV_SIZE_COUNT] = {0};
  int64_t extent =
      INT64_MAX; /* not constant: checked when the sizes are known */
  if (value->rank == 0) {
    extent = 0;
  } else if (rwkvi_expr_is_constant(&value->shape[0])) {
    rwkvi_expr_size(&value->shape[0], none, &extent);
  }
  if (p->repeat->to > extent) {
    return rwkvi_json_fail(p->in, where, RWKV_E_FORMAT,
                           "\"%.200s\" has %lld slices along axis 0, found a "
                           "repeat from %lld to %lld",
                           value->name, (long long)extent,
                           (long long)p->repeat->from,
                           (long long)p->repeat->to);
  }
  return RWKV_OK;
}

static rwkv_status read_ref(planner *p, const rwkvi_where *where,
                            const json_t *json, rwkvi_ref *ref) {
  const struct {
    const char *name;
    size_t count;
  } kinds[] = {[RWKVI_ARG] = {"arg", p->function->arg_count},
               [RWKVI_RESULT] = {"result", p->function->result_count},
               [RWKVI_TEMPORARY] = {"temporary", p->function->temporary_count},
               [RWKVI_WEIGHT] = {"weight", p->pack->weight_count}};
  size_t size = json_array_size(json);
  const json_t *kind = json_array_get(json, 0),
               *slice = json_array_get(json, 2);
  int found = -1;
  for (int i = 0; i < 4 && json_is_string(kind); ++i) {
    found = strcmp(json_string_value(kind), kinds[i].name) == 0 ? i : found;
  }
  if (size < 2 || size > 3 || found < 0) {
    return rwkvi_json_expected(
        p->in, where, json,
        "[\"arg\"|\"result\"|\"temporary\"|\"weight\", index] or "
        "[\"arg\"|\"result\", index, \"l\"]");
  }
  ref->kind = (rwkvi_ref_kind)found;
  const rwkvi_where index_where = {where, NULL, 1},
                    slice_where = {where, NULL, 2};
  if (kinds[found].count == 0) {
    return rwkvi_json_fail(p->in, where, RWKV_E_FORMAT,
                           "there is no %s to refer to", kinds[found].name);
  }
  int64_t index;
  RWKVI_TRY(rwkvi_json_int(p->in, &index_where, json_array_get(json, 1), 0,
                           (int64_t)kinds[found].count - 1, &index));
  ref->index = (size_t)index;
  ref->sliced = size == 3;
  if (ref->sliced &&
      (!json_is_string(slice) || strcmp(json_string_value(slice), "l") != 0)) {
    return rwkvi_json_expected(p->in, &slice_where, slice, "\"l\"");
  }
  if (ref->sliced) {
    RWKVI_TRY(check_slice(p, where, ref, json));
  }
  if (ref->kind == RWKVI_WEIGHT) {
    RWKVI_TRY(check_weight(p, where, ref->index));
  }
  if (ref->kind == RWKVI_TEMPORARY) {
    use_temporary(p, &p->function->temporaries[ref->index]);
  }
  return RWKV_OK;
}

static rwkv_status read_refs(planner *p, const rwkvi_where *where,
                             const json_t *json, rwkvi_step *step) {
  RWKVI_TRY(rwkvi_json_array(p->in, where, json, MAX_REFS, &step->ref_count));
  RWKVI_TRY(allocate(p, step->ref_count, sizeof(rwkvi_ref), &step->refs));
  for (size_t i = 0; i < step->ref_count; ++i) {
    RWKVI_TRY(read_ref(p, &(rwkvi_where){where, NULL, i},
                       json_array_get(json, i), &step->refs[i]));
  }
  return RWKV_OK;
}

/* ---- steps --------------------------------------------------------------- */

static rwkv_status read_steps(planner *p, const rwkvi_where *where,
                              const json_t *json, rwkvi_step **steps,
                              size_t *count);

/* Of a task, or of tasks. */
static rwkv_status read_number(planner *p, const rwkvi_where *where,
                               const char *key, const json_t *json,
                               rwkvi_expr *number) {
  const rwkvi_where here = {where, key, 0};
  RWKVI_TRY(
      rwkvi_expr_read(p->in, &here, json_object_get(json, key), number));
  uint32_t open =
      number->symbols & ~(p->bound | (p->repeat ? 1u << RWKV_SIZE_L : 0));
  return open == 0
             ? RWKV_OK
             : rwkvi_json_fail(
                   p->in, &here, RWKV_E_FORMAT, "%s",
                   open & 1u << RWKV_SIZE_L
                       ? "expected \"l\" inside a repeat only"
                       : "expected symbols that an argument's shape binds");
}

static rwkv_status read_launch(planner *p, const rwkvi_where *where,
                               const json_t *json, rwkvi_step *step) {
  static const char *const keys[] = {"launch",  "tasks",   "?from",
                                     "buffers", "?beside", NULL};
  RWKVI_TRY(rwkvi_json_object(p->in, where, json, keys));
  const rwkvi_where launch_where = {where, "launch", 0};
  if (p->pack->kernel_count == 0) {
    return rwkvi_json_fail(p->in, where, RWKV_E_FORMAT,
                           "there is no kernel to launch");
  }
  int64_t kernel;
  RWKVI_TRY(rwkvi_json_int(p->in, &launch_where,
                           json_object_get(json, "launch"), 0,
                           (int64_t)p->pack->kernel_count - 1, &kernel));
  step->kind = RWKVI_LAUNCH;
  step->kernel = (size_t)kernel;
  RWKVI_TRY(read_number(p, where, "tasks", json, &step->tasks));
  if (json_object_get(json, "from")) {
    RWKVI_TRY(read_number(p, where, "from", json, &step->first_task));
  }
  RWKVI_TRY(read_refs(p, &(rwkvi_where){where, "buffers", 0},
                      json_object_get(json, "buffers"), step));
  const json_t *beside = json_object_get(json, "beside");
  if (beside && !json_is_boolean(beside)) {
    return rwkvi_json_expected(p->in, &(rwkvi_where){where, "beside", 0},
                               beside, "true or false");
  }
  step->beside = json_is_true(beside);
  p->position += !step->beside; /* launches side by side are one position */
  return RWKV_OK;
}

static rwkv_dtype ref_dtype(const planner *p, const rwkvi_ref *ref) {
  switch (ref->kind) {
  case RWKVI_ARG:
    return p->function->args[ref->index].dtype;
  case RWKVI_RESULT:
    return p->function->results[ref->index].dtype;
  case RWKVI_TEMPORARY:
    return p->function->temporaries[ref->index].dtype;
  default:
    return p->pack->weights[ref->index].dtype;
  }
}

static rwkv_status read_copy(planner *p, const rwkvi_where *where,
                             const json_t *json, rwkvi_step *step) {
  static const char *const keys[] = {"copy", NULL};
  RWKVI_TRY(rwkvi_json_object(p->in, where, json, keys));
  const rwkvi_where here = {where, "copy", 0};
  step->kind = RWKVI_COPY;
  RWKVI_TRY(read_refs(p, &here, json_object_get(json, "copy"), step));
  if (step->ref_count != 2 || step->refs[0].kind == RWKVI_ARG ||
      step->refs[0].kind == RWKVI_WEIGHT) {
    return rwkvi_json_fail(p->in, &here, RWKV_E_FORMAT,
                           "expected [to, from], to a result or a temporary");
  }
  rwkv_dtype to = ref_dtype(p, &step->refs[0]),
             from = ref_dtype(p, &step->refs[1]);
  if (to != from) {
    return rwkvi_json_fail(p->in, &here, RWKV_E_FORMAT,
                           "expected two buffers of one dtype, found %s and %s",
                           rwkv_dtype_name(to), rwkv_dtype_name(from));
  }
  ++p->position;
  return RWKV_OK;
}

static rwkv_status read_repeat(planner *p, const rwkvi_where *where,
                               const json_t *json, rwkvi_step *step) {
  static const char *const keys[] = {"repeat", "steps", NULL};
  RWKVI_TRY(rwkvi_json_object(p->in, where, json, keys));
  if (p->repeat) {
    return rwkvi_json_fail(p->in, where, RWKV_E_FORMAT,
                           "expected no repeat inside a repeat");
  }
  const rwkvi_where here = {where, "repeat", 0};
  const json_t *range = json_object_get(json, "repeat");
  if (!json_is_array(range) || json_array_size(range) != 2) {
    return rwkvi_json_expected(p->in, &here, range, "[from, to]");
  }
  step->kind = RWKVI_REPEAT;
  RWKVI_TRY(rwkvi_json_int(p->in, &(rwkvi_where){&here, NULL, 0},
                           json_array_get(range, 0), 0, RWKVI_MAX_LAYERS,
                           &step->from));
  RWKVI_TRY(rwkvi_json_int(p->in, &(rwkvi_where){&here, NULL, 1},
                           json_array_get(range, 1), step->from,
                           RWKVI_MAX_LAYERS, &step->to));
  p->repeat = step;
  step->first = p->position;
  RWKVI_TRY(read_steps(p, &(rwkvi_where){where, "steps", 0},
                       json_object_get(json, "steps"), &step->steps,
                       &step->step_count));
  p->repeat = NULL;
  step->last = p->position - 1;
  return RWKV_OK;
}

static rwkv_status read_steps(planner *p, const rwkvi_where *where,
                              const json_t *json, rwkvi_step **steps,
                              size_t *count) {
  size_t size;
  RWKVI_TRY(rwkvi_json_array(p->in, where, json, MAX_STEPS, &size));
  RWKVI_TRY(allocate(p, size, sizeof(rwkvi_step), steps));
  *count = size;
  for (size_t i = 0; i < size; ++i) {
    rwkvi_where here = {where, NULL, i};
    const json_t *step = json_array_get(json, i);
    if (json_object_get(step, "launch")) {
      RWKVI_TRY(read_launch(p, &here, step, &(*steps)[i]));
    } else if (json_object_get(step, "copy")) {
      RWKVI_TRY(read_copy(p, &here, step, &(*steps)[i]));
    } else if (json_object_get(step, "repeat")) {
      RWKVI_TRY(read_repeat(p, &here, step, &(*steps)[i]));
    } else {
      return rwkvi_json_expected(p->in, &here, step,
                                 "a step (\"launch\", \"copy\" or \"repeat\")");
    }
    if (i > 0 && (*steps)[i - 1].beside && (*steps)[i].kind != RWKVI_LAUNCH) {
      return rwkvi_json_expected(p->in, &here, step,
                                 "a launch, which the one before runs beside");
    }
  }
  if (size > 0 && (*steps)[size - 1].beside) {
    return rwkvi_json_fail(p->in, where, RWKV_E_FORMAT,
                           "expected a launch after one that runs \"beside\" "
                           "it, found none");
  }
  return RWKV_OK;
}

/* ---- the plan ------------------------------------------------------------ */

static rwkv_status read_temporaries(planner *p, const rwkvi_where *where,
                                    const json_t *json) {
  static const char *const keys[] = {"dtype", "shape", NULL};
  rwkvi_function *function = p->function;
  size_t count;
  RWKVI_TRY(
      rwkvi_json_array(p->in, where, json, RWKVI_MAX_TEMPORARIES, &count));
  RWKVI_TRY(
      allocate(p, count, sizeof(rwkvi_temporary), &function->temporaries));
  function->temporary_count = count;
  for (size_t i = 0; i < count; ++i) {
    rwkvi_where here = {where, NULL, i};
    const json_t *value = json_array_get(json, i);
    rwkvi_temporary *temporary = &function->temporaries[i];
    temporary->first = temporary->last = -1;
    RWKVI_TRY(rwkvi_json_object(p->in, &here, value, keys));
    RWKVI_TRY(rwkvi_json_dtype(p->in, &(rwkvi_where){&here, "dtype", 0},
                               json_object_get(value, "dtype"),
                               &temporary->dtype));
    rwkvi_where shape_here = {&here, "shape", 0};
    RWKVI_TRY(rwkvi_shape_read(p->in, &shape_here,
                               json_object_get(value, "shape"),
                               &temporary->rank, temporary->shape));
    for (int32_t axis = 0; axis < temporary->rank; ++axis) {
      if (temporary->shape[axis].symbols & ~p->bound) {
        return rwkvi_json_fail(
            p->in, &shape_here, RWKV_E_FORMAT,
            "expected symbols that an argument's shape binds");
      }
    }
  }
  return RWKV_OK;
}

rwkv_status rwkvi_plan_read(const rwkvi_reader *in, const rwkvi_where *where,
                            const json_t *value, const rwkv_pack *pack,
                            rwkvi_function *function, uint32_t bound) {
  static const char *const keys[] = {"temporaries", "steps", NULL};
  planner p = {.in = in, .pack = pack, .function = function, .bound = bound};
  RWKVI_TRY(rwkvi_json_object(in, where, value, keys));
  RWKVI_TRY(read_temporaries(&p, &(rwkvi_where){where, "temporaries", 0},
                             json_object_get(value, "temporaries")));
  RWKVI_TRY(read_steps(&p, &(rwkvi_where){where, "steps", 0},
                       json_object_get(value, "steps"), &function->steps,
                       &function->step_count));
  /* Now that all uses are known, widen ranges over the repeats they reach into
   * from outside. */
  for (size_t i = 0; i < function->step_count; ++i) {
    const rwkvi_step *step = &function->steps[i];
    if (step->kind == RWKVI_REPEAT && step->first <= step->last) {
      widen_ranges(function->temporaries, function->temporary_count,
                   step->first, step->last);
    }
  }
  return RWKV_OK;
}
