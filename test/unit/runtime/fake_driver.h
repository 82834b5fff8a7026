/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* How tests look into the driver that is none (fake_driver.c), and what they
 * make it do. */
#ifndef RWKV_TEST_UNIT_RUNTIME_FAKE_DRIVER_H
#define RWKV_TEST_UNIT_RUNTIME_FAKE_DRIVER_H

#include <stddef.h>
#include <stdint.h>

enum { FAKE_LAUNCHES = 64 };

typedef struct fake_launch {
  char kernel[64];
  unsigned grid, block, shared;
  uint64_t first;     /* the last parameter */
  const void *stream; /* NULL in a graph */
} fake_launch;

typedef struct fake_control {
  /* What there is. */
  int devices, major, minor, version, threads, shared;
  int function_threads, function_shared; /* of every function */
  size_t memory;                         /* bytes of the device */
  int pools;                             /* whether it has pools of memory */
  int64_t scratch;                       /* that a task of any kernel takes */
  const double *durations; /* of launches in milliseconds, over and over */
  size_t duration_count;

  /* The call of this name fails after so many that do not. */
  const char *fail;
  int fail_after, fail_with;

  /* What happened. */
  size_t used, blocks; /* bytes and allocations now */
  int contexts, depth; /* retained; on the stack of this thread */
  int modules, streams, events;
  int freed_busy; /* memory that was freed while work was queued (of a pool: on
                     it) */
  int pool_count; /* that there are */
  size_t locked;  /* bytes of locked memory */
  int queued;     /* operations that did not run yet */
  int dynamic_shared; /* as last allowed for a function */
  int carveout;       /* as last asked for, in percent */
  int carveouts;      /* how often */
  size_t image_bytes; /* of the last text that was loaded */
  int graphs;         /* and what was instantiated of them, that there are */
  int instantiated, updated, replayed;
  int launched;     /* one by one: calls of cuLaunchKernel */
  int launch_count; /* done; the first ones are in the list */
  fake_launch launches[FAKE_LAUNCHES];
} fake_control;

/* Exported as "fake_driver". */
typedef fake_control *(*fake_driver_function)(void);

#endif /* RWKV_TEST_UNIT_RUNTIME_FAKE_DRIVER_H */
