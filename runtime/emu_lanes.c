/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The lanes of a task as fibers of one thread, which run until they wait for
 * each other. */
#include "emu_task.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- memory -------------------------------------------------------------- */

static void access_memory(rwkv_emu_lane *self, const void *memory,
                          int32_t bytes, int32_t writes) {
  fiber *f = (fiber *)self;
  char message[256];
  if (!rwkvi_emu_watch_access(f->block->watch, memory, bytes, writes,
                              self->lane, &f->clock, message,
                              sizeof(message))) {
    rwkvi_emu_fail(f->block, "%s", message);
    rwkvi_emu_give_up(f);
  }
}

/* ---- what lanes of a warp do together ------------------------------------ */

static uint32_t shuffle(rwkv_emu_lane *self, uint32_t value, int32_t mask,
                        int32_t warp) {
  fiber *f = (fiber *)self;
  if (mask < 0 || mask >= warp) {
    rwkvi_emu_fail(f->block,
                   "lane %d: expected a shuffle within %d lanes, found mask %d",
                   self->lane, warp, mask);
    rwkvi_emu_give_up(f);
  }
  f->value = value;
  if (rwkvi_emu_meet(f, (group){.kind = SHUFFLE, .mask = mask}, warp)) {
    fiber *first = f - self->lane % warp;
    for (int32_t i = 0; i < warp; ++i) {
      if (i < (i ^ mask)) {
        uint32_t own = first[i].value;
        first[i].value = first[i ^ mask].value;
        first[i ^ mask].value = own;
      }
    }
  }
  return f->value;
}

static void product(rwkv_emu_lane *self, const rwkv_emu_product *what) {
  fiber *f = (fiber *)self;
  if (rwkvi_emu_meet(f, (group){.kind = PRODUCT, .what = what}, what->lanes)) {
    rwkv_emu_lane *lanes[MOST_LANES];
    fiber *first = f - self->lane % what->lanes;
    for (int32_t i = 0; i < what->lanes; ++i) {
      lanes[i] = &first[i].lane;
    }
    char reason[256];
    if (!rwkvi_emu_multiply(what, lanes, reason, sizeof(reason))) {
      rwkvi_emu_fail(f->block, "lanes %d..%d: %s", lanes[0]->lane,
                     lanes[0]->lane + what->lanes - 1, reason);
      rwkvi_emu_give_up(f);
    }
  }
}

/* Rows of 8 elements of 16 bits. */
static void load_blocks(rwkv_emu_lane *self, const void *row, int32_t count,
                        int32_t turned, int32_t warp) {
  enum { ROWS = 8, BYTES = 16 };
  fiber *f = (fiber *)self;
  int32_t own = self->lane % warp;
  if (own < ROWS * count) {
    if ((uintptr_t)row % BYTES != 0) {
      rwkvi_emu_fail(f->block,
                     "lane %d: expected a row at a multiple of %d bytes",
                     self->lane, BYTES);
      rwkvi_emu_give_up(f);
    }
    access_memory(self, row, BYTES, 0);
  }
  f->row = row;
  if (rwkvi_emu_meet(f, (group){.kind = BLOCKS, .mask = 2 * count + !!turned},
                     warp)) {
    fiber *first = f - own;
    for (int32_t i = 0; i < warp; ++i) {
      for (int32_t block = 0; block < count; ++block) {
        uint16_t pair[2];
        for (int32_t j = 0; j < 2; ++j) {
          int32_t outer = i / 4, inner = 2 * (i % 4) + j;
          const uint16_t *from =
              first[ROWS * block + (turned ? inner : outer)].row;
          pair[j] = from[turned ? outer : inner];
        }
        memcpy(&first[i].lane.registers[block], pair, sizeof(pair));
      }
    }
  }
}

/* ---- what a lane does alone ---------------------------------------------- */

static uint32_t pair_of(rwkv_emu_lane *self, float low, float high) {
  (void)self;
  return rwkvi_emu_pair(low, high);
}

static void split_pairs(rwkv_emu_lane *self, int32_t count) {
  rwkvi_emu_split(self->registers, count);
}

static float exp2_of(rwkv_emu_lane *self, float value) {
  (void)self;
  return exp2f(value);
}

static const rwkv_emu_functions functions = {
    .barrier = rwkvi_emu_barrier,
    .begin_meeting = rwkvi_emu_begin_meeting,
    .end_meeting = rwkvi_emu_end_meeting,
    .arrive = rwkvi_emu_arrive,
    .await = rwkvi_emu_await,
    .warp_barrier = rwkvi_emu_warp_barrier,
    .shuffle = shuffle,
    .exp2 = exp2_of,
    .product = product,
    .pair = pair_of,
    .split = split_pairs,
    .blocks = load_blocks,
    .access = access_memory,
};

/* ---- running ------------------------------------------------------------- */

void rwkvi_emu_poison(void *memory, size_t bytes) {
  memset(memory, 0xff, bytes);
}

static void run_lane(void *argument) {
  fiber *f = argument;
  f->block->grid->kernel(&f->lane, f->block->grid->parameters);
  f->state = DONE;
  ++f->block->done;
  rwkvi_emu_stop(f);
}

static void prepare_task(block *b, int64_t task) {
  const rwkvi_emu_grid *grid = b->grid;
  b->task = task;
  b->done = 0;
  rwkvi_emu_watch_task(b->watch, b->shared,
                       grid->scratch + task * grid->scratch_bytes);
  b->at_barrier = 0;
  memset(&b->barrier, 0, sizeof(b->barrier));
  memset(b->meetings, 0, sizeof(b->meetings));
  memset(b->groups, 0, sizeof(b->groups));
  rwkvi_emu_poison(b->shared, (size_t)grid->shared + GUARD);
  for (int32_t i = 0; i < grid->lanes; ++i) {
    fiber *f = &b->fibers[i];
    memset(f, 0, sizeof(*f));
    f->lane.functions = &functions;
    f->lane.shared = b->shared;
    f->lane.lane = i;
    f->lane.task = (int32_t)task;
    f->block = b;
    rwkvi_emu_clock_begin(b->watch, &f->clock);
    f->place = rwkvi_emu_fiber(b->stacks + (size_t)(i + 1) * (STACK + GUARD),
                               run_lane, f);
  }
}

static void run_task(block *b, int64_t task) {
  int32_t lanes = b->grid->lanes;
  prepare_task(b, task);
  while (b->done < lanes && !b->failed) {
    bool moved = false;
    for (int32_t i = 0; i < lanes && !b->failed; ++i) {
      /* Every other task from behind: where a barrier is missing, a lane that
       * reads comes before the one that writes in one of the two. */
      fiber *f = &b->fibers[task % 2 ? lanes - 1 - i : i];
      if (f->state == READY) {
        moved = true;
        rwkvi_emu_switch(&b->place, f->place);
      }
    }
    if (!moved) {
      rwkvi_emu_report_stuck(b);
    }
  }
  for (int32_t i = 0; i < GUARD && !b->failed; ++i) {
    if (b->shared[b->grid->shared + i] != 0xff) {
      rwkvi_emu_fail(b,
                     "a lane wrote behind the shared memory, %lld bytes of it",
                     (long long)b->grid->shared);
    }
  }
}

static void *run_thread(void *argument) {
  block *b = argument;
  while (!b->failed && !__atomic_load_n(b->stop, __ATOMIC_RELAXED)) {
    int64_t task = __atomic_fetch_add(b->next, 1, __ATOMIC_RELAXED);
    if (task >= b->grid->tasks) {
      break;
    }
    run_task(b, task);
  }
  if (b->failed) {
    __atomic_store_n(b->stop, true, __ATOMIC_RELAXED);
  }
  return NULL;
}

/* ---- threads ------------------------------------------------------------- */

static void destroy_block(block *b) {
  if (b) {
    size_t lanes = (size_t)b->grid->lanes;
    if (b->stacks) {
      munmap(b->stacks, lanes * (STACK + GUARD));
    }
    rwkvi_emu_watch_destroy(b->watch);
    free(b->shared);
    free(b->fibers);
    free(b);
  }
}

static block *create_block(const rwkvi_emu_grid *grid, int64_t *next,
                           bool *stop) {
  block *b = calloc(1, sizeof(*b));
  if (!b) {
    return NULL;
  }
  size_t lanes = (size_t)grid->lanes,
         shared = ((size_t)grid->shared + GUARD + 63) / 64 * 64;
  b->grid = grid;
  b->next = next;
  b->stop = stop;
  b->fibers = calloc(lanes, sizeof(*b->fibers));
  b->shared = aligned_alloc(64, shared);
  b->watch =
      rwkvi_emu_watch_create(grid->lanes, grid->shared, grid->scratch_bytes);
  void *stacks = mmap(NULL, lanes * (STACK + GUARD), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  b->stacks = stacks == MAP_FAILED ? NULL : stacks;
  bool ok = b->fibers && b->shared && b->watch && b->stacks;
  for (size_t i = 0; i < lanes && ok; ++i) {
    ok = mprotect(b->stacks + i * (STACK + GUARD), GUARD, PROT_NONE) == 0;
  }
  if (!ok) {
    destroy_block(b);
    return NULL;
  }
  return b;
}

bool rwkvi_emu_run(const rwkvi_emu_grid *grid, int32_t threads, char *message,
                   size_t size) {
  enum { MOST_THREADS = 16 };
  block *blocks[MOST_THREADS] = {NULL};
  pthread_t others[MOST_THREADS];
  bool stop = false, ok = true;
  int64_t next = 0;
  if (grid->lanes < 1 || grid->lanes > MOST_LANES) {
    snprintf(message, size,
             "kernel \"%.200s\": expected 1 to %d lanes, found "
             "%d",
             grid->name, MOST_LANES, grid->lanes);
    return false;
  }
  threads = threads < grid->tasks ? threads : (int32_t)grid->tasks;
  threads = threads < MOST_THREADS ? threads : MOST_THREADS;
  int32_t started = 0;
  for (; started < threads; ++started) {
    block *b = blocks[started] = create_block(grid, &next, &stop);
    if (!b || (started > 0 &&
               pthread_create(&others[started], NULL, run_thread, b) != 0)) {
      destroy_block(b);
      break; /* fewer do it too */
    }
  }
  if (started > 0) {
    run_thread(blocks[0]);
  } else if (grid->tasks > 0) {
    snprintf(message, size, "out of memory for lanes");
    ok = false;
  }
  for (int32_t i = 0; i < started; ++i) {
    if (i > 0) {
      pthread_join(others[i], NULL);
    }
    if (blocks[i]->failed && ok) {
      snprintf(message, size, "%s", blocks[i]->message);
      ok = false;
    }
    destroy_block(blocks[i]);
  }
  return ok;
}
