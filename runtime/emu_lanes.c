/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The lanes of a task as fibers of one thread, which run until they wait for
 * each other. Who waits for what never comes is told apart from who is late:
 * when no lane can go on, that is the error. */
#include "emu.h"

#include <pthread.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  MOST_LANES = 1024,
  MOST_BITS = 11, /* of a group of lanes: sizes 1 .. MOST_LANES */
  BARRIERS = 16,
  STACK = 128 << 10, /* bytes of a lane */
  GUARD = 4096, /* below a stack: no access; behind shared memory: poison */
  MESSAGE = 1024
};

typedef enum state { READY, AT_BARRIER, IN_GROUP, DONE } state;

/* What the lanes of a group do together. */
typedef struct meeting {
  enum { WARP_BARRIER, SHUFFLE, PRODUCT, BLOCKS } kind;
  const void *what; /* of a product */
  int32_t mask;     /* of a shuffle; number and kind of blocks */
  int32_t arrived;
} meeting;

typedef struct barrier {
  int32_t arrived, count, warp;
  uint32_t round; /* how often it was done */
  rwkvi_emu_clock clock;
} barrier;

typedef struct fiber {
  rwkv_emu_lane lane; /* the first member: what code calls `self` */
  struct block *block;
  void *place; /* where it stopped */
  state state;
  int32_t id;                /* of the barrier, or size of the group */
  uint32_t rounds[BARRIERS]; /* 1 + the last one that it came to */
  uint32_t value;            /* of a shuffle */
  const void *row;           /* of a block */
  rwkvi_emu_clock clock;
} fiber;

/* A thread, and the task that it runs. */
typedef struct block {
  const rwkvi_emu_grid *grid;
  int64_t *next; /* task of all threads */
  bool *stop;
  void *place; /* of the thread itself */
  fiber *fibers;
  unsigned char *stacks, *shared;
  rwkvi_emu_watch *watch;
  barrier barriers[BARRIERS];
  meeting meetings[MOST_BITS][MOST_LANES];
  int32_t done;
  int64_t task;
  bool failed;
  char message[MESSAGE];
} block;

/* ---- saying what is wrong ------------------------------------------------ */

static void fail(block *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void fail(block *b, const char *format, ...) {
  if (b->failed) {
    return;
  }
  int n = snprintf(b->message, sizeof(b->message),
                   "kernel \"%.200s\": task %lld: ", b->grid->name,
                   (long long)b->task);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(b->message + n, sizeof(b->message) - (size_t)n, format, arguments);
  va_end(arguments);
  b->failed = true;
}

static void describe(const fiber *f, char *text, size_t size) {
  static const char *const kinds[] = {"a barrier", "a shuffle",
                                      "a matrix instruction",
                                      "a load of blocks"};
  if (f->state == AT_BARRIER) {
    const barrier *one = &f->block->barriers[f->id];
    snprintf(text, size, "wait at barrier %d, where %d of %d came", f->id,
             one->arrived, one->count);
  } else if (f->state == IN_GROUP) {
    int32_t bits = __builtin_ctz((unsigned)f->id);
    const meeting *m = &f->block->meetings[bits][f->lane.lane >> bits];
    snprintf(text, size, "wait in %s of %d lanes, where %d came",
             kinds[m->kind], f->id, m->arrived);
  } else {
    snprintf(text, size, f->state == DONE ? "have ended" : "run");
  }
}

/* No lane can go on: "lanes 0..31 wait at .., lanes 32..63 have ended". */
static void report_stuck(block *b) {
  char all[MESSAGE - 300] = "", one[128], next[128];
  int32_t lanes = b->grid->lanes;
  size_t at = 0;
  for (int32_t first = 0, last; first < lanes; first = last + 1) {
    describe(&b->fibers[first], one, sizeof(one));
    for (last = first; last + 1 < lanes; ++last) {
      describe(&b->fibers[last + 1], next, sizeof(next));
      if (strcmp(one, next) != 0) {
        break;
      }
    }
    int n = snprintf(all + at, sizeof(all) - at, "%slanes %d..%d %s",
                     first ? ", " : "", first, last, one);
    if (at + (size_t)n >= sizeof(all)) {
      break;
    }
    at += (size_t)n;
  }
  fail(b, "no lane can go on: %s", all);
}

/* ---- waiting ------------------------------------------------------------- */

/* To the thread; a task that has failed is never gone on with. */
static void stop(fiber *f) { rwkvi_emu_switch(&f->place, f->block->place); }

static void wait_as(fiber *f, state state, int32_t id) {
  f->state = state;
  f->id = id;
  stop(f);
}

static void give_up(fiber *f) { wait_as(f, AT_BARRIER, 0); /* for good */ }

/* ---- barriers ------------------------------------------------------------ */

static void finish_barrier(block *b, int32_t id) {
  barrier *one = &b->barriers[id];
  for (int32_t i = 0; i < b->grid->lanes; ++i) {
    fiber *f = &b->fibers[i], *head = &b->fibers[i - i % one->warp];
    if ((f->rounds[id] == one->round + 1) !=
        (head->rounds[id] == one->round + 1)) {
      fail(b, "barrier %d: expected whole warps, found lane %d %s lane %d", id,
           (f->rounds[id] == one->round + 1 ? f : head)->lane.lane, "without",
           (f->rounds[id] == one->round + 1 ? head : f)->lane.lane);
    }
    if (f->state == AT_BARRIER && f->id == id) {
      f->state = READY;
      rwkvi_emu_clock_wait(b->watch, &f->clock, &one->clock);
    }
  }
  memset(&one->clock, 0, sizeof(one->clock));
  one->arrived = 0;
  ++one->round;
}

static void barrier_of(rwkv_emu_lane *self, int32_t id, int32_t count,
                       int32_t wait, int32_t warp) {
  fiber *f = (fiber *)self;
  block *b = f->block;
  int32_t lanes = b->grid->lanes;
  count = count ? count : lanes;
  if (id < 0 || id >= BARRIERS || count < 0 || count > lanes || warp <= 0 ||
      count % warp != 0) {
    fail(b,
         "lane %d: expected a barrier of whole warps among %d lanes, found "
         "barrier %d of %d lanes",
         self->lane, lanes, id, count);
    give_up(f);
  }
  barrier *one = &b->barriers[id];
  if (f->rounds[id] == one->round + 1) {
    fail(b, "barrier %d: lane %d came twice, before the others had come", id,
         self->lane);
    give_up(f);
  }
  if (one->arrived > 0 && one->count != count) {
    fail(b, "barrier %d: lane %d expects %d lanes, others expected %d", id,
         self->lane, count, one->count);
    give_up(f);
  }
  one->count = count;
  one->warp = warp;
  f->rounds[id] = one->round + 1;
  rwkvi_emu_clock_arrive(b->watch, &f->clock, self->lane, &one->clock);
  if (++one->arrived == count) {
    if (wait) {
      rwkvi_emu_clock_wait(b->watch, &f->clock, &one->clock);
    }
    finish_barrier(b, id);
    if (b->failed) {
      give_up(f);
    }
  } else if (wait) {
    wait_as(f, AT_BARRIER, id);
  }
}

/* ---- memory -------------------------------------------------------------- */

static void access_memory(rwkv_emu_lane *self, const void *memory,
                          int32_t bytes, int32_t writes) {
  fiber *f = (fiber *)self;
  char message[256];
  if (!rwkvi_emu_watch_access(f->block->watch, memory, bytes, writes,
                              self->lane, &f->clock, message,
                              sizeof(message))) {
    fail(f->block, "%s", message);
    give_up(f);
  }
}

/* ---- what lanes of a warp do together ------------------------------------ */

/* Waits for the other lanes of the group, unless this is the last one, which
 * then does the work. False if it is not. */
static bool meet(fiber *f, meeting what, int32_t size) {
  block *b = f->block;
  int32_t number = f->lane.lane;
  int32_t bits = size > 0 ? __builtin_ctz((unsigned)size) : 0;
  if (size <= 0 || size != 1 << bits || b->grid->lanes % size != 0) {
    fail(b,
         "lane %d: expected groups of lanes that %d can be divided into, "
         "found %d",
         number, b->grid->lanes, size);
    give_up(f);
  }
  meeting *m = &b->meetings[bits][number >> bits];
  if (m->arrived > 0 &&
      (m->kind != what.kind || m->what != what.what || m->mask != what.mask)) {
    char text[128] = "";
    for (int32_t i = number >> bits << bits; i < b->grid->lanes; ++i) {
      if (b->fibers[i].state == IN_GROUP && b->fibers[i].id == size) {
        describe(&b->fibers[i], text, sizeof(text));
        break;
      }
    }
    fail(b,
         "lane %d comes to another operation than lanes of its warp, which "
         "%s",
         number, text);
    give_up(f);
  }
  what.arrived = m->arrived + 1;
  *m = what;
  if (m->arrived < size) {
    wait_as(f, IN_GROUP, size);
    return false;
  }
  m->arrived = 0;
  for (int32_t i = number >> bits << bits; i < ((number >> bits) + 1) << bits;
       ++i) {
    b->fibers[i].state = READY;
  }
  return true;
}

static void warp_barrier(rwkv_emu_lane *self, int32_t warp) {
  fiber *f = (fiber *)self;
  if (meet(f, (meeting){.kind = WARP_BARRIER}, warp)) {
    rwkvi_emu_watch *watch = f->block->watch;
    rwkvi_emu_clock all = {0};
    fiber *first = f - self->lane % warp;
    for (int32_t i = 0; i < warp; ++i) {
      rwkvi_emu_clock_arrive(watch, &first[i].clock, first[i].lane.lane, &all);
    }
    for (int32_t i = 0; i < warp; ++i) {
      rwkvi_emu_clock_wait(watch, &first[i].clock, &all);
    }
  }
}

static uint32_t shuffle(rwkv_emu_lane *self, uint32_t value, int32_t mask,
                        int32_t warp) {
  fiber *f = (fiber *)self;
  if (mask < 0 || mask >= warp) {
    fail(f->block, "lane %d: expected a shuffle within %d lanes, found mask %d",
         self->lane, warp, mask);
    give_up(f);
  }
  f->value = value;
  if (meet(f, (meeting){.kind = SHUFFLE, .mask = mask}, warp)) {
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
  if (meet(f, (meeting){.kind = PRODUCT, .what = what}, what->lanes)) {
    rwkv_emu_lane *lanes[MOST_LANES];
    fiber *first = f - self->lane % what->lanes;
    for (int32_t i = 0; i < what->lanes; ++i) {
      lanes[i] = &first[i].lane;
    }
    char reason[256];
    if (!rwkvi_emu_multiply(what, lanes, reason, sizeof(reason))) {
      fail(f->block, "lanes %d..%d: %s", lanes[0]->lane,
           lanes[0]->lane + what->lanes - 1, reason);
      give_up(f);
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
      fail(f->block, "lane %d: expected a row at a multiple of %d bytes",
           self->lane, BYTES);
      give_up(f);
    }
    access_memory(self, row, BYTES, 0);
  }
  f->row = row;
  if (meet(f, (meeting){.kind = BLOCKS, .mask = 2 * count + !!turned}, warp)) {
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
    .barrier = barrier_of,
    .warp_barrier = warp_barrier,
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
  stop(f);
}

static void prepare_task(block *b, int64_t task) {
  const rwkvi_emu_grid *grid = b->grid;
  b->task = task;
  b->done = 0;
  rwkvi_emu_watch_task(b->watch, b->shared,
                       grid->scratch + task * grid->scratch_bytes);
  memset(b->barriers, 0, sizeof(b->barriers));
  memset(b->meetings, 0, sizeof(b->meetings));
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
      report_stuck(b);
    }
  }
  for (int32_t i = 0; i < GUARD && !b->failed; ++i) {
    if (b->shared[b->grid->shared + i] != 0xff) {
      fail(b, "a lane wrote behind the shared memory, %lld bytes of it",
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
