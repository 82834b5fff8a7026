/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The thread pool: a parallel-for over the tasks of one or several launches, in
 * contiguous chunks handed out by an atomic counter.
 *
 * `gate` is the whole protocol: bit 0 says that a job is open, bits 1-15 count
 * the workers inside it, the rest is the number of the job. A worker enters by
 * incrementing the count while the job is open; the caller closes the job when
 * its tasks are handed out and waits for the count to reach zero. So a worker
 * that was asleep all along is never waited for, and the fields of a job change
 * only while nobody is inside.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GATE_OPEN UINT64_C(1)
#define GATE_WORKER UINT64_C(2)
#define GATE_WORKERS UINT64_C(0xfffe)
#define GATE_JOB UINT64_C(0x10000)

/* How long an idle worker looks for work before it sleeps: some ten
 * microseconds, the gap between two launches. */
enum { SPINS = 2000, CHUNKS_PER_THREAD = 4 };

typedef struct worker {
  struct rwkvi_threads *pool;
  int32_t index;
  pthread_t thread;
} worker;

struct rwkvi_threads {
  int32_t count, started; /* threads including the caller; workers running */
  worker *workers;
  void **scratch; /* per thread, the caller's first */
  int64_t scratch_bytes;

  /* The job. */
  const rwkvi_launch *launches;
  const int64_t *sizes;
  int64_t chunks; /* of all launches */

  _Alignas(RWKVI_ALIGN) _Atomic int64_t next; /* first chunk not handed out */
  _Alignas(RWKVI_ALIGN) _Atomic uint64_t gate;
  _Alignas(RWKVI_ALIGN) _Atomic int32_t status;
  _Atomic int32_t sleepers;
  _Atomic bool stop;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
};

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void work(rwkvi_threads *pool, int32_t index) {
  int32_t status = 0; /* of this thread: kernels do not OR atomically */
  rwkv_kernel_args args = {NULL, pool->sizes, pool->scratch[index], &status};
  int64_t position;
  while ((position = atomic_fetch_add_explicit(
              &pool->next, 1, memory_order_relaxed)) < pool->chunks) {
    const rwkvi_launch *launch = pool->launches;
    while (position >= launch->chunks) {
      position -= launch->chunks;
      ++launch;
    }
    int64_t done = position * launch->chunk, left = launch->tasks - done;
    int64_t begin = launch->first + done;
    args.buffers = launch->buffers;
    launch->kernel->entry(&args, begin,
                          begin +
                              (left > launch->chunk ? launch->chunk : left));
  }
  if (status) {
    atomic_fetch_or_explicit(&pool->status, status, memory_order_relaxed);
  }
}

/* Whether a job is open that is not the one the worker was in last. */
static bool is_new(uint64_t gate, uint64_t last) {
  return (gate & GATE_OPEN) && gate / GATE_JOB != last;
}

static bool try_enter(rwkvi_threads *pool, uint64_t *last) {
  uint64_t gate = atomic_load(&pool->gate);
  while (is_new(gate, *last)) {
    if (atomic_compare_exchange_weak(&pool->gate, &gate, gate + GATE_WORKER)) {
      *last = gate / GATE_JOB;
      return true;
    }
  }
  return false;
}

static void sleep_until_work(rwkvi_threads *pool, uint64_t last) {
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add(&pool->sleepers, 1);
  /* The caller opens the gate before it reads `sleepers`, and this reads the
   * gate after raising it, all sequentially consistent: one of the two sees the
   * other. */
  while (!atomic_load(&pool->stop) && !is_new(atomic_load(&pool->gate), last)) {
    pthread_cond_wait(&pool->wake, &pool->mutex);
  }
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->mutex);
}

static void *worker_main(void *argument) {
  worker *self = argument;
  rwkvi_threads *pool = self->pool;
  uint64_t last = 0;
  int spins = 0;
  while (!atomic_load_explicit(&pool->stop, memory_order_relaxed)) {
    if (try_enter(pool, &last)) {
      work(pool, self->index);
      atomic_fetch_sub(&pool->gate, GATE_WORKER);
      spins = 0;
    } else if (++spins < SPINS) {
      relax();
    } else {
      sleep_until_work(pool, last);
      spins = 0;
    }
  }
  return NULL;
}

static void wake_all(rwkvi_threads *pool) {
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

/* A launch alone is cut finely enough to even out threads of different speed.
 */
static int64_t cut(rwkvi_threads *pool, rwkvi_launch *launches, size_t count) {
  int64_t limit = (int64_t)pool->count * CHUNKS_PER_THREAD, chunks = 0;
  for (size_t i = 0; i < count; ++i) {
    rwkvi_launch *launch = &launches[i];
    launch->chunk = launch->tasks > limit ? launch->tasks / limit : 1;
    launch->chunks = launch->tasks / launch->chunk +
                     (launch->tasks % launch->chunk != 0);
    chunks += launch->chunks;
  }
  return chunks;
}

int32_t rwkvi_threads_run(rwkvi_threads *pool, rwkvi_launch *launches,
                          size_t count, const int64_t *sizes) {
  int64_t chunks = cut(pool, launches, count);
  if (pool->count == 1 || chunks <= 1) {
    int32_t status = 0;
    for (size_t i = 0; i < count; ++i) {
      rwkv_kernel_args args = {launches[i].buffers, sizes, pool->scratch[0],
                               &status};
      if (launches[i].tasks > 0) {
        launches[i].kernel->entry(&args, launches[i].first,
                                  launches[i].first + launches[i].tasks);
      }
    }
    return status;
  }
  pool->launches = launches;
  pool->sizes = sizes;
  pool->chunks = chunks;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  atomic_store_explicit(&pool->status, 0, memory_order_relaxed);
  atomic_fetch_add(
      &pool->gate,
      GATE_JOB + GATE_OPEN); /* nobody is inside: publishes the fields above */
  if (atomic_load(&pool->sleepers) > 0) {
    wake_all(pool);
  }
  work(pool, 0);
  atomic_fetch_and(&pool->gate, ~GATE_OPEN);
  for (int spins = 0; atomic_load(&pool->gate) & GATE_WORKERS; ++spins) {
    if (spins < SPINS) {
      relax();
    } else {
      sched_yield(); /* more threads than processors */
    }
  }
  return atomic_load_explicit(&pool->status, memory_order_relaxed);
}

bool rwkvi_threads_reserve(rwkvi_threads *pool, int64_t bytes) {
  if (bytes <= pool->scratch_bytes) {
    return true;
  }
  void **fresh = calloc((size_t)pool->count, sizeof(void *));
  bool complete = fresh != NULL;
  for (int32_t i = 0; i < pool->count && complete; ++i) {
    fresh[i] = rwkvi_aligned((size_t)bytes);
    complete = fresh[i] != NULL;
  }
  void **drop = complete ? pool->scratch : fresh;
  for (int32_t i = 0; i < pool->count && drop; ++i) {
    free(drop[i]);
  }
  free(drop);
  if (complete) {
    pool->scratch = fresh;
    pool->scratch_bytes = bytes;
  }
  return complete;
}

static int32_t available_processors(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  long count = sched_getaffinity(0, sizeof(set), &set) == 0
                   ? CPU_COUNT(&set)
                   : sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1                   ? 1
         : count > RWKVI_MAX_THREADS ? RWKVI_MAX_THREADS
                                     : (int32_t)count;
}

rwkv_status rwkvi_threads_create(rwkv_runtime *rt, int32_t count) {
  rwkvi_threads *pool = rwkvi_aligned(sizeof(*pool));
  if (!pool) {
    return rwkvi_no_memory(rt, "threads");
  }
  memset(pool, 0, sizeof(*pool));
  rt->threads = pool; /* from here on rwkv_runtime_destroy cleans up */
  pool->count = count ? count : available_processors();
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pool->scratch = calloc((size_t)pool->count, sizeof(void *));
  pool->workers = calloc((size_t)pool->count, sizeof(worker));
  if (!pool->scratch || !pool->workers) {
    return rwkvi_no_memory(rt, "threads");
  }
  while (pool->started < pool->count - 1) {
    worker *next = &pool->workers[pool->started];
    *next = (worker){.pool = pool, .index = pool->started + 1};
    int error = pthread_create(&next->thread, NULL, worker_main, next);
    if (error) {
      return rwkvi_fail(
          rt, RWKV_E_MEMORY,
          "threads: expected %d, found that only %d can be started: %s",
          pool->count, pool->started + 1, strerror(error));
    }
    ++pool->started;
  }
  return RWKV_OK;
}

void rwkvi_threads_destroy(rwkvi_threads *pool) {
  if (!pool) {
    return;
  }
  atomic_store(&pool->stop, true);
  wake_all(pool);
  for (int32_t i = 0; i < pool->started; ++i) {
    pthread_join(pool->workers[i].thread, NULL);
  }
  for (int32_t i = 0; i < pool->count && pool->scratch; ++i) {
    free(pool->scratch[i]);
  }
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  free(pool->scratch);
  free(pool->workers);
  free(pool);
}

int32_t rwkvi_threads_count(const rwkvi_threads *pool) {
  return pool ? pool->count : 0;
}
