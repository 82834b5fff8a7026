/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A task and its lanes, as the files of the emulator that run them know it. */
#ifndef RWKV_RT_EMU_TASK_H
#define RWKV_RT_EMU_TASK_H

#include "emu.h"

enum {
  MOST_LANES = 1024,
  MOST_BITS = 11,    /* of a group of lanes: sizes 1 .. MOST_LANES */
  PLACES = 64,       /* of meetings */
  STACK = 128 << 10, /* bytes of a lane */
  GUARD = 4096, /* below a stack: no access; behind shared memory: poison */
  MESSAGE = 1024
};

typedef enum state { READY, AT_BARRIER, AT_MEETING, IN_GROUP, DONE } state;

/* What the lanes of a group do together. */
typedef struct group {
  enum { WARP_BARRIER, SHUFFLE, PRODUCT, BLOCKS, ARRIVAL } kind;
  const void *what; /* of a product; where they come to */
  int32_t mask;     /* of a shuffle; number and kind of blocks */
  int32_t arrived;
} group;

/* What warps come to, round by round. */
typedef struct meeting {
  const void *place;           /* NULL: there is none */
  int32_t arrived, count;      /* warps */
  int32_t round;               /* that is not over */
  rwkvi_emu_clock last, clock; /* of the round before, and of this one */
} meeting;

typedef struct fiber {
  rwkv_emu_lane lane; /* the first member: what code calls `self` */
  struct block *block;
  void *place; /* where it stopped */
  state state;
  int32_t id;      /* of the meeting, or size of the group */
  uint32_t value;  /* of a shuffle */
  const void *row; /* of a block */
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
  int32_t at_barrier;
  rwkvi_emu_clock barrier;
  meeting meetings[PLACES];
  group groups[MOST_BITS][MOST_LANES];
  int32_t done;
  int64_t task;
  bool failed;
  char message[MESSAGE];
} block;

/* ---- emu_waits.c --------------------------------------------------------- */

/* The task is wrong; the first reason stays. */
void rwkvi_emu_fail(block *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* No lane can go on: "lanes 0..31 wait at .., lanes 32..63 have ended". */
void rwkvi_emu_report_stuck(block *b);
/* To the thread; a task that has failed is never gone on with. */
void rwkvi_emu_stop(fiber *f);
void rwkvi_emu_give_up(fiber *f);

/* Waits for the other lanes of the group, unless this is the last one, which
 * then does the work. False if it is not. */
bool rwkvi_emu_meet(fiber *f, group what, int32_t size);

/* What code asks for (emu_kernel.h). */
void rwkvi_emu_barrier(rwkv_emu_lane *self);
void rwkvi_emu_warp_barrier(rwkv_emu_lane *self, int32_t warp);
void rwkvi_emu_begin_meeting(rwkv_emu_lane *self, void *place, int32_t count);
void rwkvi_emu_end_meeting(rwkv_emu_lane *self, void *place);
void rwkvi_emu_arrive(rwkv_emu_lane *self, void *place, int32_t warp);
void rwkvi_emu_await(rwkv_emu_lane *self, void *place, int32_t round);

#endif /* RWKV_RT_EMU_TASK_H */
