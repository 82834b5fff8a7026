/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Plans that run again on the same memory. Launching is what short kernels wait
 * for, as when models make token by token, so a device may record a plan and
 * replay it as a whole. A plan depends on its sizes, which are those of its
 * class, and on addresses: it is recorded when they come for the second time,
 * as many never do. A state alternates between two sets of buffers, so that
 * decoding with it needs two recordings.
 */
#include "internal.h"

#include <string.h>

enum {
  LEAST = 3,     /* operations of a plan that is worth it */
  MOST = 1 << 14 /* that are recorded, as recordings take memory */
};

bool rwkvi_is_replayed(const rwkv_model *model, const rwkvi_class *class) {
  return model->device->record && !model->rt->no_graphs &&
         class->operations >= LEAST && class->operations <= MOST;
}

rwkv_status rwkvi_replays_allocate(rwkv_model *model,
                                   const rwkvi_function *function,
                                   rwkvi_class *class) {
  size_t count = function->arg_count + function->result_count + 1;
  void **table =
      rwkvi_pool_alloc(&model->pool, count * RWKVI_REPLAYS, sizeof(*table));
  if (!table) {
    return rwkvi_no_memory(model->rt, "a plan");
  }
  for (int i = 0; i < RWKVI_REPLAYS; ++i) {
    class->replays[i].addresses = table + (size_t)i * count;
  }
  return RWKV_OK;
}

void rwkvi_replays_expire(rwkvi_class *class) {
  for (int i = 0; i < RWKVI_REPLAYS; ++i) {
    class->replays[i].used = 0;
    class->replays[i].ready = false;
  }
}

void rwkvi_replays_free(rwkv_model *model) {
  for (size_t i = 0; i < model->class_count && model->device->forget; ++i) {
    for (int j = 0; j < RWKVI_REPLAYS; ++j) {
      model->device->forget(model->rt, model->classes[i].replays[j].recording);
    }
  }
}

static bool matches(const rwkv_model *model, const rwkvi_function *function,
                    const rwkvi_replay *replay) {
  size_t args = function->arg_count, results = function->result_count;
  void *const *addresses = replay->addresses;
  return replay->used > 0 && replay->epoch == model->rt->epoch &&
         memcmp(addresses, model->args, args * sizeof(*addresses)) == 0 &&
         memcmp(addresses + args, model->results,
                results * sizeof(*addresses)) == 0 &&
         addresses[args + results] == model->arena;
}

/* The one of these addresses, else the one that was not used for the longest
 * time, for them now; `known` tells which. */
static rwkvi_replay *find(rwkv_model *model, const rwkvi_function *function,
                          rwkvi_class *class, bool *known) {
  size_t args = function->arg_count, results = function->result_count;
  rwkvi_replay *found = class->replays;
  *known = false;
  for (int i = 0; i < RWKVI_REPLAYS && !*known; ++i) {
    rwkvi_replay *replay = &class->replays[i];
    *known = matches(model, function, replay);
    found = *known || replay->used < found->used ? replay : found;
  }
  if (!*known) {
    memcpy(found->addresses, model->args, args * sizeof(void *));
    memcpy(found->addresses + args, model->results, results * sizeof(void *));
    found->addresses[args + results] = model->arena;
    found->epoch = model->rt->epoch;
    found->ready = false;
  }
  found->used = ++model->tick;
  return found;
}

typedef struct plan {
  rwkv_model *model;
  const rwkvi_function *function;
  const rwkvi_class *class;
} plan;

static rwkv_status queue_plan(void *data) {
  const plan *p = data;
  return rwkvi_queue(p->model, p->function, p->class);
}

/* Whatever goes wrong with recordings, the plan can do without. */
rwkv_status rwkvi_queue_again(rwkv_model *model, const rwkvi_function *function,
                              rwkvi_class *class) {
  if (!rwkvi_is_replayed(model, class)) {
    return rwkvi_queue(model, function, class);
  }
  plan p = {model, function, class};
  bool known;
  rwkvi_replay *replay = find(model, function, class, &known);
  if (known && !replay->ready) {
    replay->ready =
        model->device->record(model->rt, queue_plan, &p, &replay->recording);
    model->rt->no_graphs |= !replay->ready;
  }
  if (replay->ready && model->device->replay(model->rt, replay->recording)) {
    return RWKV_OK;
  }
  rwkv_status status = queue_plan(&p);
  if (status != RWKV_OK) {
    replay->used = 0;
    replay->ready = false;
  }
  return status;
}
