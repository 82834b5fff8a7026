/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Models: binding the weights of a pack to the tensors of a checkpoint. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY = 1024, WEIGHT_ALIGN = 256 };

/* Writes `key` with every "{l}" replaced; false if it does not fit. */
static bool expand_key(const char *key, int64_t layer, char *out) {
  size_t at = 0;
  while (*key) {
    char number[24] = {*key, 0};
    bool index = strncmp(key, "{l}", 3) == 0;
    if (index) {
      snprintf(number, sizeof(number), "%lld", (long long)layer);
    }
    size_t length = strlen(number);
    if (at + length + 1 > MAX_KEY) {
      return false;
    }
    memcpy(out + at, number, length);
    at += length;
    key += index ? 3 : 1;
  }
  out[at] = 0;
  return true;
}

static bool same_without_ones(int32_t rank_a, const int64_t *a, int32_t rank_b,
                              const int64_t *b) {
  int32_t i = 0, j = 0;
  for (;;) {
    while (i < rank_a && a[i] == 1) {
      ++i;
    }
    while (j < rank_b && b[j] == 1) {
      ++j;
    }
    if (i == rank_a || j == rank_b) {
      return i == rank_a && j == rank_b;
    }
    if (a[i++] != b[j++]) {
      return false;
    }
  }
}

/* "a" or "b" of the keys tried, for messages. */
static void list_keys(const rwkvi_weight *weight, int64_t layer, char *text,
                      size_t size) {
  size_t at = 0;
  for (size_t i = 0; i < weight->key_count && at < size - 1; ++i) {
    char key[MAX_KEY];
    int n = snprintf(text + at, size - at, "%s\"%.200s\"", i ? " or " : "",
                     expand_key(weight->keys[i], layer, key) ? key
                                                             : weight->keys[i]);
    at += (size_t)n;
  }
}

static rwkv_status bind_weight(rwkv_model *model,
                               const rwkv_checkpoint *checkpoint,
                               const rwkvi_weight *weight, int64_t layer,
                               bool *used) {
  rwkv_runtime *rt = model->rt;
  int64_t index = -1;
  char key[MAX_KEY];
  for (size_t i = 0; i < weight->key_count && index < 0; ++i) {
    index = expand_key(weight->keys[i], layer, key)
                ? rwkvi_checkpoint_find(checkpoint, key)
                : -1;
  }
  if (index < 0) {
    char keys[1024];
    list_keys(weight, layer, keys, sizeof(keys));
    return rwkvi_fail(
        rt, RWKV_E_MISMATCH,
        "%.1000s: weight \"%.200s\": expected tensor %s, found none",
        checkpoint->file, weight->name, keys);
  }
  const rwkvi_tensor *tensor = &checkpoint->tensors[index];
  char expected[RWKVI_SHAPE_TEXT], found[RWKVI_SHAPE_TEXT];
  if (tensor->dtype < 0) {
    return rwkvi_fail(
        rt, RWKV_E_UNSUPPORTED,
        "%.1000s: weight \"%.200s\": tensor \"%.200s\": expected %s, found %s, "
        "which this runtime has not",
        checkpoint->file, weight->name, tensor->name,
        rwkvi_safetensors_name(weight->dtype), tensor->type);
  }
  if ((rwkv_dtype)tensor->dtype != weight->dtype ||
      !same_without_ones(weight->rank, weight->shape, tensor->rank,
                         tensor->shape)) {
    return rwkvi_fail(rt, RWKV_E_MISMATCH,
                      "%.1000s: weight \"%.200s\": tensor \"%.200s\": expected "
                      "%s of %s, found %s of %s",
                      checkpoint->file, weight->name, tensor->name,
                      rwkvi_shape_text(weight->rank, weight->shape, expected),
                      rwkvi_safetensors_name(weight->dtype),
                      rwkvi_shape_text(tensor->rank, tensor->shape, found),
                      tensor->type);
  }
  model->weights[weight->slot + layer - weight->from] =
      checkpoint->data + tensor->begin;
  used[index] = true;
  return RWKV_OK;
}

static rwkv_status check_unused(rwkv_model *model,
                                const rwkv_checkpoint *checkpoint,
                                const bool *used) {
  enum { SHOWN = 5 };
  char text[1280] = "";
  size_t at = 0;
  int64_t unused = 0;
  for (int64_t i = 0; i < checkpoint->count; ++i) {
    if (!used[i] && unused++ < SHOWN) {
      at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\"%.200s\"",
                             at ? ", " : "", checkpoint->tensors[i].name);
    }
  }
  if (unused == 0) {
    return RWKV_OK;
  }
  return rwkvi_fail(model->rt, RWKV_E_MISMATCH,
                    "%.1000s: expected only tensors that a weight names, found "
                    "%lld others: %s%s",
                    checkpoint->file, (long long)unused, text,
                    unused > SHOWN ? ", .." : "");
}

/* The next weight's place in a block of all: moves *total past it. */
static bool place_weight(const rwkvi_weight *weight, int64_t *total,
                         int64_t *offset) {
  int64_t end;
  if (!rwkvi_add(*total, weight->bytes, &end) ||
      !rwkvi_add(end, WEIGHT_ALIGN - 1, &end)) {
    return false;
  }
  *offset = *total;
  *total = end / WEIGHT_ALIGN * WEIGHT_ALIGN;
  return true;
}

static rwkv_status copy_weights(rwkv_model *model) {
  const rwkv_pack *pack = model->pack;
  int64_t total = 0, offset = 0;
  for (size_t i = 0; i < pack->weight_count; ++i) {
    const rwkvi_weight *weight = &pack->weights[i];
    const void **slot = &model->weights[weight->slot];
    for (int64_t layer = weight->from; layer < weight->to; ++layer, ++slot) {
      place_weight(weight, &total, &offset); /* cannot fail: done before */
      void *place = (char *)model->weight_memory + offset;
      RWKVI_TRY(model->device->upload(model->rt, place, *slot, weight->bytes));
      *slot = place;
    }
  }
  return RWKV_OK;
}

/* From the mapped file into one block of the device's memory. */
static rwkv_status upload_weights(rwkv_model *model) {
  int64_t bytes = 0, offset;
  int32_t bits;
  for (size_t i = 0; i < model->pack->weight_count; ++i) {
    const rwkvi_weight *weight = &model->pack->weights[i];
    for (int64_t layer = weight->from; layer < weight->to; ++layer) {
      if (!place_weight(weight, &bytes, &offset)) {
        return rwkvi_no_memory(model->rt, "weights");
      }
    }
  }
  RWKVI_TRY(
      model->device->alloc(model->rt, bytes, "weights", &model->weight_memory));
  rwkv_status status = copy_weights(model);
  return status ? rwkvi_give_up(model->rt, status)
                : model->device->finish(model->rt, false, &bits);
}

static rwkv_status bind_weights(rwkv_model *model,
                                const rwkv_checkpoint *checkpoint,
                                bool allow_unused) {
  const rwkv_pack *pack = model->pack;
  if (!checkpoint) {
    if (pack->weight_count == 0) {
      return RWKV_OK;
    }
    return rwkvi_fail(
        model->rt, RWKV_E_ARGUMENT,
        "%.1000s: expected a checkpoint for %zu weights, found NULL",
        pack->file, pack->weight_count);
  }
  bool *used = calloc((size_t)checkpoint->count + 1, sizeof(bool));
  model->weights = rwkvi_pool_alloc(&model->pool, (size_t)pack->weight_slots,
                                    sizeof(void *));
  rwkv_status status =
      used && model->weights ? RWKV_OK : rwkvi_no_memory(model->rt, "weights");
  for (size_t i = 0; i < pack->weight_count && status == RWKV_OK; ++i) {
    const rwkvi_weight *weight = &pack->weights[i];
    for (int64_t layer = weight->from; layer < weight->to && status == RWKV_OK;
         ++layer) {
      status = bind_weight(model, checkpoint, weight, layer, used);
    }
  }
  if (status == RWKV_OK && !allow_unused) {
    status = check_unused(model, checkpoint, used);
  }
  free(used);
  if (status == RWKV_OK && !model->device->here) {
    status = upload_weights(model);
  }
  return status;
}

/* The tables a call needs, so that running a plan allocates nothing. */
static rwkv_status allocate_tables(rwkv_model *model) {
  const rwkv_pack *pack = model->pack;
  size_t args = 0, results = 0, buffers = 0, launches = 1;
  for (size_t i = 0; i < pack->function_count; ++i) {
    const rwkvi_function *function = &pack->functions[i];
    args = function->arg_count > args ? function->arg_count : args;
    results =
        function->result_count > results ? function->result_count : results;
    size_t side = 0, refs = 0; /* of launches side by side */
    for (size_t j = 0; j < function->step_count; ++j) {
      const rwkvi_step *step = &function->steps[j],
                       *steps = step->kind == RWKVI_REPEAT ? step->steps : step;
      size_t count = step->kind == RWKVI_REPEAT ? step->step_count : 1;
      for (size_t k = 0; k < count; ++k) {
        side += 1;
        refs += steps[k].ref_count;
        launches = side > launches ? side : launches;
        buffers = refs > buffers ? refs : buffers;
        if (!steps[k].beside) {
          side = refs = 0;
        }
      }
    }
  }
  model->args = rwkvi_pool_alloc(&model->pool, args, sizeof(void *));
  model->results = rwkvi_pool_alloc(&model->pool, results, sizeof(void *));
  model->fetch = rwkvi_pool_alloc(&model->pool, results, sizeof(void *));
  model->buffers = rwkvi_pool_alloc(&model->pool, buffers, sizeof(void *));
  model->buffer_bytes =
      rwkvi_pool_alloc(&model->pool, buffers, sizeof(int64_t));
  model->launches =
      rwkvi_pool_alloc(&model->pool, launches, sizeof(rwkvi_launch));
  model->classes = rwkvi_pool_alloc(
      &model->pool, pack->function_count * RWKVI_CLASSES, sizeof(rwkvi_class));
  if (!model->args || !model->results || !model->fetch || !model->buffers ||
      !model->buffer_bytes || !model->launches || !model->classes) {
    return rwkvi_no_memory(model->rt, "a model");
  }
  model->class_count = pack->function_count * RWKVI_CLASSES;
  for (size_t i = 0; i < pack->kernel_count; ++i) {
    RWKVI_TRY(model->device->reserve(model->rt, &pack->kernels[i], 1));
  }
  return RWKV_OK;
}

rwkv_status rwkv_model_bind(rwkv_runtime *rt, rwkv_pack *pack,
                            rwkv_checkpoint *checkpoint,
                            const rwkv_bind_options *options,
                            rwkv_model **out) {
  if (out) {
    *out = NULL;
  }
  if (!rt) {
    return RWKV_E_ARGUMENT;
  }
  if (!pack || !out) {
    return rwkvi_fail(
        rt, RWKV_E_ARGUMENT,
        "rwkv_model_bind: expected a pack and an output, found NULL");
  }
  rwkv_model *model = calloc(1, sizeof(*model));
  if (!model) {
    return rwkvi_no_memory(rt, "a model");
  }
  model->rt = rt;
  model->device = rt->device;
  model->pack = pack;
  rwkv_status status =
      bind_weights(model, checkpoint, options && options->allow_unused);
  status = status ? status : allocate_tables(model);
  if (status != RWKV_OK) {
    rwkv_model_destroy(model);
    return status;
  }
  *out = model;
  return RWKV_OK;
}

void rwkv_model_destroy(rwkv_model *model) {
  if (model) {
    rwkvi_replays_free(model);
    model->device->free(model->rt, model->arena);
    model->device->free(model->rt, model->stage);
    model->device->free(model->rt, model->weight_memory);
    rwkvi_pool_free(&model->pool);
    free(model);
  }
}

const rwkvi_function *rwkvi_function_find(const rwkv_pack *pack,
                                          const char *name) {
  for (size_t i = 0; i < pack->function_count; ++i) {
    if (strcmp(pack->functions[i].name, name) == 0) {
      return &pack->functions[i];
    }
  }
  return NULL;
}

int64_t rwkv_model_vocab(const rwkv_model *model) {
  const rwkvi_function *prefill =
      model ? rwkvi_function_find(model->pack, "prefill") : NULL;
  if (!prefill || prefill->result_count == 0 || prefill->results[0].rank == 0) {
    return 0;
  }
  const rwkvi_value *logits = &prefill->results[0];
  const rwkvi_expr *last = &logits->shape[logits->rank - 1];
  const int64_t none[RWKV_SIZE_COUNT] = {0};
  int64_t size;
  return rwkvi_expr_is_constant(last) && !rwkvi_expr_size(last, none, &size)
             ? size
             : 0;
}
