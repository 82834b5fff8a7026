/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Memory of the device for one call: temporaries, and the arrays of callers
 * that are not there. */
#include "internal.h"

#include <string.h>

enum { STAGE_ALIGN = 256 }; /* as of memory that a device allocates */

/* Scratch that only grows; what it held need not be kept. */
static rwkv_status grow(rwkv_model *model, int64_t bytes, const char *what,
                        unsigned char **memory, int64_t *capacity) {
  if (*memory && bytes <= *capacity) {
    return RWKV_OK;
  }
  model->device->free(model->rt, *memory);
  *memory = NULL;
  *capacity = 0;
  void *fresh;
  RWKVI_TRY(model->device->alloc(model->rt, bytes, what, &fresh));
  *memory = fresh;
  *capacity = bytes;
  return RWKV_OK;
}

rwkv_status rwkvi_arena_reserve(rwkv_model *model, int64_t bytes) {
  return grow(model, bytes, "temporaries", &model->arena, &model->arena_bytes);
}

/* Adds an array to the stage: its offset; false on overflow. */
static bool append(int64_t *total, int64_t bytes, int64_t *offset) {
  int64_t end;
  if (!rwkvi_add(*total, bytes, &end) ||
      !rwkvi_add(end, STAGE_ALIGN - 1, &end)) {
    return false;
  }
  *offset = *total;
  *total = end / STAGE_ALIGN * STAGE_ALIGN;
  return true;
}

/* Whether the array is somewhere else than on the device. */
static bool moves(const rwkvi_value *value, bool states) {
  return !states || value->role != RWKVI_STATE;
}

static rwkv_status upload_args(rwkv_model *model,
                               const rwkvi_function *function,
                               const rwkvi_class *class, bool states) {
  int64_t at = 0, offset = 0;
  for (size_t i = 0; i < function->arg_count; ++i) {
    if (!moves(&function->args[i], states)) {
      continue;
    }
    append(&at, class->arg_bytes[i], &offset); /* cannot fail: done before */
    void *place = model->stage + offset;
    if (class->arg_bytes[i] > 0) {
      RWKVI_TRY(model->device->upload(model->rt, place, model->args[i],
                                      class->arg_bytes[i]));
    }
    model->args[i] = place;
  }
  for (size_t i = 0; i < function->result_count; ++i) {
    model->fetch[i] = NULL;
    if (moves(&function->results[i], states)) {
      append(&at, class->result_bytes[i], &offset);
      model->fetch[i] = model->results[i];
      model->results[i] = model->stage + offset;
    }
  }
  return RWKV_OK;
}

rwkv_status rwkvi_place(rwkv_model *model, const rwkvi_function *function,
                        const rwkvi_class *class, bool states) {
  if (model->device->here) {
    return RWKV_OK;
  }
  int64_t bytes = 0, offset;
  bool fits = true;
  for (size_t i = 0; i < function->arg_count; ++i) {
    fits &= !moves(&function->args[i], states) ||
            append(&bytes, class->arg_bytes[i], &offset);
  }
  for (size_t i = 0; i < function->result_count; ++i) {
    fits &= !moves(&function->results[i], states) ||
            append(&bytes, class->result_bytes[i], &offset);
  }
  if (!fits) {
    return rwkvi_no_memory(model->rt, "arguments and results");
  }
  RWKVI_TRY(grow(model, bytes, "arguments and results", &model->stage,
                 &model->stage_bytes));
  rwkv_status status = upload_args(model, function, class, states);
  return status ? rwkvi_give_up(model->rt, status) : RWKV_OK;
}

rwkv_status rwkvi_fetch(rwkv_model *model, const rwkvi_function *function,
                        const rwkvi_class *class) {
  for (size_t i = 0; i < function->result_count && !model->device->here; ++i) {
    if (model->fetch[i] && class->result_bytes[i] > 0) {
      RWKVI_TRY(model->device->download(model->rt, model->fetch[i],
                                        model->results[i],
                                        class->result_bytes[i]));
    }
  }
  return RWKV_OK;
}
