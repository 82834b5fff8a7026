/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Running plans, and consuming tokens with a model's state. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- plans --------------------------------------------------------------- */

typedef struct running {
  rwkv_model *model;
  const rwkvi_class *class;
  int64_t sizes[RWKV_SIZE_COUNT];
} running;

/* Empty arrays may be NULL, to which not even 0 may be added. */
static void *slice(void *data, int64_t offset) {
  return offset ? (char *)data + offset : data;
}

/* Where a buffer is and how many bytes it has. */
static void *resolve(const running *r, const rwkvi_ref *ref, int64_t *bytes) {
  const rwkvi_class *class = r->class;
  int64_t layer = r->sizes[RWKV_SIZE_L];
  switch (ref->kind) {
  case RWKVI_ARG:
    *bytes = ref->sliced ? class->arg_slice[ref->index]
                         : class->arg_bytes[ref->index];
    return slice(r->model->args[ref->index], ref->sliced ? layer * *bytes : 0);
  case RWKVI_RESULT:
    *bytes = ref->sliced ? class->result_slice[ref->index]
                         : class->result_bytes[ref->index];
    return slice(r->model->results[ref->index],
                 ref->sliced ? layer * *bytes : 0);
  case RWKVI_TEMPORARY:
    *bytes = class->temporary_bytes[ref->index];
    return r->model->arena + class->temporary_offset[ref->index];
  default: {
    const rwkvi_weight *weight = &r->model->pack->weights[ref->index];
    *bytes = weight->bytes;
    return (void *)r->model
        ->weights[weight->slot + (weight->layered ? layer - weight->from : 0)];
  }
  }
}

static rwkv_status run_copy(running *r, const rwkvi_step *step) {
  int64_t bytes = 0;
  const void *from = resolve(r, &step->refs[1], &bytes);
  void *to = resolve(r, &step->refs[0], &bytes);
  return bytes > 0 && to != from
             ? r->model->device->copy(r->model->rt, to, from, bytes)
             : RWKV_OK;
}

/* Runs the launch at `step` and those beside it; gives their number. */
static rwkv_status run_launches(running *r, const rwkvi_step *step,
                                size_t *launched) {
  rwkv_model *model = r->model;
  size_t count = 0, buffers = 0;
  do {
    rwkvi_launch *launch = &model->launches[count];
    launch->kernel = &model->pack->kernels[step[count].kernel];
    launch->buffers = model->buffers + buffers;
    launch->buffer_bytes = model->buffer_bytes + buffers;
    launch->buffer_count = step[count].ref_count;
    /* Neither can fail: see layout.c. */
    rwkvi_expr_size(&step[count].tasks, r->sizes, &launch->tasks);
    launch->first = 0;
    if (step[count].first_task.count > 0) {
      rwkvi_expr_size(&step[count].first_task, r->sizes, &launch->first);
    }
    for (size_t i = 0; i < step[count].ref_count; ++i, ++buffers) {
      model->buffers[buffers] =
          resolve(r, &step[count].refs[i], &model->buffer_bytes[buffers]);
    }
  } while (step[count++].beside);
  *launched = count;
  return model->device->launch(model->rt, model->launches, count, r->sizes);
}

/* Stops early where the device knows already that a bound does not hold. */
static rwkv_status run_steps(running *r, const rwkvi_step *steps,
                             size_t count) {
  const int32_t *bits = &r->model->rt->bits;
  for (size_t i = 0; i < count && *bits == 0;) {
    const rwkvi_step *step = &steps[i];
    size_t done = 1;
    if (step->kind == RWKVI_LAUNCH) {
      RWKVI_TRY(run_launches(r, step, &done));
    } else if (step->kind == RWKVI_COPY) {
      RWKVI_TRY(run_copy(r, step));
    } else {
      for (int64_t l = step->from; l < step->to && *bits == 0; ++l) {
        r->sizes[RWKV_SIZE_L] = l;
        RWKVI_TRY(run_steps(r, step->steps, step->step_count));
      }
      r->sizes[RWKV_SIZE_L] = 0;
    }
    i += done;
  }
  return RWKV_OK;
}

rwkv_status rwkvi_queue(rwkv_model *model, const rwkvi_function *function,
                        const rwkvi_class *class) {
  running r = {.model = model, .class = class};
  memcpy(r.sizes, class->sizes, sizeof(r.sizes));
  r.sizes[RWKV_SIZE_L] = 0;
  return run_steps(&r, function->steps, function->step_count);
}

rwkv_status rwkvi_check_bits(rwkv_runtime *rt, const rwkv_pack *pack,
                             const char *what, int32_t bits) {
  if (bits == 0) {
    return RWKV_OK;
  }
  size_t named = pack ? pack->assertion_count : 0;
  int32_t known = pack ? RWKV_KERNEL_BOUND : INT32_MAX;
  if (named > 0) {
    known = named > RWKV_KERNEL_LAST_BIT ? INT32_MAX : (1 << named) - 1;
  }
  if (bits & ~known) {
    return rwkvi_fail(rt, RWKV_E_FORMAT,
                      "%.200s: a kernel returned an unknown status %d", what,
                      bits);
  }
  if (named == 0) {
    return rwkvi_fail(rt, RWKV_E_BOUND,
                      "%.200s: an asserted bound does not hold for the data",
                      what);
  }
  size_t first = (size_t)__builtin_ctz((unsigned)bits);
  int more = __builtin_popcount((unsigned)bits) - 1;
  bool shared = first == RWKV_KERNEL_LAST_BIT && named > first + 1;
  char others[64] = "";
  if (shared) {
    snprintf(others, sizeof(others), ", or one of %zu that follow it",
             named - first - 1);
  } else if (more > 0) {
    snprintf(others, sizeof(others), "; nor do %d others", more);
  }
  return rwkvi_fail(rt, RWKV_E_BOUND,
                    "%.200s: an asserted bound does not hold for the data: "
                    "%.500s%s",
                    what, pack->assertions[first], others);
}

rwkv_status rwkvi_run(rwkv_model *model, const rwkvi_function *function,
                      rwkvi_class *class) {
  int32_t bits = 0;
  rwkv_status status = rwkvi_queue_again(model, function, class);
  if (status != RWKV_OK) {
    return rwkvi_give_up(model->rt, status);
  }
  RWKVI_TRY(model->device->finish(model->rt, false, &bits));
  return rwkvi_check_bits(model->rt, model->pack, function->name, bits);
}

/* ---- consuming tokens ---------------------------------------------------- */

static bool is_symbol(const rwkvi_expr *expr, int symbol) {
  int64_t addend;
  return rwkvi_expr_binds(expr, &addend) == symbol && addend == 0;
}

/* The function must be (tokens i32 [B, T], sequences, states..) -> (logits f32
 * [S, V] or [B, T, V], states..), arguments in any order. */
static rwkv_status check_signature(rwkv_model *model, const char *name,
                                   bool every, const rwkvi_function **out,
                                   const rwkvi_value **tokens) {
  const rwkvi_function *function = *out =
      rwkvi_function_find(model->pack, name);
  if (!function) {
    return rwkvi_fail(model->rt, RWKV_E_UNSUPPORTED,
                      "%.1000s: expected a function \"%s\", found none",
                      model->pack->file, name);
  }
  bool valid = function->has_sequences && function->result_count > 0;
  *tokens = NULL;
  for (size_t i = 0; i < function->arg_count && valid; ++i) {
    const rwkvi_value *arg = &function->args[i];
    if (arg->role == RWKVI_PLAIN) {
      valid = !*tokens && arg->dtype == RWKV_I32 && arg->rank == 2 &&
              is_symbol(&arg->shape[0], RWKV_SIZE_B) &&
              is_symbol(&arg->shape[1], RWKV_SIZE_T);
      *tokens = arg;
    }
  }
  for (size_t i = 1; i < function->result_count && valid; ++i) {
    valid = function->results[i].role == RWKVI_STATE;
  }
  if (valid) {
    const rwkvi_value *logits = &function->results[0];
    valid = *tokens && logits->role == RWKVI_PLAIN &&
            logits->dtype == RWKV_F32 && logits->rank == (every ? 3 : 2) &&
            is_symbol(&logits->shape[0], every ? RWKV_SIZE_B : RWKV_SIZE_S) &&
            (!every || is_symbol(&logits->shape[1], RWKV_SIZE_T)) &&
            rwkvi_expr_is_constant(&logits->shape[logits->rank - 1]);
  }
  if (valid) {
    return RWKV_OK;
  }
  return rwkvi_fail(model->rt, RWKV_E_UNSUPPORTED,
                    "%.1000s: function \"%s\": expected (tokens i32 [B, T], "
                    "sequences, states) -> (logits f32 %s, "
                    "states), found another signature",
                    model->pack->file, name, every ? "[B, T, V]" : "[S, V]");
}

/* Fills state->offsets; lengths NULL: all 1. */
static rwkv_status sum_lengths(rwkv_state *state, const int64_t *lengths) {
  rwkv_runtime *rt = state->model->rt;
  int64_t total = 0;
  for (int64_t i = 0; i < state->sequences; ++i) {
    int64_t length = lengths ? lengths[i] : 1, position;
    if (length < 0) {
      return rwkvi_fail(
          rt, RWKV_E_ARGUMENT,
          "lengths[%lld]: expected a number that is not negative, found %lld",
          (long long)i, (long long)length);
    }
    if (length > INT32_MAX - total) {
      return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                        "lengths[%lld]: expected at most %d tokens in one "
                        "call, found %lld after "
                        "%lld others",
                        (long long)i, INT32_MAX, (long long)length,
                        (long long)total);
    }
    if (!rwkvi_add(state->position[i], length, &position)) {
      return rwkvi_fail(
          rt, RWKV_E_ARGUMENT,
          "lengths[%lld]: %lld tokens after position %lld overflow 64 bits",
          (long long)i, (long long)length, (long long)state->position[i]);
    }
    total += length;
    state->offsets[i + 1] = (int32_t)total;
  }
  return RWKV_OK;
}

/* Points the tables of the model at the tokens, the offsets and the two halves
 * of the state. */
static void point(rwkv_model *model, rwkv_state *state,
                  const rwkvi_function *function, const int32_t *tokens,
                  void *logits) {
  for (size_t i = 0; i < function->arg_count; ++i) {
    const rwkvi_value *arg = &function->args[i];
    model->args[i] = arg->role == RWKVI_STATE       ? state->current[arg->state]
                     : arg->role == RWKVI_SEQUENCES ? (void *)state->offsets
                                                    : (void *)tokens;
  }
  model->results[0] = logits;
  for (size_t i = 1; i < function->result_count; ++i) {
    model->results[i] = state->next[function->results[i].state];
  }
}

static void exchange(rwkv_state *state, const rwkvi_function *function) {
  for (size_t i = 1; i < function->result_count; ++i) {
    size_t k = function->results[i].state;
    void *next = state->next[k];
    state->next[k] = state->current[k];
    state->current[k] = next;
  }
  for (int64_t i = 0; i < state->sequences; ++i) {
    state->position[i] += state->offsets[i + 1] - state->offsets[i];
  }
}

/* Sequences without tokens have no logits. */
static void fill_empty_rows(const rwkv_state *state, float *logits,
                            int64_t row) {
  for (int64_t i = 0; i < state->sequences && logits; ++i) {
    if (state->offsets[i + 1] == state->offsets[i]) {
      rwkvi_fill_nan(RWKV_F32, (char *)logits + i * row, row);
    }
  }
}

static rwkv_status consume(rwkv_model *model, rwkv_state *state,
                           const char *name, bool every, const int32_t *tokens,
                           const int64_t *lengths, float *logits) {
  const rwkvi_function *function;
  const rwkvi_value *arg = NULL;
  RWKVI_TRY(check_signature(model, name, every, &function, &arg));
  RWKVI_TRY(sum_lengths(state, lengths));
  int64_t total = state->offsets[state->sequences], row = 0;
  const rwkvi_value *result = &function->results[0];
  const int64_t none[RWKV_SIZE_COUNT] = {0};
  rwkvi_expr_size(&result->shape[result->rank - 1], none,
                  &row); /* a constant, see check_signature */
  row *= (int64_t)sizeof(float);
  if (total > 0) {
    if (!tokens) {
      return rwkvi_fail(model->rt, RWKV_E_ARGUMENT,
                        "%s: expected %lld tokens, found NULL", name,
                        (long long)total);
    }
    int64_t below = arg->below           ? arg->below
                    : model->pack->vocab ? model->pack->vocab
                                         : INT64_MAX;
    RWKVI_TRY(
        rwkvi_check_below(model->rt, function, arg, tokens, total, below));
    const int64_t sizes[RWKV_SIZE_COUNT] = {1, total, state->sequences, 0};
    rwkvi_class *class;
    RWKVI_TRY(rwkvi_class_get(model, function, sizes, &class));
    int64_t bytes;
    bool unwanted = !logits && model->device->here; /* still written */
    if (!rwkvi_add(class->arena_bytes, unwanted ? class->result_bytes[0] : 0,
                   &bytes)) {
      return rwkvi_no_memory(model->rt, "logits");
    }
    RWKVI_TRY(rwkvi_arena_reserve(model, bytes));
    point(model, state, function, tokens,
          unwanted ? (void *)(model->arena + class->arena_bytes) : logits);
    RWKVI_TRY(rwkvi_place(model, function, class, true));
    rwkv_status status = rwkvi_run(model, function, class);
    status = status ? status : rwkvi_fetch(model, function, class);
    if (status != RWKV_OK) {
      if (logits) {
        rwkvi_fill_nan(RWKV_F32, logits, class->result_bytes[0]);
      }
      return status;
    }
    exchange(state, function);
  }
  if (!every) {
    fill_empty_rows(state, logits, row);
  }
  return RWKV_OK;
}

static rwkv_status check_handles(rwkv_model *model, const rwkv_state *state,
                                 const int64_t *lengths, const char *caller) {
  if (!model) {
    return RWKV_E_ARGUMENT;
  }
  if (!state || !lengths) {
    return rwkvi_fail(model->rt, RWKV_E_ARGUMENT,
                      "%s: expected a state and lengths, found NULL", caller);
  }
  if (state->model != model) {
    return rwkvi_fail(
        model->rt, RWKV_E_ARGUMENT,
        "%s: expected a state of this model, found one of another", caller);
  }
  return RWKV_OK;
}

rwkv_status rwkv_prefill(rwkv_model *model, rwkv_state *state,
                         const int32_t *tokens, const int64_t *lengths,
                         float *logits) {
  RWKVI_TRY(check_handles(model, state, lengths, "rwkv_prefill"));
  return consume(model, state, "prefill", false, tokens, lengths, logits);
}

rwkv_status rwkv_decode(rwkv_model *model, rwkv_state *state,
                        const int32_t *tokens, float *logits) {
  static const int64_t unused = 0; /* all lengths are 1 */
  RWKVI_TRY(check_handles(model, state, &unused, "rwkv_decode"));
  return consume(model, state, "prefill", false, tokens, NULL, logits);
}

rwkv_status rwkv_score(rwkv_model *model, rwkv_state *state,
                       const int32_t *tokens, const int64_t *lengths,
                       float *logits) {
  RWKVI_TRY(check_handles(model, state, lengths, "rwkv_score"));
  return consume(model, state, "forward", true, tokens, lengths, logits);
}
