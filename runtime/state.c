/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The recurrent state of n sequences. Every array has two buffers: a call reads
 * `current` and writes `next`, and they are exchanged when it has succeeded, so
 * a failed call changes nothing.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

bool rwkvi_state_bytes(const rwkvi_state_array *array, int64_t sequences,
                       int64_t *bytes) {
  return rwkvi_mul(array->row, array->outer, bytes) &&
         rwkvi_mul(*bytes, sequences, bytes);
}

rwkv_array rwkvi_state_view(const rwkv_state *state, size_t k) {
  const rwkvi_state_array *array = &state->model->pack->states[k];
  rwkv_array view = {.dtype = array->dtype, .rank = array->rank};
  memcpy(view.shape, array->shape, sizeof(view.shape));
  view.shape[array->axis] = state->sequences;
  return view;
}

rwkv_status rwkvi_state_read(const rwkv_state *state, size_t k,
                             const void **data) {
  const rwkv_model *model = state->model;
  if (model->device->here) {
    *data = state->current[k];
    return RWKV_OK;
  }
  int64_t bytes = 0; /* allocated, so it does not overflow */
  rwkvi_state_bytes(&model->pack->states[k], state->sequences, &bytes);
  if (!state->views[k]) {
    state->views[k] = rwkvi_aligned((size_t)bytes);
    if (!state->views[k]) {
      return rwkvi_no_memory(model->rt, "a copy of the state");
    }
  }
  *data = state->views[k];
  return bytes ? model->device->download(model->rt, state->views[k],
                                         state->current[k], bytes)
               : RWKV_OK;
}

/* RWKV_E_MEMORY without a message. */
static rwkv_status allocate(rwkv_state *state) {
  const rwkv_model *model = state->model;
  const rwkv_pack *pack = model->pack;
  size_t n = (size_t)state->sequences;
  state->position = calloc(n, sizeof(int64_t));
  state->offsets = calloc(n + 1, sizeof(int32_t));
  state->current = calloc(pack->state_count + 1, sizeof(void *));
  state->next = calloc(pack->state_count + 1, sizeof(void *));
  state->views = calloc(pack->state_count + 1, sizeof(void *));
  if (!state->position || !state->offsets || !state->current || !state->next ||
      !state->views) {
    return RWKV_E_MEMORY;
  }
  for (size_t k = 0; k < pack->state_count; ++k) {
    int64_t bytes;
    if (!rwkvi_state_bytes(&pack->states[k], state->sequences, &bytes)) {
      return RWKV_E_MEMORY;
    }
    RWKVI_TRY(
        model->device->alloc(model->rt, bytes, "a state", &state->current[k]));
    RWKVI_TRY(
        model->device->alloc(model->rt, bytes, "a state", &state->next[k]));
  }
  return RWKV_OK;
}

/* The contents of the arrays are left undefined. */
static rwkv_status create(rwkv_model *model, int64_t sequences,
                          rwkv_state **out) {
  rwkv_state *state = calloc(1, sizeof(*state));
  if (state) {
    state->model = model;
    state->sequences = sequences;
  }
  rwkv_status status = state ? allocate(state) : RWKV_E_MEMORY;
  if (status != RWKV_OK) {
    rwkv_state_destroy(state);
  }
  if (status == RWKV_E_MEMORY) {
    return rwkvi_fail(
        model->rt, RWKV_E_MEMORY,
        "out of memory for the state of %lld sequences, %lld bytes each, twice",
        (long long)sequences, (long long)model->pack->state_bytes);
  }
  RWKVI_TRY(status);
  *out = state;
  return RWKV_OK;
}

rwkv_status rwkv_state_create(rwkv_model *model, int64_t sequences,
                              rwkv_state **out) {
  if (out) {
    *out = NULL;
  }
  if (!model) {
    return RWKV_E_ARGUMENT;
  }
  /* Offsets of packed sequences are 32-bit. */
  if (!out || sequences < 1 || sequences >= INT32_MAX) {
    return rwkvi_fail(model->rt, RWKV_E_ARGUMENT,
                      "rwkv_state_create: expected an output and 1 .. %d "
                      "sequences, found %lld",
                      INT32_MAX - 1, (long long)sequences);
  }
  rwkv_state *state;
  RWKVI_TRY(create(model, sequences, &state));
  for (size_t k = 0; k < model->pack->state_count; ++k) {
    int64_t bytes = 0;
    rwkvi_state_bytes(&model->pack->states[k], sequences, &bytes);
    rwkv_status status =
        model->device->clear(model->rt, state->current[k], bytes);
    if (status != RWKV_OK) {
      rwkv_state_destroy(state);
      return status;
    }
  }
  *out = state;
  return RWKV_OK;
}

void rwkv_state_destroy(rwkv_state *state) {
  if (!state) {
    return;
  }
  for (size_t k = 0;
       k < state->model->pack->state_count && state->current && state->next;
       ++k) {
    state->model->device->free(state->model->rt, state->current[k]);
    state->model->device->free(state->model->rt, state->next[k]);
    if (state->views) {
      free(state->views[k]);
    }
  }
  free(state->views);
  free(state->current);
  free(state->next);
  free(state->position);
  free(state->offsets);
  free(state);
}

int64_t rwkv_state_sequences(const rwkv_state *state) {
  return state ? state->sequences : 0;
}

int64_t rwkv_state_position(const rwkv_state *state, int64_t i) {
  return state && i >= 0 && i < state->sequences ? state->position[i] : -1;
}

int64_t rwkv_state_bytes(const rwkv_state *state) {
  return state ? state->model->pack->state_bytes : 0;
}

rwkv_status rwkv_state_clone(const rwkv_state *state, rwkv_state **out) {
  if (out) {
    *out = NULL;
  }
  if (!state) {
    return RWKV_E_ARGUMENT;
  }
  if (!out) {
    return rwkvi_fail(state->model->rt, RWKV_E_ARGUMENT,
                      "rwkv_state_clone: expected an output, found NULL");
  }
  rwkv_state *copy;
  RWKVI_TRY(create(state->model, state->sequences, &copy));
  for (size_t k = 0; k < state->model->pack->state_count; ++k) {
    int64_t bytes = 0;
    rwkvi_state_bytes(&state->model->pack->states[k], state->sequences, &bytes);
    rwkv_status status = state->model->device->copy(
        state->model->rt, copy->current[k], state->current[k], bytes);
    if (status != RWKV_OK) {
      rwkv_state_destroy(copy);
      return status;
    }
  }
  memcpy(copy->position, state->position,
         (size_t)state->sequences * sizeof(int64_t));
  *out = copy;
  return RWKV_OK;
}

/* ---- one sequence -------------------------------------------------------- */

static rwkv_status check_index(rwkv_runtime *rt, const char *what,
                               const rwkv_state *state, int64_t i) {
  if (i >= 0 && i < state->sequences) {
    return RWKV_OK;
  }
  return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                    "%s: expected a sequence in 0 .. %lld, found %lld", what,
                    (long long)state->sequences - 1, (long long)i);
}

static rwkv_status check_same_layout(rwkv_runtime *rt, const rwkv_pack *to,
                                     const rwkv_pack *from) {
  if (to == from) {
    return RWKV_OK;
  }
  if (to->state_count != from->state_count) {
    return rwkvi_fail(
        rt, RWKV_E_MISMATCH,
        "rwkv_state_copy: expected a state of %zu arrays, found %zu",
        to->state_count, from->state_count);
  }
  for (size_t k = 0; k < to->state_count; ++k) {
    const rwkvi_state_array *a = &to->states[k], *b = &from->states[k];
    if (strcmp(a->name, b->name) != 0 || a->dtype != b->dtype ||
        a->rank != b->rank || a->axis != b->axis ||
        memcmp(a->shape, b->shape, sizeof(a->shape)) != 0) {
      char x[RWKVI_SHAPE_TEXT], y[RWKVI_SHAPE_TEXT];
      return rwkvi_fail(rt, RWKV_E_MISMATCH,
                        "rwkv_state_copy: array %zu: expected \"%.200s\" %s %s "
                        "for one sequence, found \"%.200s\" %s %s",
                        k, a->name, rwkv_dtype_name(a->dtype),
                        rwkvi_shape_text(a->rank, a->shape, x), b->name,
                        rwkv_dtype_name(b->dtype),
                        rwkvi_shape_text(b->rank, b->shape, y));
    }
  }
  return RWKV_OK;
}

/* Whether the device of one can read the memory of the other. */
static bool share_memory(const rwkv_model *a, const rwkv_model *b) {
  return a->rt == b->rt || (a->device->here && b->device->here);
}

/* `between`: memory of this process, for models that share none. */
static rwkv_status carry(const rwkv_model *to_model, void *to,
                         const rwkv_model *from_model, const void *from,
                         int64_t bytes, void *between) {
  rwkv_runtime *rt = to_model->rt;
  if (!between) {
    return to_model->device->copy(rt, to, from, bytes);
  }
  int32_t bits;
  rwkv_status status =
      from_model->device->download(from_model->rt, between, from, bytes);
  if (status != RWKV_OK) {
    return rwkvi_fail(rt, status, "%.2000s", rwkv_message(from_model->rt));
  }
  status = to_model->device->upload(rt, to, between, bytes);
  return status ? rwkvi_give_up(rt, status)
                : to_model->device->finish(rt, false, &bits);
}

static rwkv_status carry_sequence(rwkv_state *to, int64_t to_i,
                                  const rwkv_state *from, int64_t from_i,
                                  void *between) {
  for (size_t k = 0; k < to->model->pack->state_count; ++k) {
    const rwkvi_state_array *array = &to->model->pack->states[k];
    for (int64_t o = 0; o < array->outer && array->row > 0; ++o) {
      RWKVI_TRY(carry(to->model,
                      (char *)to->current[k] +
                          (o * to->sequences + to_i) * array->row,
                      from->model,
                      (const char *)from->current[k] +
                          (o * from->sequences + from_i) * array->row,
                      array->row, between));
    }
  }
  to->position[to_i] = from->position[from_i];
  return RWKV_OK;
}

rwkv_status rwkv_state_copy(rwkv_state *to, int64_t to_i,
                            const rwkv_state *from, int64_t from_i) {
  if (!to) {
    return RWKV_E_ARGUMENT;
  }
  rwkv_runtime *rt = to->model->rt;
  if (!from) {
    return rwkvi_fail(
        rt, RWKV_E_ARGUMENT,
        "rwkv_state_copy: expected a state to copy from, found NULL");
  }
  RWKVI_TRY(check_index(rt, "rwkv_state_copy: to", to, to_i));
  RWKVI_TRY(check_index(rt, "rwkv_state_copy: from", from, from_i));
  RWKVI_TRY(check_same_layout(rt, to->model->pack, from->model->pack));
  if (to == from && to_i == from_i) {
    return RWKV_OK;
  }
  void *between = NULL;
  if (!share_memory(to->model, from->model)) {
    between = rwkvi_aligned((size_t)to->model->pack->state_bytes);
    if (!between) {
      return rwkvi_no_memory(rt, "a sequence's state");
    }
  }
  rwkv_status status = carry_sequence(to, to_i, from, from_i, between);
  free(between);
  return status;
}

rwkv_status rwkv_state_reset(rwkv_state *state, int64_t i) {
  if (!state) {
    return RWKV_E_ARGUMENT;
  }
  RWKVI_TRY(check_index(state->model->rt, "rwkv_state_reset", state, i));
  for (size_t k = 0; k < state->model->pack->state_count; ++k) {
    const rwkvi_state_array *array = &state->model->pack->states[k];
    for (int64_t o = 0; o < array->outer; ++o) {
      RWKVI_TRY(state->model->device->clear(
          state->model->rt,
          (char *)state->current[k] + (o * state->sequences + i) * array->row,
          array->row));
    }
  }
  state->position[i] = 0;
  return RWKV_OK;
}

rwkv_status rwkv_state_array(rwkv_state *state, int64_t k, const char **name,
                             rwkv_array *array) {
  if (name) {
    *name = NULL;
  }
  if (array) {
    *array = (rwkv_array){0};
  }
  if (!state) {
    return RWKV_E_ARGUMENT;
  }
  const rwkv_pack *pack = state->model->pack;
  if (!name || !array || k < 0 || (size_t)k >= pack->state_count) {
    return rwkvi_fail(state->model->rt, RWKV_E_ARGUMENT,
                      "rwkv_state_array: expected outputs and an index below "
                      "%zu, found index %lld",
                      pack->state_count, (long long)k);
  }
  *name = pack->states[k].name;
  rwkv_array view = rwkvi_state_view(state, (size_t)k);
  const void *data;
  rwkv_status status = rwkvi_state_read(state, (size_t)k, &data);
  if (status != RWKV_OK) {
    *name = NULL;
    return status;
  }
  view.data = (void *)data;
  *array = view;
  return RWKV_OK;
}
