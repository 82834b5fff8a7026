/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Lanes on a CPU: a fiber each. Not a part of the runtime that is installed:
 * tests have a build of it with the device "emu" (rwkv_rt_emu). */
#ifndef RWKV_RT_EMU_H
#define RWKV_RT_EMU_H

#include "emu_kernel.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- emu_fiber.c --------------------------------------------------------- */

/* Stops this fiber, whose place goes to *from, and goes on where `to` stopped.
 */
void rwkvi_emu_switch(void **from, void *to);
/* A fiber that has not begun: it calls `function`, which does not return, on
 * the stack that ends at `top`. */
void *rwkvi_emu_fiber(void *top, void (*function)(void *argument),
                      void *argument);

/* ---- emu_product.c ------------------------------------------------------- */

/* Executes the instruction for the group of lanes that starts here. False: the
 * reason is in `message`. */
bool rwkvi_emu_multiply(const rwkv_emu_product *product,
                        rwkv_emu_lane *const *lanes, char *message,
                        size_t size);
/* Two f16 in a word, and so many words, each in a register, as f32. */
uint32_t rwkvi_emu_pair(float low, float high);
void rwkvi_emu_split(float *registers, int32_t count);

/* ---- emu_races.c --------------------------------------------------------- */

enum { RWKVI_EMU_GROUP = 32, RWKVI_EMU_GROUPS = 32 }; /* of lanes of a task */

/* What a lane did and waited for: its own time, and up to which time it waited
 * for each group of lanes. Of a barrier: what waiting there gives. */
typedef struct rwkvi_emu_clock {
  uint32_t time, waited[RWKVI_EMU_GROUPS];
} rwkvi_emu_clock;

/* The accesses to the memory of the tasks that a thread runs. */
typedef struct rwkvi_emu_watch rwkvi_emu_watch;

rwkvi_emu_watch *rwkvi_emu_watch_create(int32_t lanes, int64_t shared,
                                        int64_t scratch);
void rwkvi_emu_watch_destroy(rwkvi_emu_watch *watch);
/* Another task begins, with memory here. */
void rwkvi_emu_watch_task(rwkvi_emu_watch *watch, const void *shared,
                          const void *scratch);
void rwkvi_emu_clock_begin(const rwkvi_emu_watch *watch,
                           rwkvi_emu_clock *clock);
/* The lane comes to a barrier, and waits there until it is done. */
void rwkvi_emu_clock_arrive(rwkvi_emu_watch *watch, rwkvi_emu_clock *clock,
                            int32_t lane, rwkvi_emu_clock *barrier);
void rwkvi_emu_clock_wait(const rwkvi_emu_watch *watch, rwkvi_emu_clock *clock,
                          const rwkvi_emu_clock *barrier);
/* False: nothing puts the access in order with another one, of which `message`
 * tells. */
bool rwkvi_emu_watch_access(const rwkvi_emu_watch *watch, const void *memory,
                            int32_t bytes, bool writes, int32_t lane,
                            const rwkvi_emu_clock *clock, char *message,
                            size_t size);

/* ---- emu_lanes.c --------------------------------------------------------- */

typedef struct rwkvi_emu_grid {
  const char *name; /* of the kernel, for messages */
  rwkv_emu_kernel kernel;
  const uint64_t *parameters;
  int64_t tasks;
  int32_t lanes;          /* of a task */
  int64_t shared;         /* bytes of a task */
  unsigned char *scratch; /* memory of all tasks */
  int64_t scratch_bytes;  /* of a task */
} rwkvi_emu_grid;

/* Fills memory with what nobody should read: every element type's NaN, or -1.
 */
void rwkvi_emu_poison(void *memory, size_t bytes);

/* Runs all tasks on `threads` threads. False: the reason is in `message`, and
 * the other tasks ran in part. */
bool rwkvi_emu_run(const rwkvi_emu_grid *grid, int32_t threads, char *message,
                   size_t size);

#ifdef __cplusplus
}
#endif

#endif /* RWKV_RT_EMU_H */
